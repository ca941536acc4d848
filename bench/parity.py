"""The certificate: how far each backend's weights are from the float64 reference, round by round.

Every round starts from the reference's weights, so that rounding doesn't add up from round to round. A weight agrees
when its difference is at most `ABSOLUTE` and at most `RELATIVE` of the reference's movement: the largest change of any
weight since the initial ones. The second bound catches a backend that hardly trains: where the learning rate is small,
it is closer to the reference than any fixed number.

The statistics of batch normalisation are of the data's scale, not of the weights': they are measured against
their own largest change, and the absolute bound is not for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

ABSOLUTE = 1e-4
RELATIVE = 0.01

Weights = Mapping[str, npt.NDArray[Any]]
TOLERANCE = {"absolute": ABSOLUTE, "relative": RELATIVE}


def certify(initial: Weights, reference: Sequence[Weights], found: Sequence[Weights]) -> dict[str, Any]:
    """Compare `found` with `reference`, canonical weights after rounds 1, 2, ...; return the verdict.

    Raises ValueError where a round is missing on either side.
    """
    if not reference or len(reference) != len(found):
        raise ValueError(f"{len(found)} rounds to compare with {len(reference)} of the reference")
    if not any(_movement(initial, reference[-1], kind) for kind in (False, True)):
        return not_comparable("the reference didn't move: nobody took part in the rounds that were planned")
    first_difference = None
    absolute_by_round, relative_by_round = [], []
    for number, (expected, actual) in enumerate(zip(reference, found, strict=True), start=1):
        rows = [
            _compare(name, _largest(actual[name], expected[name]), _movement(initial, expected, _is_statistic(name)))
            for name in initial
        ]
        absolute_by_round.append(max(row["difference"] for row in rows))
        relative_by_round.append(max(row["relative"] for row in rows))
        wrong = next((row for row in rows if not row.pop("agrees")), None)
        if wrong is not None and first_difference is None:
            first_difference = {"round": number} | wrong
    return {
        "verdict": "pass" if first_difference is None else "fail",
        "max_abs_by_round": absolute_by_round,
        "relative_by_round": relative_by_round,
        "first_difference": first_difference,
        "reason": None if first_difference is None else _explain(first_difference),
    }


def not_comparable(reason: str) -> dict[str, Any]:
    """Return the answer for a backend that can't be held against the reference, and why."""
    return {
        "verdict": "not-comparable",
        "max_abs_by_round": [],
        "relative_by_round": [],
        "first_difference": None,
        "reason": reason,
    }


def _largest(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())


def _is_statistic(name: str) -> bool:
    return name.endswith((".mean", ".variance"))


def _movement(initial: Weights, expected: Weights, statistics: bool) -> float:
    own = [name for name in initial if _is_statistic(name) == statistics]
    return max((_largest(expected[name], initial[name]) for name in own), default=0.0)


def _compare(name: str, difference: float, movement: float) -> dict[str, Any]:
    relative = difference / movement if movement else float(difference > 0)
    agrees = relative <= RELATIVE and (difference <= ABSOLUTE or _is_statistic(name))
    return {"tensor": name, "difference": difference, "relative": relative, "agrees": agrees}


def _explain(difference: Mapping[str, Any]) -> str:
    return (
        f"{difference['tensor']} is off by {difference['difference']:.1e} after round {difference['round']},"
        f" {difference['relative']:.1%} of what the reference moved"
    )
