"""What this machine can do at most, measured in the run that it is held against: copying, and gathering batches.

One thread each, like the loaders without workers. Rates are the best of several passes: a limit is what the
machine can reach, and everything else on it only takes away.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.forms import Rows

COPIED = 256 * 2**20  # bytes: more than any cache holds
PASSES = 7
LONG_ENOUGH_S = 0.05


def measure(packed: Path, batches: Sequence[npt.NDArray[Any]]) -> dict[str, float]:
    """Return bytes a second of three things, all of uint8.

    `copy`: numpy's copy of a large array. `gather`: copying the samples of `batches` out of the memory-mapped
    array at `packed`, uint8 (n, channel, height, width), in the fastest of the ways that numpy has. `reader`: the
    same through fedbench's own reader.
    """
    rows = np.asarray(np.load(packed, mmap_mode="r"))
    buffer = np.empty((max(map(len, batches)), *rows.shape[1:]), np.uint8)
    size = sum(map(len, batches)) * rows[0].nbytes
    ways: list[Callable[[npt.NDArray[Any]], Any]] = [
        lambda batch: rows[batch],
        lambda batch: rows.take(batch, axis=0),
        lambda batch: rows.take(batch, axis=0, out=buffer[: len(batch)], mode="clip"),
    ]
    source, target = np.ones(COPIED, np.uint8), np.empty(COPIED, np.uint8)
    return {
        "copy": _rate(lambda: np.copyto(target, source), COPIED),
        "gather": max(_rate(partial(_each, way, batches), size) for way in ways),
        "reader": _rate(partial(_each, Rows(np.load(packed, mmap_mode="r")).batch, batches), size),
    }


def _each(action: Callable[[Any], Any], batches: Sequence[Any]) -> None:
    for batch in batches:
        action(batch)


def _rate(action: Callable[[], None], size: int) -> float:
    """Bytes a second, the best of a few passes, each long enough for the clock."""
    action()
    best = 0.0
    for _ in range(PASSES):
        times = 0
        start = time.perf_counter()
        while not times or time.perf_counter() - start < LONG_ENOUGH_S:
            action()
            times += 1
        best = max(best, times * size / (time.perf_counter() - start))
    return best
