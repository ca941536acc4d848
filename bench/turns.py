"""Jobs that take turns: live processes, of which each does its next step only when it is told to.

What slows the machine for a while then slows all of them alike: steps that are compared lie seconds apart, not
minutes, and while one trains the others sleep.
"""

import contextlib
import json
import os
import queue
import signal
import threading
from types import TracebackType
from typing import Any, Self

from bench import events, jobs, process, store
from bench.jobs import Job

Event = Any


class TurnTaker:
    """One job in one fresh process, which is imported and opened when it is entered, and then waits.

    Its turns are: to load; each round; what follows a round, evaluation, belongs to that. `slowdown` holds each round
    back by that share of its seconds. It evaluates every so many rounds; None: after the last alone.
    """

    def __init__(self, job: Job, slowdown: float = 0.0, evaluate_every: int | None = None) -> None:
        assert job.contender.environment is not None
        self.job = job
        self.seen: list[Event] = []
        self.outcome: process.Outcome | None = None
        self._python = job.contender.environment.python
        self._slowdown = slowdown
        self._evaluate_every = evaluate_every or job.rounds
        self._turns = threading.Semaphore(0)
        self._heard: queue.Queue[Event | process.Outcome | Exception] = queue.Queue()
        self._thread = threading.Thread(target=self._execute, daemon=True)
        self._group: int | None = None
        self._is_left = False

    def __enter__(self) -> Self:
        told = jobs.told(self.job) | {
            "turns": True,
            "slowdown": self._slowdown,
            "evaluate_every": self._evaluate_every,
            "save_every": 0,
            "checkpoint_s": 0.0,
            "resume": None,
        }
        self.job.folder.mkdir(parents=True, exist_ok=True)
        store.write_text(self.job.folder / "job.json", json.dumps(told))
        self._thread.start()
        try:
            self._hear()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def turn(self) -> list[Event]:
        """Let it do its next step; return what it said, once it waits again or has ended (see `outcome`)."""
        self._turns.release()
        return self._hear()

    def _hear(self) -> list[Event]:
        said: list[Event] = []
        while self.outcome is None:
            heard = self._heard.get()
            if isinstance(heard, Exception):
                raise heard
            if isinstance(heard, process.Outcome):
                self.outcome = heard
            elif isinstance(heard, events.Waiting):
                break
            else:
                said.append(heard)
        self.seen += said
        return said

    def _execute(self) -> None:
        spec = self.job.cell.cell.spec
        environ = process.worker_environ(os.environ, jobs.threads(spec), spec.timing.device)
        try:
            ended = process.execute(self._python, self.job.folder, environ, spec.timing.silence_s, self._on_event)
            self._heard.put(ended)
        except Exception as error:
            self._heard.put(error)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, events.Started):
            self._group = event.pid
        self._heard.put(event)
        if isinstance(event, events.Waiting):
            self._turns.acquire()
        if self._is_left:
            raise _Left

    def _leave(self) -> None:
        """End what is still running."""
        self._is_left = True
        self._turns.release()
        if self.outcome is None and self._group is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)
        self._thread.join()


class _Left(Exception):
    """Nobody waits for this job any more."""
