"""What Gaussian noise on clipped sums spends of (epsilon, delta)-privacy, and how much noise or how many steps a
budget allows.

Neighbours: one example (or client) added or removed. Two figures, both upper bounds:

- `rdp`, by Renyi DP (Mironov 2017, arXiv:1702.07476), turned into epsilon by Canonne, Kamath and Steinke
  (arXiv:2004.00010, proposition 12).
- `pld`, by privacy loss distributions on a grid, rounded against the user ("connect the dots", arXiv:2207.04380). At
  rate 1 the exact figure of one Gaussian (Balle and Wang 2018, arXiv:1805.06530). Never above `rdp`, and `rdp` itself
  where a grid is too coarse or delta too small for the rounding of its Fourier transforms.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import dp_accounting
import numpy as np
from dp_accounting import pld, rdp

from bench import renyi
from bench.errors import UserError

LEAST_NOISE, MOST_NOISE = 1e-6, 1e6  # between these noise_for looks
MOST_STEPS = 10**12

_SINGLE_POINTS = 2_000, 100_000  # fewer, and the library counts sparse compositions for minutes; more, and it's slow
_COMPOSED_POINTS = 1_500_000  # a second or two
_FINEST = 0.01  # grid intervals in sqrt(epsilon / steps): rounding then adds steps * interval^2 / 4 = 0.0025 %
_COARSEST = 500.0  # e^interval must be a float
_ROUNDING = 2e-15  # of delta a step: ten times what Fourier transforms were off, against the exact Gaussian
_BEYOND_FLOATS = 1e12


@dataclass(frozen=True)
class Releases:
    """`steps` releases of Gaussian-noised sums, each over a Poisson draw at `rate`.

    Rate 1.0 claims no amplification: each release is of everything. Raises UserError for 0 >= rate, rate > 1, and
    steps that are no whole number from 0 to MOST_STEPS.
    """

    rate: float
    steps: int

    def __post_init__(self) -> None:
        _check(0 < self.rate <= 1, "rate", self.rate, "above 0 and at most 1")
        whole = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        _check(whole and 0 <= self.steps <= MOST_STEPS, "steps", self.steps, f"a whole number from 0 to {MOST_STEPS:g}")


@dataclass(frozen=True)
class Spent:
    """Epsilon by both figures; math.inf where there is no bound, as without noise."""

    rdp: float
    pld: float


def spent(noise_multiplier: float, releases: Releases, delta: float) -> Spent:
    """Return what `releases` spend at `delta`; `noise_multiplier` is the noise's deviation over the clipping norm.

    Raises UserError for noise that isn't finite and >= 0, and delta outside 0 to 1.
    """
    return largest(noise_multiplier, [releases], delta)


def largest(noise_multiplier: float, everyone: Iterable[Releases], delta: float) -> Spent:
    """Return the maximum over clients whose examples are disjoint: an example is in one client's releases only.

    Errors as in `spent`.
    """
    _check_noise(noise_multiplier)
    _check_delta(delta)
    by_rdp = {own: _by_rdp(noise_multiplier, own, delta) for own in _frontier(everyone)}
    most = 0.0
    for own, bound in sorted(by_rdp.items(), key=lambda entry: -entry[1]):
        if bound <= most:
            break  # nor can anyone after it be above
        most = max(most, _by_pld(noise_multiplier, own, delta))
    return Spent(max(by_rdp.values(), default=0.0), most)


def largest_at(noise_multiplier: float, everyone: Iterable[Releases], delta: float, orders: Sequence[float]) -> float:
    """Return the maximum by Renyi DP at the `orders` of another accountant, to hold its own figure against.

    Errors as in `spent`.
    """
    _check_noise(noise_multiplier)
    _check_delta(delta)
    return max((_by_rdp(noise_multiplier, own, delta, tuple(orders)) for own in _frontier(everyone)), default=0.0)


def noise_for(target_epsilon: float, everyone: Iterable[Releases], delta: float) -> float:
    """Return the smallest noise multiplier whose `largest` pld is at most the target, up to four significant figures.

    0 where nobody releases anything, else from LEAST_NOISE to MOST_NOISE. Raises UserError if even the most noise
    is too little, and as `spent` does.
    """
    _check_target(target_epsilon)
    _check_delta(delta)
    found = None
    for own in sorted(_frontier(everyone), key=lambda own: own.rate**2 * own.steps, reverse=True):
        if found is None or not _is_within(target_epsilon, _noise(found), own, delta):
            found = _noise_index(target_epsilon, own, delta, 0 if found is None else found)
    return 0.0 if found is None else _noise(found)


def steps_for(target_epsilon: float, noise_multiplier: float, rate: float, delta: float) -> int:
    """Return the most steps whose pld is at most the target, MOST_STEPS at the most; 0 if a single one is above it.

    Raises UserError as `spent` and `Releases` do.
    """
    _check_target(target_epsilon)
    _check_noise(noise_multiplier)
    _check_delta(delta)
    Releases(rate, 0)

    def fits_rdp(steps: int) -> bool:
        return _by_rdp(noise_multiplier, Releases(rate, steps), delta) <= target_epsilon

    def fits(steps: int) -> bool:
        return fits_rdp(steps) or _by_pld(noise_multiplier, Releases(rate, steps), delta) <= target_epsilon

    enough = _last(fits_rdp, 0, MOST_STEPS)
    beyond = enough
    while beyond < MOST_STEPS and fits(beyond):
        enough, beyond = beyond, min(beyond + beyond // 8 + 1, MOST_STEPS)
    return _last(fits, enough, beyond)


def _last(fits: Callable[[int], bool], least: int, most: int) -> int:
    """Return the largest of least..most that fits, given that least does and that all after one that doesn't, don't."""
    if fits(most):
        return most
    while most - least > 1:
        middle = (least + most) // 2
        if fits(middle):
            least = middle
        else:
            most = middle
    return least


def _frontier(everyone: Iterable[Releases]) -> list[Releases]:
    """Those that no other equals or exceeds in both rate and steps; epsilon grows with either."""
    found: list[Releases] = []
    for own in sorted(set(everyone), key=lambda own: (-own.rate, -own.steps)):
        if own.steps > (found[-1].steps if found else 0):
            found.append(own)
    return found


# Noise of four significant figures as a whole number, so that there is a next one.
_A_DECADE = 9000


def _noise(index: int) -> float:
    decade, figures = divmod(index, _A_DECADE)
    return float(f"{1000 + figures}e{decade - 3 + round(math.log10(LEAST_NOISE))}")


_MOST_INDEX = round(math.log10(MOST_NOISE / LEAST_NOISE)) * _A_DECADE


def _is_within(target: float, noise: float, releases: Releases, delta: float) -> bool:
    return _by_rdp(noise, releases, delta) <= target or _by_pld(noise, releases, delta) <= target


def _noise_index(target: float, releases: Releases, delta: float, least: int) -> int:
    """Return the first index from `least` on whose noise meets the target; rdp, which is quick, narrows it down."""
    if not _is_within(target, _noise(_MOST_INDEX), releases, delta):
        most = _by_pld(MOST_NOISE, releases, delta)
        raise UserError(
            f"target epsilon {target:g} can't be met: a noise multiplier of {MOST_NOISE:g}, the most there is, still"
            f" spends {most:.3g} in {releases.steps} steps at rate {releases.rate:g} and delta {delta:g}; allow a"
            f" larger epsilon or delta, or fewer steps"
        )

    def misses_rdp(index: int) -> bool:
        return _by_rdp(_noise(index), releases, delta) > target

    def misses(index: int) -> bool:
        return not _is_within(target, _noise(index), releases, delta)

    if not misses(least):
        return least
    top = _last(misses_rdp, least, _MOST_INDEX) + 1 if misses_rdp(least) else least
    stride = 512
    while top - stride > least and not misses(top - stride):
        top, stride = top - stride, stride * 2
    return _last(misses, max(least, top - stride), min(top, _MOST_INDEX)) + 1


@lru_cache(maxsize=4096)
def _by_rdp(noise: float, releases: Releases, delta: float, orders: tuple[float, ...] = renyi.ORDERS) -> float:
    if releases.steps == 0:
        return 0.0
    if noise == 0:
        return math.inf
    composed = (releases.steps * renyi.divergences(noise, releases.rate, orders)).tolist()
    epsilon, _ = rdp.compute_epsilon(orders, composed, delta)
    return float(epsilon)


@lru_cache(maxsize=4096)
def _by_pld(noise: float, releases: Releases, delta: float) -> float:
    bound = _by_rdp(noise, releases, delta)
    if bound == 0 or bound > _BEYOND_FLOATS:
        return bound
    if releases.rate == 1:
        with np.errstate(all="ignore"):
            exact = dp_accounting.get_epsilon_gaussian(noise / math.sqrt(releases.steps), delta)
        return min(bound, float(exact))
    wanted = delta - _ROUNDING * releases.steps
    if wanted <= 0:
        return bound
    event = dp_accounting.PoissonSampledDpEvent(releases.rate, dp_accounting.GaussianDpEvent(noise))
    try:
        with np.errstate(all="ignore"):
            interval = _interval(noise, releases, bound)
            if interval is None:
                return bound
            accountant = pld.PLDAccountant(value_discretization_interval=interval)
            accountant.compose(event, releases.steps)
            return _smallest_epsilon(accountant.get_delta, wanted, bound)
    except (ValueError, ArithmeticError, IndexError):  # of figures that floats can't hold
        return bound


def _smallest_epsilon(delta_of: Callable[[float], float], wanted: float, bound: float) -> float:
    """Bisect for epsilon in 0..bound, to a millionth of it, from above; the bound itself where nothing below will do.

    The library's own search stops at math.exp(-745) and at infinity above epsilon of 710.
    """
    low, high = 0.0, bound
    if delta_of(low) <= wanted:
        return low
    for _ in range(24):
        middle = (low + high) / 2
        if delta_of(middle) <= wanted:
            high = middle
        else:
            low = middle
    return high


def _interval(noise: float, releases: Releases, bound: float) -> float | None:
    """Return the finest grid that is worth it; None where none can be afforded, as beyond some million steps."""
    single, squares = renyi.losses(noise, releases.rate)
    # How long the library makes the composed grid: Chernoff's bound at orders from 1 to 20 over the single one.
    order = min(max(math.sqrt(70 / releases.steps / squares) * single, 1), 20)
    composed = min(releases.steps * squares * order / single + 70 * single / order, releases.steps * single)
    wanted = min(_FINEST * math.sqrt(bound / releases.steps), bound / 100)
    coarsest, finest = (single / points for points in _SINGLE_POINTS)
    interval = min(max(wanted, finest, composed / _COMPOSED_POINTS), coarsest)
    return interval if composed / interval <= 1.01 * _COMPOSED_POINTS and interval <= _COARSEST else None


def _check_noise(noise_multiplier: float) -> None:
    _check(0 <= noise_multiplier < math.inf, "noise multiplier", noise_multiplier, "finite and at least 0")


def _check_delta(delta: float) -> None:
    _check(0 < delta < 1, "delta", delta, "above 0 and below 1")


def _check_target(target_epsilon: float) -> None:
    _check(0 < target_epsilon < math.inf, "target epsilon", target_epsilon, "finite and above 0")


def _check(is_allowed: bool, what: str, value: float, allowed: str) -> None:
    if not is_allowed:
        raise UserError(f"{what} = {value}: must be {allowed}")
