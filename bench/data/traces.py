"""A movement as lines: an axis of the sensor each, x, y and z in a colour, an accelerometer above a gyroscope."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.palette import BLUE, GREEN, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"x": BLUE, "y": RED, "z": GREEN}  # as the live plot has them
_GAP = 1.08  # from a sensor's zero to the next one's, where the largest fills 1


def reaches(samples: npt.NDArray[np.uint8], names: Sequence[str]) -> dict[str, float]:
    """Return by sensor (a, g) how far any of uint8 (n, axes, samples) is from 0, as a share of the full range.

    Drawn with that, the largest movement of a set fills its room, and all movements are to one scale.
    """
    sides = np.abs(samples / 255 - 0.5).max(axis=(0, 2))
    found: dict[str, float] = {}
    for name, side in zip(names, sides.tolist(), strict=True):
        found[name[0]] = max(found.get(name[0], 0.0), side)
    return found


def draw(axes: "Axes", values: npt.NDArray[np.uint8], names: Sequence[str], reach: Mapping[str, float]) -> None:
    """Draw uint8 (axes, samples), 0 to 255 the sensor's full scale, its axes called `names` (ax, ..., gz)."""
    sensors = list(reach)
    last = values.shape[1] - 1
    for place in range(len(sensors)):
        axes.plot([0, last], [-_GAP * place] * 2, color="#cccccc", linewidth=0.5)
    for name, own in zip(names, values, strict=True):
        heights = 0.5 * (own / 255 - 0.5) / reach[name[0]]
        axes.plot(heights - _GAP * sensors.index(name[0]), color=COLOURS[name[1]], linewidth=0.9)
    axes.set_xlim(0, last)
    axes.set_ylim(-_GAP * (len(sensors) - 1) - 0.54, 0.54)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#dddddd", linewidth=0.5)


def told(names: Sequence[str]) -> str:
    """Say which line is what."""
    sensors = dict.fromkeys(name[0] for name in names)
    rows = [", ".join(name for name in names if name[0] == sensor) for sensor in sensors]
    return f"Movements, {' above '.join(rows)}; x blue, y red, z green; all to one scale."
