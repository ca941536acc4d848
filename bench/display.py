"""What a person sees while a run goes on: live bars in a terminal, plain lines elsewhere. Standard error only."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from bench import events
from bench.jobs import Job
from bench.process import Outcome

PLAIN_EVERY_S = 5.0


def make(console: Console) -> "Live | Plain":
    """Return the display that suits the console."""
    return Live(console) if console.is_terminal else Plain(console)


class Plain:
    """Lines, at most one every few seconds while a job runs."""

    def __init__(self, console: Console):
        self.console = console
        self.number = self.total = 0
        self.spoke = 0.0
        self.accuracy = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        if done == total or time.monotonic() - self.spoke > PLAIN_EVERY_S:
            self.spoke = time.monotonic()
            self.say(f"{what}: {done} of {total}")

    def jobs(self, total: int, rounds: int) -> None:
        self.total = total

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        self.number += 1
        self.accuracy, self.spoke = "", time.monotonic()
        if reused:
            self.say(f"[{self.number}/{self.total}] {job.title}: done earlier, taken as it is")
        elif resumed:
            self.say(f"[{self.number}/{self.total}] {job.title}: goes on after round {resumed}")

    def event(self, job: Job, event: Any) -> None:
        if isinstance(event, events.Evaluation):
            self.accuracy = f", accuracy {event.accuracy:.1%}"
        if isinstance(event, events.Progress) and time.monotonic() - self.spoke > PLAIN_EVERY_S:
            self.spoke = time.monotonic()
            self.say(f"[{self.number}/{self.total}] {job.title}: {event.what}: {event.done} of {event.total}")
        if isinstance(event, events.Round) and time.monotonic() - self.spoke > PLAIN_EVERY_S:
            self.spoke = time.monotonic()
            line = f"round {event.number}/{job.rounds}, {event.seconds:.2f} s{self.accuracy}"
            self.say(f"[{self.number}/{self.total}] {job.title}: {line}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        reason = f": {outcome.reason}" if outcome.reason else self.accuracy
        self.say(f"[{self.number}/{self.total}] {job.title}: {outcome.status}{reason}")


class Live:
    """One bar for what is being done now, one for the whole run with the time left."""

    def __init__(self, console: Console):
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            SpinnerColumn(finished_text=""),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        self.console = console
        self.now: TaskID | None = None
        self.whole: TaskID | None = None
        self.accuracy = ""

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clear()
        self.bars.stop()

    def say(self, text: str) -> None:
        self.bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        if self.now is None or self.bars.tasks[-1].description != what:
            self._clear()
            self.now = self.bars.add_task(what, total=total, note="")
        self.bars.update(self.now, completed=done, total=total)
        if done >= total:
            self._clear()

    def jobs(self, total: int, rounds: int) -> None:
        self.whole = self.bars.add_task("all rounds of all jobs", total=rounds, note="")

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        self._clear()
        self.accuracy = ""
        if reused:
            self._advance(job.rounds)
            return
        self._advance(resumed)
        self.now = self.bars.add_task(job.title, total=job.rounds, completed=resumed, note="starting")

    def event(self, job: Job, event: Any) -> None:
        if self.now is None:
            return
        if isinstance(event, events.Phase):
            self.bars.update(self.now, note=f"{event.name} {event.seconds:.1f} s")
        elif isinstance(event, events.Progress):
            self.bars.update(self.now, note=f"{event.what}: {event.done} of {event.total}")
        elif isinstance(event, events.Evaluation):
            self.accuracy = f", accuracy {event.accuracy:.1%}"
        elif isinstance(event, events.Round):
            self.bars.update(self.now, completed=event.number, note=f"{event.seconds:.2f} s a round{self.accuracy}")
            self._advance(1)

    def ended(self, job: Job, outcome: Outcome) -> None:
        if outcome.reason:
            self.say(f"{job.title}: {outcome.status}: {outcome.reason}")

    def _advance(self, rounds: int) -> None:
        if self.whole is not None:
            self.bars.advance(self.whole, rounds)

    def _clear(self) -> None:
        if self.now is not None:
            self.bars.remove_task(self.now)
            self.now = None
