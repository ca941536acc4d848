"""What is said of pairs while they come in: slower, not slower, or undecided; at no look is luck counted twice.

Of a check's chance of error, 1 - confidence, each of its verdicts gets an equal part (Bonferroni), of which the k-th
look at the pairs spends 1 / (k (k + 1)), half on either side. These parts add up to 1, so that by the union bound all
intervals of all looks hold what they estimate with the check's confidence: whoever stops, at any look and for any
reason, is not fooled more often. Numbers of pairs at which one looks are fixed beforehand.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import UserError
from bench.regression import intervals
from bench.regression.intervals import Array, Interval

Verdict = Literal["slower", "not slower", "undecided"]


@dataclass(frozen=True)
class Look:
    """A number of pairs at which one looks, and the chance of error that it may spend on each side."""

    pairs: int
    alpha: float


@dataclass(frozen=True)
class Decision:
    """A verdict, and the last look at which it was, or was not, reached.

    ratio: head over base (Hodges-Lehmann), with low and high, which are None before the first look; pairs: how many
    these three are made of (unpaired: of the head's processes); looks: how many were taken; next_look: the number at
    which there is a next one, None where there is none.
    """

    verdict: Verdict
    ratio: float
    low: float | None
    high: float | None
    pairs: int
    looks: int
    next_look: int | None


def share(confidence: float, verdicts: int) -> float:
    """Return the chance of error that one of a check's `verdicts` may have. Raises UserError."""
    if not 0 < confidence < 1:
        raise UserError(f"a confidence of {confidence:g} can't be had; it lies between 0 and 1, for example 0.99")
    assert verdicts > 0
    return (1 - confidence) / verdicts


def looks(alpha: float) -> Iterator[Look]:
    """Yield the looks of one verdict with the chance of error `alpha`, without end.

    The first is at the least number of pairs that have an interval, each further one at a fifth more, rounded up.
    """
    number, pairs = 1, 0
    while True:
        side = alpha / (number * (number + 1)) / 2
        pairs = max(-(-pairs * 6 // 5), intervals.least_pairs(side))
        yield Look(pairs, side)
        number += 1


def decide(log_ratios: Sequence[float] | Array, max_slowdown: float, confidence: float, verdicts: int) -> Decision:
    """Return what the pairs say, whose logarithms of head over base are `log_ratios` (pairs,), in the order of running.

    `slower`: the interval lies wholly above 1 + `max_slowdown`; `not slower`: nothing of it does. Looks are taken in
    order and end with the first that decides, so more pairs never change a verdict. Raises UserError where there is no
    pair, or one that measured nothing.
    """
    values = _measured(log_ratios)
    limit = _limit(max_slowdown)
    schedule = looks(share(confidence, verdicts))
    look = next(schedule)
    if len(values) < look.pairs:
        return _decision(intervals.paired(values, look.alpha), "undecided", len(values), 0, look.pairs)
    for number, following in enumerate(schedule, start=1):
        found = intervals.paired(values[: look.pairs], look.alpha)
        verdict = _verdict(found, limit)
        if verdict != "undecided":
            return _decision(found, verdict, look.pairs, number, None)
        if following.pairs > len(values):
            return _decision(found, verdict, look.pairs, number, following.pairs)
        look = following
    raise AssertionError  # looks have no end


def decide_unpaired(
    base: Sequence[float] | Array, head: Sequence[float] | Array, max_slowdown: float, confidence: float, verdicts: int
) -> Decision:
    """Return what processes that never ran side by side say, by the logarithms of what each took: (m,) and (n,).

    One look is all there is, with all of the verdict's chance of error: the number of processes may not depend on what
    an earlier call said. Where they are too few, `next_look` is how many of the head's are needed. Raises UserError as
    `decide` does.
    """
    bases, heads = _measured(base), _measured(head)
    side = share(confidence, verdicts) / 2
    found = intervals.unpaired(bases, heads, side)
    is_looked_at = found.low is not None
    needed = None if is_looked_at else intervals.least_heads(len(bases), side)
    return _decision(found, _verdict(found, _limit(max_slowdown)), len(heads), int(is_looked_at), needed)


def _measured(values: Sequence[float] | Array) -> Array:
    found = np.asarray(values, np.float64)
    if not len(found):
        raise UserError("nothing was measured, so that nothing can be compared")
    if not np.isfinite(found).all():
        place = int(np.flatnonzero(~np.isfinite(found))[0])
        raise UserError(f"measurement {place + 1} of {len(found)} measured nothing; what it took must be above 0")
    return found


def _limit(max_slowdown: float) -> float:
    if not -1 < max_slowdown < math.inf:
        raise UserError(f"a slowdown of {max_slowdown:g} can't be allowed; it is a share, for example 0.05")
    return math.log1p(max_slowdown)


def _verdict(interval: Interval, limit: float) -> Verdict:
    if interval.low is None or interval.high is None:
        return "undecided"
    if interval.low > limit:
        return "slower"
    return "not slower" if interval.high <= limit else "undecided"


def _decision(interval: Interval, verdict: Verdict, pairs: int, number: int, following: int | None) -> Decision:
    low, high = (None if end is None else math.exp(end) for end in (interval.low, interval.high))
    return Decision(verdict, math.exp(interval.estimate), low, high, pairs, number, following)
