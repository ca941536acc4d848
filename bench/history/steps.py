"""Where a series steps from one level to another, and by how much.

Two statistics are looked at, each with half of the chance that may be wrong. One is the largest standardised
difference between what lies before a place and what lies after it, over all places: max |S_k| / sqrt(k (n - k) / n),
S_k the sum of the first k scores less their mean (Antoch and Huskova 2001, "Permutation tests in change point
analysis", Statistics and Probability Letters 53). The other is the same between a stretch and all around it, which
sees a level that is left and come back to, where the first is blind (circular binary segmentation; Olshen,
Venkatraman, Lucito and Wigler 2004, Biostatistics 5). The chance of as much without a step comes from permuting the
scores: whatever the values' distribution, as long as their order says nothing, a series without a step is said to have
one with a chance of at most 1 - confidence. Scores are logarithms, cut off at three robust standard deviations from
the median (Huber 1964), so that one wild commit hides no step; the cut depends on the values and not on their order,
which leaves the chance exact. Each level found is looked at in turn, and each place then found anew between its
neighbours (Bai 1997, Econometric Theory 13).
"""

import itertools
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.regression.intervals import unpaired

PERMUTATIONS = 9999
AT_ONCE = 200  # of them, which bounds the memory
LEAST = 2  # points on either side: a single one can be told from a step by nothing
CUT = 3.0  # standard deviations
NEAREST = 50  # points on either side that the size is taken from
ALPHA = 0.025  # on either side of the size's interval: 95 %
TIED = 1e-9
Array = npt.NDArray[np.float64]
Ends = tuple[int, int]
Statistic = Callable[[Array], tuple[Array, Ends]]


@dataclass(frozen=True)
class Step:
    """From one level to another.

    place: index of the first point after it; before, after: the levels' medians, in the values' unit, and counts,
    how many points each level has; ratio: after over before (Hodges and Lehmann's estimate of the shift of logarithms)
    with its 95 % interval, None where a value isn't positive, low and high also where the points are too few; p: the
    chance of so large a statistic without a step.
    """

    place: int
    before: float
    after: float
    counts: tuple[int, int]
    ratio: float | None
    low: float | None
    high: float | None
    p: float


def find(values: Sequence[float], confidence: float) -> list[Step]:
    """Return the steps of `values`, finite and in order; `confidence` is below 1."""
    own = np.asarray(values, np.float64)
    is_positive = bool((own > 0).all())
    scale = np.log(own) if is_positive else own
    chances = _places(scale, 1 - confidence)
    ends = [0, *sorted(chances), len(own)]
    found = []
    for start, place, stop in zip(ends, ends[1:], ends[2:], strict=False):
        before, after = own[start:place], own[place:stop]
        ratio, low, high = _ratio(scale[start:place], scale[place:stop]) if is_positive else (None, None, None)
        counts = len(before), len(after)
        level, new = float(np.median(before)), float(np.median(after))
        found.append(Step(place, level, new, counts, ratio, low, high, chances[place]))
    return found


def least_points(confidence: float) -> int:
    """Return how many points a series has to have before a step in it can be told with this confidence.

    With half of the chance that is left to the statistic, since it is estimated.
    """
    points = 2 * LEAST
    while 2 / math.comb(points, points // 2) > (1 - confidence) / 4:
        points += 1
    return points


def _places(scale: Array, alpha: float) -> dict[int, float]:
    """Where the steps are, each with its chance."""
    found: dict[int, float] = {}
    stack = [(0, len(scale))]
    while stack:
        start, stop = stack.pop()
        places, p = _likeliest(scale[start:stop], alpha)
        found |= {start + place: p for place in places}
        ends = [start, *(start + place for place in places), stop]
        stack += itertools.pairwise(ends) if places else ()
    return _found_anew(scale, found)


def _found_anew(scale: Array, found: dict[int, float]) -> dict[int, float]:
    """Each step between the one before it, found anew already, and the one after it."""
    anew: dict[int, float] = {}
    start = 0
    places = sorted(found)
    for place, stop in zip(places, [*places[1:], len(scale)], strict=False):
        largest, (likeliest, _) = _splits(_scores(scale[start:stop])[None])
        start = start + likeliest if largest[0] > 0 else place
        anew[start] = found[place]
    return anew


def _likeliest(scale: Array, alpha: float) -> tuple[tuple[int, ...], float]:
    """The likeliest places of steps, none where there may well be none, and the chance of that."""
    if len(scale) < 2 * LEAST or scale.min() == scale.max():
        return (), 1.0
    scores = _scores(scale)
    for statistic in (_splits, _stretches):
        p, (start, stop) = _chance(scores, statistic, alpha / 2)
        if p <= alpha / 2:
            return ((start, stop) if stop < len(scale) else (start,)), p
    return (), 1.0


def _chance(scores: Array, statistic: Statistic, enough: float) -> tuple[float, Ends]:
    """The chance of so large a statistic in any other order; no more than that it is above `enough`, where it is."""
    largest, ends = statistic(scores[None])
    stream = np.random.default_rng(zlib.crc32(scores.tobytes()))  # the same history has the same steps
    at_least = 1  # the order that was seen is one of all
    for done in range(0, PERMUTATIONS, AT_ONCE):
        shape = (min(AT_ONCE, PERMUTATIONS - done), len(scores))
        drawn, _ = statistic(stream.permuted(np.broadcast_to(scores, shape), axis=1))
        at_least += int((drawn >= largest[0] - TIED).sum())
        if at_least > enough * (PERMUTATIONS + 1):
            return 1.0, ends
    return at_least / (PERMUTATIONS + 1), ends


def _scores(scale: Array) -> Array:
    """Distances from the median in robust standard deviations, (n,), cut off where there is such a deviation."""
    distances = scale - np.median(scale)
    deviation = 1.4826 * float(np.median(np.abs(distances)))
    if deviation == 0:
        return distances / float(np.abs(distances).max() or 1.0)
    return np.clip(distances / deviation, -CUT, CUT)


def _splits(scores: Array) -> tuple[Array, Ends]:
    """The largest difference between before and after, of scores in several orders (orders, n): (orders,).

    With the place in the first order, from which it goes to the end.
    """
    count = scores.shape[1]
    places = np.arange(LEAST, count - LEAST + 1)
    found = np.abs(_sums(scores)[:, places]) / np.sqrt(places * (count - places) / count)
    return found.max(axis=1), (LEAST + int(found[0].argmax()), count)


def _stretches(scores: Array) -> tuple[Array, Ends]:
    """The largest difference between a stretch inside and all around it, as `_splits` returns it."""
    count = scores.shape[1]
    sums = _sums(scores)[:, LEAST : count - LEAST + 1]
    largest, ends = np.zeros(len(scores)), (0, count)
    for length in range(LEAST, count - 2 * LEAST + 1):
        found = np.abs(sums[:, length:] - sums[:, :-length]) / math.sqrt(length * (count - length) / count)
        if found[0].max() > largest[0]:
            start = LEAST + int(found[0].argmax())
            ends = (start, start + length)
        largest = np.maximum(largest, found.max(axis=1))
    return largest, ends


def _sums(scores: Array) -> Array:
    """Sums of the first 0, 1, ... n scores less their mean, (orders, n + 1)."""
    return np.pad(np.cumsum(scores - scores.mean(axis=1, keepdims=True), axis=1), ((0, 0), (1, 0)))


def _ratio(before: Array, after: Array) -> tuple[float, float | None, float | None]:
    size = unpaired(before[-NEAREST:], after[:NEAREST], ALPHA)
    low, high = (None if end is None else math.exp(end) for end in (size.low, size.high))
    return math.exp(size.estimate), low, high
