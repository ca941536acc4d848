"""`bench gesture simulate`: a virtual sensor in a terminal of its own."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.errors import UserError
from bench.gesture import faults, motions, physics, recording
from bench.gesture.motion import RATE_HZ
from bench.gesture.terminal import Terminal
from bench.gesture.virtual import VirtualSensor


def simulate(
    link: Path | None,
    labels: Sequence[str] | None,
    people: Sequence[int],
    count: int | None,
    replay: Path | None,
    rate_hz: float | None,
    speed: float,
    trouble: Sequence[str],
    seed: int,
) -> None:
    """Serve a virtual sensor until all was told and nobody listens, or until interrupted. UserError for bad input."""
    chosen = faults.parse(trouble)
    if "unplug" in {text.partition("=")[0] for text in trouble} and link is None:
        raise UserError("--fault unplug: needs --link PATH, as a pseudo-terminal comes back under another name")
    rng = np.random.default_rng(seed)
    if replay is not None:
        if labels or count:
            raise UserError("--replay: takes no --label and no --count; it plays what was recorded, once")
        pieces = motions.replayed(recording.to_replay(replay), rate_hz)
    else:
        for label in labels or ():
            if label not in physics.LABELS:
                raise UserError(f"--label {label}: only {' and '.join(physics.LABELS)} can be simulated")
        pieces = motions.simulated(labels or physics.LABELS, people, rng, rate_hz or RATE_HZ, count)
    terminal = Terminal(link)
    try:
        sensor = VirtualSensor(terminal, pieces, chosen, rng, speed, _say)
        print(terminal.name, flush=True)
        if link is not None:
            _say(f"{link} leads to {terminal.path}")
        _say(f"bench gesture record --port {terminal.name} --label LtoR --count 10 would listen; Ctrl-C ends")
        try:
            sensor.run()
        finally:
            _say(f"{sensor.sent.lines} lines sent, {sensor.sent.dropped} dropped as the reader was too slow")
    finally:
        terminal.close()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
