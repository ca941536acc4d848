"""Distribution-free intervals of a shift: of pairs (Wilcoxon's signed ranks), and of two samples (Mann-Whitney).

An interval holds every shift that the test, at `alpha` a side, does not reject; its ends are order statistics of the
averages (or differences) of two values, counted in from both sides by a quantile of the test's exact null distribution.
Ends belong to it, so that ties only widen it (Hollander and Wolfe, Nonparametric Statistical Methods, 2nd ed. 1999,
sections 3.2, 3.3, 4.2 and 4.3). No normal approximation is made at any number of values; time grows with the cube
of the number of pairs, and with the square of the product of two samples' numbers.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """The Hodges-Lehmann estimate of a shift, with its interval; low and high are None where values are too few."""

    estimate: float
    low: float | None
    high: float | None


def paired(differences: Sequence[float] | Array, alpha: float) -> Interval:
    """Return the interval of the centre of `differences` (n,), at least one, finite and symmetric about the centre.

    Tukey's interval: of the n(n+1)/2 Walsh averages (x_i + x_j) / 2, i <= j, the c-th from below and from above, where
    c is the largest with P(T < c) <= alpha, T being the signed-rank statistic. `alpha`, below 1/2, is the chance with
    which the centre lies below it, and again that with which it lies above. The estimate is the median of the same
    averages (Hodges and Lehmann 1963; Lehmann 1963).
    """
    values = np.asarray(differences, np.float64)
    one, other = np.triu_indices(len(values))
    return _from_both_ends((values[one] + values[other]) / 2, _signed_rank(len(values), alpha))


def least_pairs(alpha: float) -> int:
    """Return the least number of pairs that have an interval: with n, the most extreme outcome has chance 2^-n."""
    pairs = 1
    while math.ldexp(1.0, -pairs) > alpha:
        pairs += 1
    return pairs


def unpaired(base: Sequence[float] | Array, head: Sequence[float] | Array, alpha: float) -> Interval:
    """Return the interval of how much `head` (n,) is shifted against `base` (m,), both finite, independent samples.

    Moses' interval: of the m n differences head_j - base_i, the c-th from below and from above, where c is the largest
    with P(U < c) <= alpha, U being the Mann-Whitney statistic. `alpha` is as in `paired`; the estimate is the median
    of the same differences (Hodges and Lehmann 1963).
    """
    differences = np.subtract.outer(np.asarray(head, np.float64), np.asarray(base, np.float64)).ravel()
    return _from_both_ends(differences, _rank_sum(*sorted((len(base), len(head))), alpha))


def least_heads(bases: int, alpha: float) -> int:
    """Return the least size of a second sample beside `bases` values that has an interval: C(m + n, m) >= 1 / alpha."""
    return 1 + bisect.bisect_left(range(1, math.ceil(1 / alpha)), 1 / alpha, key=lambda n: math.comb(bases + n, bases))


def _from_both_ends(values: Array, count: int) -> Interval:
    last = len(values) - 1
    places = [last // 2, (last + 1) // 2] + ([count - 1, last - count + 1] if count else [])
    lower, upper, *ends = (float(value) for value in np.partition(values, places)[places])
    return Interval((lower + upper) / 2, ends[0] if ends else None, ends[1] if ends else None)


@cache
def _signed_rank(pairs: int, alpha: float) -> int:
    """Return the largest c with P(T < c) <= alpha: each rank is added, or is not, with chance 1/2."""
    chances = np.zeros(pairs * (pairs + 1) // 4 + 1)  # the lower half, which is all that an alpha below 1/2 reaches
    chances[0] = 1
    for rank in range(1, pairs + 1):
        chances[rank:] += chances[:-rank]
        chances /= 2
    return _reached(chances, alpha)


@cache
def _rank_sum(m: int, n: int, alpha: float) -> int:
    """Return the largest c with P(U < c) <= alpha, by Mann and Whitney's recursion (1947) on whose the largest is."""
    size = m * n // 2 + 1
    row = [np.zeros(size) for _ in range(n + 1)]  # by the size of the second sample
    for chances in row:
        chances[0] = 1
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            chances = row[j - 1] * (j / (i + j))
            chances[j:] += row[j][: max(0, size - j)] * (i / (i + j))
            row[j] = chances
    return _reached(row[n], alpha)


def _reached(chances: Array, alpha: float) -> int:
    return int(np.searchsorted(np.cumsum(chances), alpha, side="right"))
