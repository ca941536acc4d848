"""How long the rest of a run takes: estimates at first, more and more what the run itself has measured."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import events, speeds
from bench.estimate import Estimator, Reason
from bench.jobs import Job
from bench.process import Outcome
from bench.work import Piece

TIMED = (events.Phase, events.Fed, events.Round, events.Evaluation)


class Forecast:
    """The time left of all jobs of a run.

    A job takes as long as the same cell did on the same backend, or any cell of its task, which trains the same
    batches. Where neither has run, its estimate goes by what the backend's other jobs have shown of this hour.
    """

    def __init__(self, jobs: Sequence[Job], estimator: Estimator, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self.waiting = {job.folder: job for job in jobs}
        self.estimator = estimator
        self.estimates = {job.folder: estimator.of(Piece.of(job)) for job in jobs}
        self.keys = {job.folder: _keys(job) for job in jobs}  # digests, which take a while: not at every round
        self.taken: dict[tuple[Any, ...], list[float]] = {}
        self.now: Job | None = None
        self.begun = self.first_round = 0.0
        self.done = self.resumed = 0

    @property
    def reasons(self) -> list[Reason]:
        """Why the time left is rough still: what has neither run before nor in this run."""
        rough = [self.estimates[place].rough for place, job in self.waiting.items() if not self._measured(job)]
        return list(dict.fromkeys(reason for reason in rough if reason))

    def started(self, job: Job, resumed: int = 0) -> None:
        """A job starts, perhaps after some rounds that it has done already."""
        self.waiting.pop(job.folder, None)
        self.now, self.begun = job, self.clock()
        self.done = self.resumed = resumed

    def round(self, number: int) -> None:
        """A round of the job that runs is done."""
        if self.done == self.resumed:
            self.first_round = self.clock()
        self.done = number

    def ended(self, job: Job, outcome: Outcome, reused: bool) -> None:
        """It has ended. What was done earlier is timed by what its worker told."""
        told = sum(event.seconds for event in outcome.events if isinstance(event, TIMED))
        seconds = told if reused else self.clock() - self.begun
        processes = sum(isinstance(event, events.Started) for event in outcome.events)
        is_whole = outcome.status == "done" and not self.resumed and processes < 2
        if is_whole:
            for key in self.keys[job.folder]:
                self.taken.setdefault(key, []).append(seconds)
            self._learn(job, outcome)
        elif outcome.status == "skipped":
            for key in [*self.keys[job.folder], _task_key(job, is_probe=False)]:
                self.taken.setdefault(key, []).append(0.0)  # a backend that can't do it, can't do its repeats either
        self.now, self.resumed = None, 0

    def left(self) -> float:
        """Return the seconds until all is done."""
        return self._rest() + sum(self._predicted(job) for job in self.waiting.values())

    def _rest(self) -> float:
        """What is left of the job that runs: at the pace of its own rounds, once there are any."""
        if self.now is None:
            return 0.0
        own = self.estimates[self.now.folder]
        whole = self._predicted(self.now)
        rounds = whole * min(1.0, own.rounds / max(own.seconds, 1e-6))
        rest = rounds * (1 - self.done / max(1, self.now.rounds))
        if self.done == self.resumed:
            return max(rest, whole - (self.clock() - self.begun) - (rounds - rest))
        seen = self.done - self.resumed - 1  # the first round warms up
        if seen:
            return (self.clock() - self.first_round) / seen * (self.now.rounds - self.done)
        return rest

    def _predicted(self, job: Job) -> float:
        measured = self._measured(job)
        return statistics.median(measured) if measured else self.estimates[job.folder].seconds

    def _learn(self, job: Job, outcome: Outcome) -> None:
        """Estimate anew what this backend has still to do; the newest of clients that do as much counts first."""
        shown = speeds.observed(job, outcome.events)
        if shown is None:
            return
        self.estimator.known.setdefault(speeds.key(Piece.of(job)), []).insert(0, shown)
        for place, other in self.waiting.items():
            if other.contender.label == job.contender.label and not self._measured(other):
                self.estimates[place] = self.estimator.of(Piece.of(other))

    def _measured(self, job: Job) -> list[float]:
        return next((self.taken[key] for key in self.keys[job.folder] if key in self.taken), [])


def _keys(job: Job) -> list[tuple[Any, ...]]:
    """What jobs have in common that take as long, the nearest first."""
    return [(job.cell.cell.spec.digest, job.contender.label, job.repeat == 0), _task_key(job, job.repeat == 0)]


def _task_key(job: Job, is_probe: bool) -> tuple[Any, ...]:
    return (job.cell.cell.spec.task, job.contender.label, is_probe)
