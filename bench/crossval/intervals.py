"""How sure a count is: Wilson's interval of a share, and the exact McNemar test of two on the same samples."""

import math

Z = 1.959963984540054  # of a 95 % interval


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
