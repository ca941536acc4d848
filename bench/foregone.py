"""Jobs that needn't run: a backend has refused what they ask for, or nobody looks at what they would tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench import events, jobs
from bench.jobs import REFERENCE, Job, Prepared
from bench.process import Outcome


class Foregone:
    """What is known of the jobs of a backend and of the reference beside it, whose answers alone are of use.

    `label` is the backend's. Of cells that train the same, the reference's repeat of the first counts for all.
    """

    def __init__(self, label: str, cells: Sequence[Prepared]) -> None:
        self.label = label
        self.first: dict[str, Prepared] = {}
        for cell in cells:
            self.first.setdefault(cell.cell.spec.task, cell)
        self.refused: list[tuple[Mapping[str, Any], Outcome]] = []

    def learn(self, job: Job, outcome: Outcome) -> None:
        """Keep what the backend refuses: such jobs, the very job where it doesn't say, all where it isn't here."""
        if job.contender.label != self.label:
            return
        last = outcome.events[-1] if outcome.events else None
        if job.contender.environment is None:
            self.refused.append(({}, outcome))
        elif isinstance(last, events.Skipped):
            self.refused.append((jobs.told(job) if last.asked is None else last.asked, outcome))

    def outcome(self, job: Job) -> Outcome | None:
        """Return how the job ends, where that is known or of no interest."""
        told = jobs.told(job)
        for asked, outcome in self.refused:
            if _asks(told, asked):
                return Outcome(outcome.status, outcome.reason, ())
        first = self.first[job.cell.cell.spec.task]
        is_beside = job.contender.label == REFERENCE and job.contender.label != self.label
        if is_beside and job.repeat and job.cell is not first:
            return Outcome("skipped", f"as in {first.cell.name}", ())
        return None


def _asks(told: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether a job is told all of `asked`, a value or a table of them a key."""
    return all(
        isinstance(told.get(key), Mapping) and _asks(told[key], own)
        if isinstance(own, Mapping)
        else told.get(key) == own
        for key, own in asked.items()
    )
