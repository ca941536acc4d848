"""What a change may not lose on its way to being faster: it must still compute the same, as well, and as privately."""

import statistics
from collections.abc import Mapping
from typing import Any

from bench.regression import intervals
from bench.regression.measuring import Measuring, Paired
from bench.regression.sequential import share

BY_CHANCE = ("accuracy",)  # gates that have their part of the check's chance of error
FARTHEST = 0.1  # of how far the base's weights moved: rounding hardly changes it, rounds left out do


def of(
    measured: Measuring,
    certificate: Mapping[str, Any] | None,
    epsilons: Mapping[str, float | None],
    max_accuracy_drop: float,
) -> list[dict[str, Any]]:
    """Return the gates of one backend: name, whether it is passed, and what was found.

    certificate: the head's verdict against the reference, None of a method that has none; epsilons: the base's and the
    head's, None without privacy; max_accuracy_drop: a fraction.
    """
    base, head = epsilons["base"], epsilons["head"]
    is_private = base is not None or head is not None
    found = [_parity(certificate)] if certificate is not None else []
    found.append(_accuracy(measured, max_accuracy_drop, is_noisy=is_private))
    pairs = measured.pairs if isinstance(measured, Paired) else []
    moved = [pair["moved"] for pair in pairs if pair["moved"] is not None]
    if moved and not is_private:
        found.append(_weights(max(moved, key=lambda own: abs(own - 1))))
    if base is not None and head is not None:
        found.append(_gate("epsilon", head <= base * (1 + 1e-9), f"{head:.3g}, against {base:.3g} of the base"))
    return found


def _parity(certificate: Mapping[str, Any]) -> dict[str, Any]:
    told = certificate["reason"] or f"within {max(certificate['max_abs_by_round']):.1e} of the reference"
    return _gate("parity", certificate["verdict"] == "pass", told)


def _weights(moved: float) -> dict[str, Any]:
    told = f"the head's weights moved {moved:.4g} times as far as the base's; {FARTHEST:.0%} more or less is the most"
    return _gate("weights", abs(moved - 1) <= FARTHEST, told)


def _accuracy(measured: Measuring, most: float, is_noisy: bool) -> dict[str, Any]:
    """Without noise accuracy is what it is; with it, it is lower where all of an interval is."""
    base, head = ([process["accuracy"] for process in measured.processes[side]] for side in ("base", "head"))
    middle = [statistics.median(side) for side in (base, head)]
    told = f"{middle[1]:.1%}, against {middle[0]:.1%} of the base; it may be {most * 100:g} points lower"
    if not is_noisy:
        return _gate("accuracy", middle[1] >= middle[0] - most - 1e-9, told)
    _, confidence, verdicts = measured.settings
    alpha = share(confidence, verdicts) / 2
    if isinstance(measured, Paired):
        found = intervals.paired([after - before for before, after in zip(base, head, strict=True)], alpha)
    else:
        found = intervals.unpaired(base, head, alpha)
    return _gate("accuracy", found.high is None or found.high >= -most, told)


def _gate(name: str, passed: bool, told: str) -> dict[str, Any]:
    return {"gate": name, "passed": passed, "told": told}
