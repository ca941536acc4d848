"""The result of a check as one document, `bench.check/1`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench import calibration, jobs, machine
from bench.regression.measuring import Measuring, Paired
from bench.regression.pairing import UNITS
from bench.regression.subjects import Contest, Subject
from bench.regression.verdicts import SCHEMA, TOO_SHORT, overall

if TYPE_CHECKING:
    from bench.regression.check import Rules

VERSION = ("framework", "version", "released", "python")


def make(
    subject: Subject, rules: "Rules", backends: Sequence[dict[str, Any]], calibrated: Sequence[float], seconds: float
) -> dict[str, Any]:
    """Return the document of a check that took `seconds`; `backends` are its entries, gates included.

    `calibrated` are the seconds of the calibration kernel.
    """
    spec = subject.head.cell.spec
    earlier = subject.baseline
    found = {
        "schema": SCHEMA,
        "experiment": subject.experiment,
        "spec": spec.model_dump(mode="json"),
        "digests": dict(subject.head.digests),
        "against": dict(subject.against),
        "subject": dict(subject.subject),
        "machine": machine.facts() | {"threads": jobs.threads(spec)},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "settings": {
            "max_slowdown": rules.max_slowdown,
            "max_accuracy_drop": rules.max_accuracy_drop,
            "confidence": rules.confidence,
            "budget_s": rules.budget_s,
            "undecided": rules.undecided,
        },
        "calibration": {
            "kernel": calibration.KERNEL,
            "base_s": list(earlier.calibrated) if earlier else None,
            "head_s": list(calibrated),
        },
        "backends": list(backends),
        "evaluate_every": earlier.evaluate_every if earlier else None,
        "notes": list(subject.notes),
    }
    return found | {"verdict": overall(found)}


def backend(subject: Subject, contest: Contest, measured: Measuring) -> dict[str, Any]:
    """Return one backend's entry but for its gates."""
    earlier = subject.baseline.versions[contest.label] if subject.baseline else {}
    versions = {"base": contest.base.versions if contest.base else earlier, "head": contest.head.versions}
    return {
        "backend": contest.label,
        "base": contest.base.label if contest.base else None,
        "head": contest.head.label,
        "versions": {side: {key: own[key] for key in VERSION} for side, own in versions.items()},
        "pairs": measured.pairs if isinstance(measured, Paired) else [],
        "processes": {side: list(own) for side, own in measured.processes.items()},
        "phases": _phases(measured),
    }


def _phases(measured: Measuring) -> list[dict[str, Any]]:
    typical, judged = measured.typical(), measured.judged
    return [
        {
            "phase": phase,
            "unit": UNITS[phase],
            "verdict": decision.verdict if phase in judged else TOO_SHORT,
            "ratio": decision.ratio,
            "low": decision.low,
            "high": decision.high,
            "pairs": decision.pairs,
            "looks": decision.looks,
            "next_look": decision.next_look,
        }
        | typical[phase]
        for phase, decision in measured.decisions.items()
    ]
