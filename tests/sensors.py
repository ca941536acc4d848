"""A virtual sensor in a process of its own, for the tests of what reads one."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gesture import wire
from tests.conftest import every_core


@dataclass(frozen=True)
class Simulator:
    port: str
    process: subprocess.Popen

    def unplug(self) -> None:
        """Kill it, and take its link away first: the terminal's number may be another test's in a moment."""
        Path(self.port).unlink()
        self.process.kill()
        self.process.wait()


def start(*arguments: str) -> subprocess.Popen:
    """`bench ARGUMENTS` in the background, in a process group of its own; a sensor has its own clock, so any core."""
    with every_core():
        return subprocess.Popen(
            [sys.executable, "-m", "bench.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@contextmanager
def simulator(*options: str) -> Iterator[Simulator]:
    """`bench gesture simulate` that has told its port; interrupted at the end."""
    process = start("gesture", "simulate", *options)
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        port = process.stdout.readline().strip()
        assert port, process.stderr.read()
        drain.start()
        yield Simulator(port, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """A raw pseudo-terminal that says what the test writes to it: its master and its path."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)


@contextmanager
def talking(lines: Iterator[bytes], pause_s: float = 0.002) -> Iterator[str]:
    """A terminal into which a thread writes, a line at a time, until there are no more."""
    with terminal() as (master, path):
        stop = threading.Event()

        def talk() -> None:
            for line in lines:
                if stop.wait(pause_s):
                    return
                os.write(master, line)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        try:
            yield path
        finally:
            stop.set()
            thread.join(5)


def counted(start: int = 0) -> Iterator[bytes]:
    """Guarded lines of a sensor at rest, without end."""
    number = start
    while True:
        yield wire.format_line(number, (0, 0, 16384, 2450, 380, 80))
        number += 1


def wait_for(path: Path, pattern: str, count: int, seconds: float = 60.0) -> list[Path]:
    """The files, once there are so many."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = sorted(path.glob(pattern))
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} holds no {count} {pattern} after {seconds:g} s")
