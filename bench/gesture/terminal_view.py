"""The live view as text, over ssh: a line an axis, the energy against its threshold, and the last gesture."""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.console import Group
from rich.text import Text

from bench.gesture.live import SPAN_S
from bench.gesture.motion import AXES, RANGE_DPS, RANGE_G

if TYPE_CHECKING:
    from bench.gesture.live import Live

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=oO0#"  # where the terminal has no blocks
STYLES = ("blue", "red", "green")
LEFT, RIGHT = 11, 16


def render(live: "Live", width: int, is_utf8: bool, frames_hz: float) -> Group:
    """The view, as wide as the terminal."""
    columns = max(10, width - LEFT - RIGHT)
    blocks = BLOCKS if is_utf8 else PLAIN
    values, energies = live.values, live.energies
    kept = round(SPAN_S * live.rate_hz)
    age = (live.place - live.places) * columns // kept  # columns from the right
    lines = [_head(live)]
    for axis, name in enumerate(AXES):
        full, unit = (RANGE_G, "g") if axis < 3 else (RANGE_DPS, "deg/s")
        series = values[:, axis]
        last = f"{series[-1]:8.2f} {unit}" if len(series) else ""
        drawn = spark(series, age, columns, -full, full, blocks)
        lines.append(Text.assemble(f"{name:>{LEFT - 2}}  ", (drawn, STYLES[axis % 3]), f" {last}", no_wrap=True))
    threshold = live.segmenter.threshold
    top = max(1.0, float(energies.max()) if len(energies) else 0.0)
    drawn = spark(energies, age, columns, 0.0, top, blocks)
    told = f"{live.segmenter.energy:8.2f}" + (f" of {threshold:.2f}" if threshold is not None else "")
    shown = Text(f"{'energy':>{LEFT - 2}}  ")
    shown.append(drawn, "bold" if live.segmenter.is_moving else "")
    shown.append(f" {told}")
    shown.no_wrap = True
    tally = live.tally
    state = (
        f"{live.sample_hz:.0f} samples/s, {frames_hz:.0f} frames/s; {live.counted},"
        f" {tally.lost} lost, {tally.broken} broken, {tally.reconnects} reconnected; Ctrl-C ends"
    )
    return Group(
        *lines,
        shown,
        _marks(live, columns),
        Text(state, "dim", no_wrap=True, overflow="ellipsis" if is_utf8 else "crop"),
    )


def spark(
    series: npt.NDArray[np.floating],
    age: npt.NDArray[np.int64],
    columns: int,
    low: float,
    high: float,
    blocks: str,
) -> str:
    """A number per column, the strongest in it, as blocks from `low` to `high`; a blank where no sample came."""
    row = [" "] * columns
    for column in range(columns):
        part = series[age == columns - 1 - column]
        if len(part):
            value = float(part[np.abs(part - part.mean()).argmax()])
            share = (value - low) / (high - low)
            row[column] = blocks[min(len(blocks) - 1, max(0, math.floor(share * len(blocks))))]
    return "".join(row)


def _head(live: "Live") -> Text:
    if not live.segmenter.is_calibrated:
        return Text("hold the sensor still: calibrating", "yellow", no_wrap=True)
    if live.segmenter.is_moving:
        return Text("moving", "bold cyan", no_wrap=True)
    told = f"last gesture: {live.gestures[-1].told}" if live.gestures else "at rest: no gesture yet"
    return Text(told, "bold", no_wrap=True)


def _marks(live: "Live", columns: int) -> Text:
    """Where the gestures were, under the lines."""
    kept = round(SPAN_S * live.rate_hz)
    row = [" "] * columns
    for gesture in live.gestures:
        first, last = (columns - 1 - (live.place - at) * columns // kept for at in (gesture.start, gesture.stop - 1))
        if last < 0:
            continue
        name = (gesture.label or "").center(last - first + 1, "=")[: last - first + 1]
        for place, char in zip(range(first, last + 1), name, strict=True):
            if 0 <= place < columns:
                row[place] = char
    return Text(f"{'gesture':>{LEFT - 2}}  " + "".join(row), no_wrap=True)
