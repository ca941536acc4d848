"""What a person sees while a check goes on: a line that changes in a terminal, a line a while elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.status import Status

from bench.jobs import Job, Task
from bench.layout import figures, roughly
from bench.process import Outcome
from bench.regression.sequential import Decision

EVERY_S = 20.0  # between lines, where nobody looks on


class Shown:
    """Standard error only."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = Status("preparing", console=console) if console.is_interactive else None
        self._spoke_s = 0.0

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        self._tell(f"{what}: {done} of {total}", is_last=done == total)

    def jobs(self, tasks: Sequence[Task]) -> None:
        """Nothing to be told: how many pairs there will be, nobody knows."""

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        self._tell(job.title)

    def event(self, job: Job, event: Any) -> None:
        """Probes are short."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        if outcome.status != "done":
            self.say(f"{job.title}: {outcome.status}: {outcome.reason}")

    def measured(self, label: str, pairs: int, decisions: Mapping[str, Decision], left_s: float) -> None:
        told = "; ".join(_told(phase, decision) for phase, decision in decisions.items())
        left = f"at most {roughly(left_s)} left" if left_s else "the time is up"
        self._tell(f"{label}: {pairs} pairs; {told}; {left}")

    def _tell(self, text: str, is_last: bool = False) -> None:
        if self._status:
            self._status.update(text.replace("[", "\\["))
        elif is_last or time.monotonic() - self._spoke_s > EVERY_S:
            self._spoke_s = time.monotonic()
            self.say(text)


def _told(phase: str, decision: Decision) -> str:
    if decision.low is None:
        return f"{phase} {figures(decision.ratio)}x so far"
    return f"{phase} {decision.verdict}, {figures(decision.ratio)}x"
