"""How a process of a Duet talks with the harness: a JSON line each way, and it dies when the harness does.

The first line it hears is its settings. Whatever a framework prints goes to standard error instead.
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time


class Problem(Exception):
    """What ends a side, in words that say it all."""


class Harness:
    """The harness, seen from one of the processes that it started."""

    def __init__(self, side):
        self.side = side
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        self._heard = queue.Queue()
        os.dup2(2, 1)
        threading.Thread(target=self._listen, daemon=True).start()
        self.settings = self._heard.get()

    def say(self, event, **told):
        """Send an event."""
        with self._lock:
            self._stream.write(json.dumps(dict(told, event=event, side=self.side)) + "\n")
            self._stream.flush()

    def heard(self):
        """Return the next line from the harness, or None where there is none yet."""
        try:
            return self._heard.get_nowait()
        except queue.Empty:
            return None

    @contextlib.contextmanager
    def step(self, name, limit_s=None):
        """Time a step; what it yields is told at its end. A step that outlasts its limit ends the process."""
        self.say("begin", step=name)
        step = Step(name)
        alarm = threading.Timer(limit_s, self.give_up, ["no answer within {:g} s: {}".format(limit_s or 0, name)])
        alarm.daemon = True
        if limit_s is not None:
            alarm.start()
        try:
            yield step
        finally:
            alarm.cancel()
        self.say("step", step=name, outcome=step.outcome, detail=step.detail, seconds=step.seconds(), value=step.value)

    def give_up(self, reason):
        """End this process with a reason, from any thread: the main one may wait for an answer that never comes."""
        self.say("failed", reason=reason)
        os._exit(1)

    def _listen(self):
        for line in iter(sys.stdin.readline, ""):
            self._heard.put(json.loads(line))
        os.killpg(os.getpgrp(), signal.SIGKILL)


class Step:
    """What a step comes to: done, refused, denied, open, unanswered."""

    def __init__(self, name):
        self.name = name
        self.outcome = "done"
        self.detail = ""
        self.value = None
        self._started = time.monotonic()
        self._ended = None

    def seconds(self):
        """Return the seconds until now, or until it was stopped."""
        return (self._ended or time.monotonic()) - self._started

    def stop(self):
        """Stop its clock: what follows isn't part of it."""
        self._ended = time.monotonic()


def run(side, main):
    """Run `main(harness)` and leave with 0; whatever goes wrong is told in one line, and leaves with 1."""
    harness = Harness(side)
    try:
        main(harness)
    except Problem as problem:
        harness.give_up(str(problem))
    except Exception as error:
        harness.give_up(" ".join("{}: {}".format(type(error).__name__, error).split())[:300])
    harness.say("left")
    os._exit(0)  # PySyft's shutdown waits for tasks that never end
