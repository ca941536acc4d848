"""Runs a check: certificates first, then measures each backend in turn, until all is settled or the time is up."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bench import calibration, folders, jobs, plugins, privacy, runner
from bench.errors import UserError
from bench.jobs import REFERENCE, Job, Prepared
from bench.regression import document, gates
from bench.regression.baseline import Baseline
from bench.regression.measuring import Measuring, Paired, Unpaired
from bench.regression.pairing import PHASES, Side
from bench.regression.sequential import Decision
from bench.regression.subjects import Contest, Subject

FEWEST = 2  # processes of a baseline


@dataclass(frozen=True)
class Rules:
    """When a check fails, and when it ends; shares as fractions.

    confidence: that no verdict of the check is wrong by chance; budget_s: of measuring, environments and certificates
    not counted; undecided: what an undecided check is: "exit 3", "pass" or "fail".
    """

    max_slowdown: float = 0.05
    max_accuracy_drop: float = 0.01
    confidence: float = 0.99
    budget_s: float = 600.0
    undecided: str = "exit 3"


class Display(runner.Display, Protocol):
    """Where a check tells what it is doing."""

    def measured(self, label: str, count: int, decisions: Mapping[str, Decision], left_s: float) -> None:
        """Tell how far a backend is after `count` pairs or processes, and how much of the budget is left."""


def run(subject: Subject, rules: Rules, display: Display) -> dict[str, Any]:
    """Measure, judge, and return the document. Raises UserError where there is nothing to be measured."""
    began = time.monotonic()
    texts = subject.texts()
    with folders.scratch("bench-check-") as folder:
        reference = runner.contender(REFERENCE, plugins.find("backends", REFERENCE), None, None, display)
        heads = [contest.head for contest in subject.contests]
        (task,) = jobs.tasks([subject.head], [*heads, *subject.changed_bases], reference, folder)
        certificates, skipped = runner.certify(task, display)
        for label, outcome in skipped.items():
            raise UserError(f"{label} can't be checked: {outcome.reason}")
        timed = {job.contender.label: job for job in task.repeats if job.repeat == 1}
        measuring = [_measuring(contest, subject, timed, rules) for contest in subject.contests]
        is_certified = all(certificates.get(head.label, {}).get("verdict") != "fail" for head in heads)
        budget_s = rules.budget_s if is_certified else 0.0  # more than once isn't worth the time
        calibrated = _measure(subject, measuring, budget_s, folder, display)
    if subject.texts() != texts:
        raise UserError("a file under test was changed while it was measured: check again")
    backends = []
    for contest, own in zip(subject.contests, measuring, strict=True):
        epsilons = _epsilons(subject, contest)
        passed = gates.of(own, certificates.get(contest.head.label), epsilons, rules.max_accuracy_drop)
        told = {side: privacy.plain(epsilon) for side, epsilon in epsilons.items()}
        backends.append(document.backend(subject, contest, own) | {"epsilon": told, "gates": passed})
    notes = [
        f"{base.label} fails its certificate: its times are of something else: {certificates[base.label]['reason']}"
        for base in subject.changed_bases
        if certificates.get(base.label, {}).get("verdict") == "fail"
    ]
    subject = replace(subject, notes=(*subject.notes, *notes))
    return document.make(subject, rules, backends, calibrated, time.monotonic() - began)


def verdicts(backends: int) -> int:
    """Return among how many verdicts a check of so many backends shares its chance of error."""
    return backends * (len(PHASES) + len(gates.BY_CHANCE))


def _measuring(contest: Contest, subject: Subject, timed: Mapping[str, Job], rules: Rules) -> Measuring:
    job = timed[contest.head.label]
    settings = (rules.max_slowdown, rules.confidence, verdicts(len(subject.contests)))
    if contest.base is not None:
        probe = timed.get(contest.changed, job).probe  # its own, where it has one: the ways to run may differ
        base = Side(replace(job, cell=subject.base, contender=contest.base, probe=probe))
        return Paired({"base": base, "head": Side(job)}, *settings)
    assert subject.baseline is not None
    bases = _bases(subject.baseline, contest.label)
    head = Side(job, evaluate_every=subject.baseline.evaluate_every)  # which changes the times of rounds
    return Unpaired(head, bases, subject.baseline.calibrated, *settings)


def _bases(baseline: Baseline, label: str) -> Sequence[Mapping[str, Any]]:
    found = baseline.processes.get(label, [])
    if len(found) < FEWEST:
        told = f"holds {len(found)} processes of {label}; at least {FEWEST} are needed, 10 are better"
        raise UserError(f"--against {baseline.path}: {told}: bench run --repeats 10 makes such a baseline")
    return found


def _measure(
    subject: Subject, measuring: Sequence[Measuring], budget_s: float, folder: Path, display: Display
) -> list[float]:
    """Take a step of each that isn't settled, in turn, while there is time for one more.

    Returns the seconds of the calibration kernel before each.
    """
    end = time.monotonic() + budget_s
    threads = jobs.threads(subject.head.cell.spec)
    calibrated = []
    while ready := [own for own in measuring if not own.is_settled and _has_time(own, end)]:
        for own in ready:
            calibrated.append(calibration.measure(threads))
            own.step(folder / "measured", calibrated[-1])
            label = subject.contests[measuring.index(own)].label
            if "training" not in own.judged:
                raise UserError(f"{label}: its rounds are too short to be timed; more rounds or samples make a check")
            display.measured(label, own.count, own.decisions, max(0.0, end - time.monotonic()))
    return calibrated


def _has_time(own: Measuring, end: float) -> bool:
    """Whether there is time for one more; the first is always measured."""
    return own.count == 0 or own.longest_s <= end - time.monotonic()


def _epsilons(subject: Subject, contest: Contest) -> dict[str, float | None]:
    """What a training of base and head spends."""
    earlier = subject.baseline
    base = earlier.epsilons.get(contest.label) if earlier else _epsilon(subject.base)
    return {"base": base, "head": _epsilon(subject.head)}


def _epsilon(cell: Prepared) -> float | None:
    """What a training of the cell spends; None without privacy."""
    if cell.noise_multiplier is None:
        return None
    return float(privacy.entry(cell.cell.spec, cell.plan, cell.noise_multiplier, None)["epsilon_pld"])
