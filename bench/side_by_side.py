"""Jobs side by side, where nothing is timed: several threads that each wait for a worker, and what is told of them."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import events
from bench.jobs import Job, Task
from bench.process import Outcome

if TYPE_CHECKING:
    from bench.runner import Display


@contextmanager
def threads(count: int, display: "Display") -> Iterator[tuple[Any, "Display"]]:
    """Yield a `map` that calls a function in `count` threads, and the display that these may use.

    An error in one leaves those that run to their end, and begins no other; Ctrl-C ends their workers, too.
    """
    if count == 1:
        yield map, display
        return
    together = Together(display)
    with ThreadPoolExecutor(count) as pool:
        try:
            yield pool.map, together
        except KeyboardInterrupt:
            together.stop()
            raise


class Together:
    """A display to which several threads speak, one at a time; none of them once it is stopped."""

    def __init__(self, display: "Display") -> None:
        self.display = display
        self.groups: dict[Path, int] = {}  # of the workers that run
        self.is_stopped = False
        self.lock = threading.RLock()

    def say(self, text: str) -> None:
        with self._turn():
            self.display.say(text)

    def progress(self, what: str, done: int, total: int) -> None:
        with self._turn():
            self.display.progress(what, done, total)

    def jobs(self, tasks: Sequence[Task]) -> None:
        with self._turn():
            self.display.jobs(tasks)

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        with self._turn():
            self.display.started(job, reused, resumed)

    def event(self, job: Job, event: Any) -> None:
        with self._turn():
            if isinstance(event, events.Started):
                self.groups[job.folder] = event.pid
            try:
                self.display.event(job, event)
            except BaseException:
                self.groups.pop(job.folder, None)  # its worker is ended for it
                raise

    def ended(self, job: Job, outcome: Outcome) -> None:
        with self.lock:
            self.groups.pop(job.folder, None)
        with self._turn():
            self.display.ended(job, outcome)

    def stop(self) -> None:
        """End all workers; their threads end with the next word they say."""
        with self.lock:
            self.is_stopped = True
            for group in self.groups.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self.lock:
            if self.is_stopped:
                raise _Stopped
            yield


class _Stopped(Exception):
    """Nobody waits for these jobs any more."""


class Counted:
    """Tells of jobs side by side how many are done, and which failed: a display draws one at a time."""

    def __init__(self, display: "Display") -> None:
        self.display = display
        self.done = self.total = 0

    def say(self, text: str) -> None:
        self.display.say(text)

    def progress(self, what: str, done: int, total: int) -> None:
        self.display.progress(what, done, total)

    def jobs(self, tasks: Sequence[Task]) -> None:
        self.total = sum(len(task.probes) + len(task.repeats) for task in tasks)

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        self.display.progress("jobs", self.done, self.total)

    def event(self, job: Job, event: Any) -> None:
        """What a worker says by the way isn't told."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.done += 1
        self.display.progress("jobs", self.done, self.total)
        if outcome.status == "failed":
            self.display.say(f"{job.title}: failed: {outcome.reason}")
