"""The lines that a sensor sends, and what they say.

`M,COUNTER,AX,AY,AZ,GX,GY,GZ*CC`: a counter that goes from 0 to 65535 and around, the six numbers as the MPU6050 gives
them (16 bits, signed; 16384 a g, 131 a deg/s), and CRC-8 (polynomial 0x07, from 0) over all that stands before the
asterisk, as two hexadecimal digits. `AX,AY,AZ,GX,GY,GZ`, in g and deg/s, is read too; nothing guards such a line.
`# ...` is a remark of the device, which it makes when it starts.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from bench.gesture.motion import AXES

LSB_PER_G, LSB_PER_DPS = 16384.0, 131.0
COUNTERS = 65536
SCALES = (LSB_PER_G,) * 3 + (LSB_PER_DPS,) * 3
MOST_G, MOST_DPS = 16.0, 2000.0  # of a plain line: what six-axis sensors can be set to
LONGEST = 200  # bytes; a line that is longer is none

_GUARDED = re.compile(rb"M,(\d{1,5})((?:,-?\d{1,5}){6})\*([0-9A-F]{2})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_HEADER = re.compile(rb"[aA]_?[xX]\s*,.*[gG]_?[zZ]")


class Line(NamedTuple):
    """A sample: `values` in g and deg/s in the order of AXES, `counter` None for a plain line."""

    counter: int | None
    values: tuple[float, ...]


class Remark(NamedTuple):
    """What a device says of itself, or the header of plain lines."""

    text: str


class BrokenLine(ValueError):
    """A line that says nothing that could be relied on; the message tells why."""


def _crc_table() -> bytes:
    table = bytearray(256)
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
        table[byte] = crc
    return bytes(table)


_CRC = _crc_table()


def checksum(body: bytes) -> int:
    """CRC-8 (polynomial 0x07, from 0): every burst of up to eight wrong bits changes it."""
    crc = 0
    for byte in body:
        crc = _CRC[crc ^ byte]
    return crc


def raw(values: Sequence[float]) -> tuple[int, ...]:
    """The 16-bit integers of six numbers in g and deg/s; what is beyond full scale clips, as in the sensor."""
    counts = (round(value * scale) for value, scale in zip(values, SCALES, strict=True))
    return tuple(max(-32768, min(32767, count)) for count in counts)


def format_line(counter: int, counts: Sequence[int]) -> bytes:
    """The guarded line, with its line end, of six 16-bit integers."""
    body = b"M,%d,%d,%d,%d,%d,%d,%d" % (counter % COUNTERS, *counts)
    return b"%s*%02X\n" % (body, checksum(body))


def parse(line: bytes) -> Line | Remark:
    """What a line without its line end says; BrokenLine where that can't be relied on."""
    line = line.strip()
    if line.startswith(b"M"):
        return _guarded(line)
    if line.startswith(b"#") or _HEADER.fullmatch(line):
        return Remark(_printable(line.lstrip(b"# ")))
    return Line(None, _plain(line))


def _guarded(line: bytes) -> Line:
    found = _GUARDED.fullmatch(line)
    if found is None:
        raise BrokenLine("not M,COUNTER,AX,AY,AZ,GX,GY,GZ*CC")
    if checksum(line[: line.rindex(b"*")]) != int(found[3], 16):
        raise BrokenLine("the checksum is wrong")
    counter = int(found[1])
    counts = [int(field) for field in found[2].split(b",")[1:]]
    if counter >= COUNTERS or any(not -32768 <= count <= 32767 for count in counts):
        raise BrokenLine("a number has more than 16 bits")
    return Line(counter, tuple(count / scale for count, scale in zip(counts, SCALES, strict=True)))


def _plain(line: bytes) -> tuple[float, ...]:
    try:
        fields = [field.strip() for field in line.decode("ascii").split(",")]
    except UnicodeDecodeError:
        raise BrokenLine("it is no text") from None
    if len(fields) != len(AXES):
        raise BrokenLine(f"{len(fields)} fields rather than six")
    if not all(_NUMBER.fullmatch(field) for field in fields):
        raise BrokenLine("a field is no number")
    values = tuple(float(field) for field in fields)
    limits = (MOST_G,) * 3 + (MOST_DPS,) * 3
    if not all(math.isfinite(value) and abs(value) <= limit for value, limit in zip(values, limits, strict=True)):
        raise BrokenLine(f"a number is beyond {MOST_G:g} g or {MOST_DPS:g} deg/s")
    return values


def _printable(text: bytes) -> str:
    return "".join(char if char.isprintable() else "?" for char in text.decode("ascii", "replace"))
