"""Renyi divergence of one Gaussian-noised sum over a Poisson draw, at any order.

dp-accounting's own figure is exact at whole orders; at fractional ones its series doesn't end below noise of about
one half, just where the best orders lie near 1 (arXiv:1908.10530, section 3.3). This is the same quantity as an
integral, which has no such gap; the tests hold it against dp-accounting wherever both have an answer.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

_REACH = 10.0  # standard deviations on either side; beyond lies e^-50 of the mass
_POINTS = 1 << 16  # an order that needs more isn't the best one, and gets the closed bound alone
_LEAST_NOISE = 0.01  # below, the closed bound is within ln(1/rate) * 2 * noise^2 of the truth
_ROUNDING = 1e-14  # more than the sum can be off

# Evenly spaced in the logarithm of order - 1, because the best order is near 1 + sqrt(ln(1/delta) / rho), rho the
# Renyi divergence over its order: 1.01 for an epsilon of 10,000 (below that dp-accounting's conversion has no
# figure), thousands for one of 0.01. Then dp-accounting's own, so that the result is never above its.
_OWN = np.geomspace(0.0101, 1e4, 200) + 1
_USUAL = (*(1 + tenth / 10 for tenth in range(1, 100)), *range(11, 64), 128, 256, 512, 1024)
ORDERS = tuple(sorted({*_OWN.tolist(), *map(float, _USUAL)}))


@lru_cache(maxsize=512)
def divergences(noise_multiplier: float, rate: float, orders: tuple[float, ...] = ORDERS) -> npt.NDArray[np.float64]:
    """Return the Renyi divergence of one release at each of `orders`, all above 1, float64 (orders,).

    `noise_multiplier` > 0, 0 < `rate` <= 1. Never below the true one but for rounding; inf where that's too large
    for a float. Neighbours: one example added or removed. At rate 1, order / (2 noise^2) (Mironov 2017, proposition 7).
    """
    with np.errstate(all="ignore"):
        at = np.array(orders, np.float64)
        gaussian = at / 2 / noise_multiplier / noise_multiplier
        if rate == 1:
            return gaussian
        # (1 - q + q r)^a <= 1 - q + q r^a, since x^a is convex.
        moments = (at - 1) * gaussian
        closed = np.where(
            moments < 1,
            np.log1p(rate * np.expm1(np.minimum(moments, 1))),
            np.logaddexp(np.log1p(-rate), np.log(rate) + moments),
        )
        logarithms = closed
        if noise_multiplier >= _LEAST_NOISE:
            integrals = [_log_moment(noise_multiplier, rate, order) for order in orders]
            logarithms = np.minimum(closed, np.maximum(integrals, 0) + _ROUNDING)
        return logarithms / (at - 1)


@lru_cache(maxsize=512)
def losses(noise_multiplier: float, rate: float) -> tuple[float, float]:
    """Return how far apart one release's privacy losses lie, and the mean of their squares."""
    with np.errstate(all="ignore"):
        reach = (1 + 2 * _REACH * noise_multiplier) / 2 / noise_multiplier / noise_multiplier
        top, bottom = (float(np.logaddexp(np.log1p(-rate), np.log(rate) + end)) for end in (reach, -reach))
        step = noise_multiplier * _spacing(noise_multiplier)
        if not (1 + 2 * _REACH * noise_multiplier) / step < _POINTS:
            return top - bottom, (top - bottom) ** 2 * rate
        at = np.arange(-_REACH * noise_multiplier, 1 + _REACH * noise_multiplier, step)
        loss = _log_ratio(at, noise_multiplier, rate)
        # The draw's own density is the ratio times the noise's.
        squares = float(np.sum(loss**2 * np.exp(loss + _log_density(at, noise_multiplier))) * step)
    return top - bottom, squares


def _log_moment(noise: float, rate: float, order: float) -> float:
    """ln E[ratio^order] over the noise, by the trapezoid rule, which converges exponentially here; inf if too long."""
    step = noise * _spacing(noise)
    if (order + 2 * _REACH * noise) / step > _POINTS:
        return np.inf
    at = np.arange(-_REACH * noise, order + _REACH * noise, step)
    exponents = order * _log_ratio(at, noise, rate) + _log_density(at, noise)
    top = exponents.max()
    return float(top + np.log(np.exp(exponents - top).sum() * step))


def _spacing(noise: float) -> float:
    """In noises. The ratio's nearest singularity is pi noise^2 off the real line; below a twentieth it lies where
    there is no mass.
    """
    return min(max(noise / 2, 1 / 40), 1 / 2)


def _log_ratio(at: npt.NDArray[np.float64], noise: float, rate: float) -> npt.NDArray[np.float64]:
    """ln((1 - q) + q e^((2 z - 1) / 2 noise^2)): the draw's density over the noise's, at z."""
    exponent = (2 * at - 1) / 2 / noise / noise
    return np.where(
        exponent < 1,
        np.log1p(rate * np.expm1(np.minimum(exponent, 1))),
        np.logaddexp(np.log1p(-rate), np.log(rate) + exponent),
    )


def _log_density(at: npt.NDArray[np.float64], noise: float) -> npt.NDArray[np.float64]:
    return -((at / noise) ** 2) / 2 - np.log(noise * np.sqrt(2 * np.pi))
