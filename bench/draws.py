"""Random draws that are the same on every machine and every numpy version.

A draw is a hash of what it is about (seed, purpose, coordinates), so it depends neither on the order in
which draws are made nor on a generator's stream, which numpy may change between releases (NEP 19).
The mixing function is splitmix64's finaliser (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
number generators", figure 14), applied once a coordinate.
"""

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _mix(value: Keys) -> Keys:
    with np.errstate(over="ignore"):
        value = (value + _GAMMA).astype(np.uint64)
        value = (value ^ (value >> np.uint64(30))) * _FIRST
        value = (value ^ (value >> np.uint64(27))) * _SECOND
        return value ^ (value >> np.uint64(31))


def keys(seed: int, purpose: str, *coordinates: Any) -> Keys:
    """Return uint64 keys, one for each of the broadcast integer `coordinates` (scalars or arrays >= 0)."""
    state: Keys = _mix(np.asarray(seed, np.uint64) ^ np.uint64(zlib.crc32(purpose.encode()) << 20))
    for coordinate in coordinates:
        state = _mix(state ^ _mix(np.asarray(coordinate).astype(np.uint64)))
    return state


def uniforms(seed: int, purpose: str, *coordinates: Any) -> npt.NDArray[np.float64]:
    """Return float64 draws in [0, 1) with 53 random bits, shaped like the broadcast `coordinates`."""
    return (keys(seed, purpose, *coordinates) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shuffled(seed: int, purpose: str, items: npt.NDArray[Any], *coordinates: Any) -> npt.NDArray[Any]:
    """Return the integer `items` in random order; the same order however `items` was ordered before."""
    ordered = np.sort(items)
    order: npt.NDArray[Any] = ordered[np.argsort(keys(seed, purpose, *coordinates, ordered), kind="stable")]
    return order
