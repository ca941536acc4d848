"""What goes wrong between a sensor and its reader, on purpose."""

import math
import termios
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.errors import UserError

DEFAULTS = {
    "noise": 0.02,
    "half-lines": 0.02,
    "loss": 0.02,
    "unplug": 10.0,
    "silence": 5.0,
    "wrong-baud": 38400.0,
}
_SHARES = ("noise", "half-lines", "loss")
_SPEEDS = {value: int(name[1:]) for name, value in vars(termios).items() if name[0] == "B" and name[1:].isdigit()}


@dataclass(frozen=True)
class Faults:
    """Shares of the lines that suffer; seconds heard until the sensor goes; the rate that it really sends at."""

    noise: float = 0.0
    half_lines: float = 0.0
    loss: float = 0.0
    unplug_s: float = math.inf
    silence_s: float = math.inf
    baud: int | None = None

    def spoil(self, line: bytes, rng: np.random.Generator) -> bytes:
        """A line as it arrives: whole, cut, with wrong bytes, or not at all."""
        if rng.random() < self.loss:
            return b""
        if rng.random() < self.half_lines:
            line = line[: rng.integers(1, len(line))]
        if rng.random() < self.noise:
            spoilt = bytearray(line)
            for _ in range(rng.integers(1, 5)):
                spoilt[rng.integers(len(spoilt))] = rng.integers(256)
            line = bytes(spoilt)
        return line


def parse(texts: Iterable[str]) -> Faults:
    """Faults of `NAME` or `NAME=VALUE` texts; UserError for another name or a value that makes no sense."""
    values: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in DEFAULTS:
            raise UserError(f"--fault {text}: there is no such fault; there are: {', '.join(DEFAULTS)}")
        values[name] = _number(text, value) if equals else DEFAULTS[name]
        if name in _SHARES and not 0 <= values[name] <= 1:
            raise UserError(f"--fault {text}: must be a share of the lines, from 0 to 1")
        if name == "wrong-baud" and values[name] not in _SPEEDS.values():
            raise UserError(f"--fault {text}: must be a usual rate, such as 9600 or 57600")
    return Faults(
        noise=values.get("noise", 0.0),
        half_lines=values.get("half-lines", 0.0),
        loss=values.get("loss", 0.0),
        unplug_s=values.get("unplug", math.inf),
        silence_s=values.get("silence", math.inf),
        baud=int(values["wrong-baud"]) if "wrong-baud" in values else None,
    )


def reader_baud(terminal: int) -> int | None:
    """The rate that whoever has opened the terminal believes in; None for an unusual one."""
    return _SPEEDS.get(termios.tcgetattr(terminal)[5])


def misread(data: bytes, sent_at: int, read_at: int) -> bytes:
    """What a UART set to `read_at` baud makes of bytes that are sent, one after another, at `sent_at`."""
    bits = np.ones((len(data), 10), np.uint8)  # start bit, eight bits, the lowest first, stop bit
    bits[:, 0] = 0
    bits[:, 1:9] = np.unpackbits(np.frombuffer(data, np.uint8)[:, None], axis=1, bitorder="little")
    line = np.concatenate([bits.ravel(), np.ones(10, np.uint8)])
    a_bit = sent_at / read_at
    found = bytearray()
    at = 0.0
    while int(at) < len(line):
        if line[int(at)]:  # idle, until a start bit
            at = float(int(at) + 1)
            continue
        middles = (at + a_bit * (1.5 + np.arange(8))).astype(int)
        if middles[-1] >= len(line):
            break
        found.append(int(np.packbits(line[middles], bitorder="little")[0]))
        at += a_bit * 9.5
    return bytes(found)


def _number(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise UserError(f"--fault {text}: {value!r} is no number from 0")
    return number
