"""What a change may not lose on its way to being faster: it must still compute the same, as well, and as privately."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Processes = Mapping[str, Sequence[Mapping[str, Any]]]  # by side


def of(
    processes: Processes,
    certificate: Mapping[str, Any] | None,
    epsilons: Sequence[float | None],
    max_accuracy_drop: float,
) -> list[dict[str, Any]]:
    """Return the gates of one backend: name, whether it is passed, and what was found.

    processes: what each of base and head took; certificate: the head's verdict against the reference, None of a method
    that has none; epsilons: the base's and the head's, None without privacy; max_accuracy_drop: a fraction.
    """
    found = [_accuracy(processes, max_accuracy_drop), _rounds(processes)]
    if certificate is not None:
        found.insert(0, _parity(certificate))
    base, head = epsilons
    if base is not None and head is not None:
        found.append(_gate("epsilon", head <= base * (1 + 1e-9), f"{head:.3g}, against {base:.3g} of the base"))
    return found


def _parity(certificate: Mapping[str, Any]) -> dict[str, Any]:
    told = certificate["reason"] or f"within {max(certificate['max_abs_by_round']):.1e} of the reference"
    return _gate("parity", certificate["verdict"] == "pass", told)


def _accuracy(processes: Processes, most: float) -> dict[str, Any]:
    base, head = (statistics.median(one["accuracy"] for one in processes[side]) for side in ("base", "head"))
    told = f"{head:.1%}, against {base:.1%} of the base; it may be {most * 100:g} points lower"
    return _gate("accuracy", head >= base - most - 1e-9, told)


def _rounds(processes: Processes) -> dict[str, Any]:
    base, head = ({one["rounds"] for one in processes[side]} for side in ("base", "head"))
    return _gate("rounds", base == head and len(head) == 1, f"{_listed(head)} trained, against {_listed(base)}")


def _listed(counts: set[int]) -> str:
    return " or ".join(map(str, sorted(counts)))


def _gate(name: str, passed: bool, told: str) -> dict[str, Any]:
    return {"gate": name, "passed": passed, "told": told}
