"""A virtual MPU6050: it sends what a motion would make the sensor say, on a pseudo-terminal, at a steady rate."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.gesture import faults, wire
from bench.gesture.motion import RATE_HZ
from bench.gesture.motions import CALM_S, Piece, held
from bench.gesture.terminal import Terminal

AWAY_S = 1.0  # how long it stays unplugged
LOOK_S = 0.02  # how often it is looked whether somebody listens
LATE_S = 0.5  # after a longer pause of this machine the schedule begins anew, rather than send a heap at once
HELLO = b"# MPU6050, virtual: 6 axes, 2 g, 250 deg/s\n"


@dataclass
class Sent:
    """What a virtual sensor did; `dropped` lines found the line full, as their reader was too slow."""

    lines: int = 0
    dropped: int = 0


class VirtualSensor:
    """Plays `pieces` into a terminal; moves only while somebody listens, and starts with rest whenever one comes.

    After the last piece it is held still until its listener goes, and is done.
    """

    def __init__(
        self,
        terminal: Terminal,
        pieces: Iterator[Piece],
        trouble: faults.Faults,
        rng: np.random.Generator,
        speed: float = 1.0,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.sent = Sent()
        self._terminal, self._trouble, self._rng = terminal, trouble, rng
        self._speed, self._report, self._pieces = speed, report, pieces
        self._piece = next(pieces, Piece(np.array([[0, 0, 1, 0, 0, 0]], np.float32), RATE_HZ, ""))
        self._at = 0  # the next sample of the piece
        self._calm = 0  # samples of rest that are still due
        self._counter = 0
        self._heard_s = 0.0
        self._unplug_at = trouble.unplug_s
        self._next_s = 0.0

    def run(self) -> Sent:
        """Send until all is told and nobody listens any more."""
        was_heard = False
        while True:
            if not self._terminal.is_heard():
                if was_heard:
                    self._report("nobody listens any more")
                    if self._is_all_told():
                        return self.sent
                was_heard = False
                time.sleep(LOOK_S)
                continue
            if not was_heard:
                self._welcome()
                was_heard = True
            self._step()
            self._wait()
            if self._heard_s >= self._unplug_at:
                self._pull()
                was_heard = False

    def _welcome(self) -> None:
        self._report("somebody listens")
        time.sleep(LOOK_S)  # the reader is still setting the port up, and throws away what comes meanwhile
        self._counter = 0  # as an Arduino that is opened
        if self._at < len(self._piece.samples):
            self._at = 0  # who waits for a reader doesn't wait in mid-movement
        self._put(HELLO)
        self._calm = round(CALM_S * self._piece.rate_hz * self._speed)
        self._next_s = time.monotonic()

    def _step(self) -> None:
        line = wire.format_line(self._counter, wire.raw(self._feel()))
        rate = self._piece.rate_hz
        self._counter += 1
        self._heard_s += 1 / rate
        self._next_s += 1 / (rate * self._speed)
        if self._heard_s < self._trouble.silence_s:
            self._put(self._trouble.spoil(line, self._rng))

    def _feel(self) -> list[float]:
        if self._calm:
            self._calm -= 1
            return self._held()
        while self._at == len(self._piece.samples):
            fresh = next(self._pieces, None)
            if fresh is None:
                return self._held()
            self._piece, self._at = fresh, 0
        if self._at == 0 and self._piece.told:
            self._report(self._piece.told)
        self._at += 1
        values: list[float] = self._piece.samples[self._at - 1].tolist()
        return values

    def _is_all_told(self) -> bool:
        """Whether no movement is to come: a reader may leave within the rest after the last."""
        for piece in self._pieces:
            if piece.told:
                self._pieces = itertools.chain([piece], self._pieces)
                return False
        return True

    def _held(self) -> list[float]:
        at = min(self._at, len(self._piece.samples) - 1)
        values: list[float] = held(self._piece.samples[at : at + 1], 1, self._rng)[0].tolist()
        return values

    def _put(self, line: bytes) -> None:
        if not line:
            return
        at = self._trouble.baud
        if at is not None:
            reader = faults.reader_baud(self._terminal.master)
            if reader != at:
                line = faults.misread(line, at, reader or 2 * at)
        self.sent.lines += 1
        if line and not self._terminal.send(line):
            self.sent.dropped += 1

    def _wait(self) -> None:
        """Until the next sample is due by the clock: no pause adds to the ones before."""
        now = time.monotonic()
        if now < self._next_s:
            time.sleep(self._next_s - now)
        elif now - self._next_s > LATE_S:
            self._next_s = now

    def _pull(self) -> None:
        self._report("unplugged")
        self._terminal.unplug()
        time.sleep(AWAY_S)
        self._terminal.plug()
        self._unplug_at = self._heard_s + self._trouble.unplug_s
        self._report("plugged in again")
