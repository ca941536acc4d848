"""What right guesses prove: a lower bound on epsilon, from how often it was told what was trained on and what wasn't.

Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run" (arXiv:2305.08846).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95  # of one backend's bound
# Shares of the canaries that are guessed, the surest. All are tried, and Bonferroni's correction pays for it.
GUESSED = (0.25, 0.5, 0.8)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Guesses:
    """How many guesses were made, and how many of them were right."""

    made: int
    right: int


@dataclass(frozen=True)
class Bound:
    """Epsilon is at least this, and the guesses that tell so."""

    epsilon: float
    guesses: Guesses


def bound(candidates: Sequence[Guesses], canaries: int, delta: float) -> Bound:
    """Return the largest lower bound on epsilon that the candidates, all of one audit, give with `CONFIDENCE`.

    Several candidates share the risk of being wrong (Bonferroni).
    """
    level = (1 - CONFIDENCE) / len(candidates)
    found = [Bound(lower_bound(canaries, one, delta, level), one) for one in candidates]
    return max(found, key=lambda one: one.epsilon)


def ceiling(canaries: int, repeats: int, delta: float) -> float:
    """Return the most that an audit can show: the bound where every guess is right."""
    made = [2 * max(1, round(share * canaries / 2)) * repeats for share in GUESSED]
    return bound([Guesses(count, count) for count in made], canaries * repeats, delta).epsilon


def lower_bound(canaries: int, guesses: Guesses, delta: float, level: float) -> float:
    """Return the largest epsilon at which so many right guesses have a `p_value` below `level`; 0 if there is none.

    By bisection, from below (arXiv:2305.08846, appendix D, get_eps_audit).
    """

    def is_refuted(epsilon: float) -> bool:
        return p_value(canaries, guesses, epsilon, delta) < level

    low, high = 0.0, 1.0
    if not is_refuted(low):
        return low
    while is_refuted(high):
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if is_refuted(middle) else (low, middle)
    return low


def p_value(canaries: int, guesses: Guesses, epsilon: float, delta: float) -> float:
    """Return at most how likely as many right guesses are, of so many canaries, under (epsilon, delta)-privacy.

    arXiv:2305.08846, theorem 5.2, as computed in its appendix D: P[W >= v] + 2 m delta max_i P[v > W >= v - i] / i,
    where W, binomial, counts right guesses of randomised response, each right with probability 1 / (1 + e^-epsilon).
    """
    chances = _binomial(guesses.made, epsilon)
    just_below = np.cumsum(chances[: guesses.right][::-1]) / np.arange(1, guesses.right + 1)
    exceeding = float(chances[guesses.right :].sum())
    return min(1.0, exceeding + 2 * canaries * delta * float(just_below.max(initial=0.0)))


def _binomial(count: int, epsilon: float) -> Floats:
    """The chances of 0..count, each draw counting with probability 1 / (1 + e^-epsilon)."""
    factorials = np.cumsum(np.log(np.maximum(np.arange(count + 1), 1)))
    right = np.arange(count + 1)
    odds = -epsilon * (count - right) - count * math.log1p(math.exp(-epsilon))
    return np.asarray(np.exp(factorials[-1] - factorials - factorials[::-1] + odds))
