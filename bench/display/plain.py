"""Plain lines, where nobody looks on: a log, a pipe."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from bench import events
from bench.display.forecast import Forecast
from bench.display.grid import Grid
from bench.estimate import Estimator, told
from bench.jobs import Job, Task
from bench.layout import roughly
from bench.process import Outcome

EVERY_S = 5.0


class Plain:
    """Lines, at most one every few seconds while a job runs; one more whenever a cell of several is finished."""

    def __init__(self, console: Console):
        self.console = console
        self.number = self.total = 0
        self.spoke = 0.0
        self.accuracy: float | None = None
        self.grid = Grid(())
        self.forecast: Forecast | None = None
        self.is_reused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        if done == total or self._is_time():
            self.spoke = time.monotonic()
            self.say(f"{what}: {done} of {total}")

    def jobs(self, tasks: Sequence[Task]) -> None:
        jobs = [job for task in tasks for job in (*task.probes, *task.repeats)]
        self.total = len(jobs)
        self.grid, self.forecast = Grid(tasks), Forecast(jobs, Estimator())
        cells = f"{len(self.grid.cells)} cells, " if len(self.grid.cells) > 1 else ""
        self.say(f"{cells}{self.total} jobs: {told(self.forecast.left(), self.forecast.reasons)}")

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        self.number += 1
        self.accuracy, self.spoke, self.is_reused = None, time.monotonic(), reused
        self.grid.started(job)
        if self.forecast:
            self.forecast.started(job, resumed)
        if reused:
            self.say(f"{self._place(job)}: done earlier, taken as it is")
        elif resumed:
            self.say(f"{self._place(job)}: goes on after round {resumed} of {job.rounds}")

    def event(self, job: Job, event: Any) -> None:
        if isinstance(event, events.Evaluation):
            self.accuracy = event.accuracy
        if isinstance(event, events.Round) and self.forecast:
            self.forecast.round(event.number)
        if not self._is_time():
            return
        if isinstance(event, events.Progress):
            self.spoke = time.monotonic()
            self.say(f"{self._place(job)}: {event.what}: {event.done} of {event.total}")
        if isinstance(event, events.Round):
            self.spoke = time.monotonic()
            line = f"round {event.number}/{job.rounds}, {event.seconds:.2f} s{self._accuracy()}"
            self.say(f"{self._place(job)}: {line}{self._left()}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        if self.is_reused:
            finals = [event.accuracy for event in outcome.events if isinstance(event, events.Evaluation)]
            self.accuracy = finals[-1] if finals else None
        self.grid.ended(job, outcome, self.accuracy)
        if self.forecast:
            self.forecast.ended(job, outcome, self.is_reused)
        reason = f": {outcome.reason}" if outcome.reason else self._accuracy()
        self.say(f"{self._place(job)}: {outcome.status}{reason}{self._left()}")
        if job.repeat and len(self.grid.cells) > 1 and self.grid.is_finished(job.cell):
            self._tell_cell(job)

    def _tell_cell(self, job: Job) -> None:
        finished = sum(map(self.grid.is_finished, self.grid.cells))
        squares = zip(self.grid.labels, self.grid.row(job.cell), strict=True)
        results = ", ".join(
            f"{label} {square.accuracy}" if square.state == "done" and square.accuracy else f"{label} {square.state}"
            for label, square in squares
        )
        self.say(f"{finished} of {len(self.grid.cells)} cells [{job.cell.cell.name}]: {results}")

    def _place(self, job: Job) -> str:
        return f"[{self.number}/{self.total}] {job.title}"

    def _accuracy(self) -> str:
        return "" if self.accuracy is None else f", accuracy {self.accuracy:.1%}"

    def _left(self) -> str:
        if self.forecast is None or (self.number == self.total and self.forecast.now is None):
            return ""
        return f"; about {roughly(self.forecast.left())} left"

    def _is_time(self) -> bool:
        return time.monotonic() - self.spoke > EVERY_S
