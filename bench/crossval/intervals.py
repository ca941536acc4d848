"""How sure a count is: Wilson's interval of a share, and tests of two on the same samples and on the same people."""

import math
from collections.abc import Sequence

import numpy as np

Z = 1.959963984540054  # of a 95 % interval
ALL_FLIPS = 20  # pairs, at most, whose signs are flipped in every way
DRAWN_FLIPS = 9_999


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `total` (at least 1) independent tries (Wilson 1927)."""
    share, spread = right / total, Z**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided exact p (McNemar 1947, by the binomial) of two that the same samples were put to.

    `only_a` and `only_b` count the samples that one alone got right; where both are 0, nothing tells them apart.
    """
    discordant = only_a + only_b
    tail = sum(math.comb(discordant, count) for count in range(min(only_a, only_b) + 1))
    return min(1.0, float(2 * tail / 2**discordant))


def sign_flips(differences: Sequence[float]) -> float:
    """Return the two-sided p of paired differences, at least one (Fisher, The Design of Experiments, 1935, section 21).

    Their signs are flipped in every way; p is the share of flips whose sum is as far from 0 as the one seen. Of more
    than 20 pairs drawn flips stand for all, and the one seen is counted among them (Phipson and Smyth 2010).
    """
    own = np.asarray(differences, np.float64)
    seen = abs(own.sum()) - 1e-9 * np.abs(own).sum()  # sums that are alike but for rounding count as alike
    if len(own) <= ALL_FLIPS:
        sums = np.zeros(1)
        for one in own:
            sums = np.concatenate([sums + one, sums - one])
        return float((np.abs(sums) >= seen).mean())
    stream = np.random.RandomState(0)  # the same differences give the same p
    sums = stream.choice((-1.0, 1.0), (DRAWN_FLIPS, len(own))) @ own
    return float(((np.abs(sums) >= seen).sum() + 1) / (DRAWN_FLIPS + 1))


def least_p(pairs: int) -> float:
    """Return the smallest p that `sign_flips` can come to: all differences point one way."""
    return 2.0 ** (1 - pairs) if pairs <= ALL_FLIPS else 1 / (DRAWN_FLIPS + 1)
