"""Samples as a sensor sends them: whatever the line does in between is told and counted."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from bench.errors import UserError
from bench.gesture import wire
from bench.gesture.ports import BAUDS, open_port, told

BAUD = 115200
SILENCE_S = 3.0  # after this long without a byte it is said
PATIENCE_S = 20.0  # after this long without a sample the stream is given up
RETRY_S = 0.5
GARBAGE_S, GARBAGE_LINES = 2.0, 20  # so much without one good line is another rate or another format
MOST_HZ, BURST = 2000, 2000  # a counter that runs ahead by more than this belongs to a device that began anew
_CHUNK = 4096


class Sample(NamedTuple):
    """Six numbers in g and deg/s, with when they were read in seconds since the stream began.

    `connection` counts how often the port had been opened again.
    """

    time_s: float
    counter: int | None
    values: tuple[float, ...]
    connection: int = 0


@dataclass
class Tally:
    """What came: `samples` good ones, `lost` by the gaps of the counter, `broken` lines, `reconnects`."""

    samples: int = 0
    lost: int = 0
    broken: int = 0
    reconnects: int = 0

    def __str__(self) -> str:
        again = f", reconnected {self.reconnects} x" if self.reconnects else ""
        return f"{self.samples} samples, {self.lost} lost, {self.broken} broken{again}"


class _Reopened(str):
    """A notice that what follows it comes from a port that was opened again."""


class SensorGone(UserError):
    """A sensor that worked stopped, and did not come back."""


class Assembler:
    """Makes samples of the bytes that come; tells lost lines from broken ones.

    A broken line is missing in the counter as well: it is counted as broken, and not as lost again.
    """

    def __init__(self, tally: Tally, remark: Callable[[str], None] = lambda text: None) -> None:
        self.tally = tally
        self.reason = ""  # why the last broken line was
        self.example = b""
        self._remark = remark
        self._rest = b""
        self._counter: int | None = None
        self._counted_at = 0.0
        self._broken_since = 0
        self._connection = 0
        self._is_joining = True  # one joins in the middle of a line, which is nobody's fault

    def feed(self, chunk: bytes, time_s: float) -> Iterator[Sample]:
        """The samples that end in `chunk`, which was read at `time_s`."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self._is_joining and not line.startswith((b"M", b"#")):
                self._is_joining = False
                continue
            yield from self._line(line, time_s)
        if len(self._rest) > wire.LONGEST:
            self._fault("no line end", self._rest)
            self._rest = b""

    def rejoin(self) -> None:
        """The port was opened again: what is left of a line is worth nothing."""
        self._connection += 1
        self._rest = b""
        self._is_joining = True

    def _line(self, line: bytes, time_s: float) -> Iterator[Sample]:
        if not line.strip():
            return
        try:
            read = wire.parse(line)
        except wire.BrokenLine as error:
            is_joining, self._is_joining = self._is_joining, False
            if not is_joining:
                self._fault(str(error), line)
            start = line.rfind(b"M,")
            if start > 0:  # half a line, and a whole one behind it
                yield from self._line(line[start:], time_s)
            return
        self._is_joining = False
        if isinstance(read, wire.Remark):
            self._counter = None  # it has just started
            self._remark(read.text)
            return
        self._count(read.counter, time_s)
        yield Sample(time_s, read.counter, read.values, self._connection)

    def _count(self, counter: int | None, time_s: float) -> None:
        self.tally.samples += 1
        if counter is not None and self._counter is not None:
            gap = (counter - self._counter - 1) % wire.COUNTERS
            if gap <= BURST + MOST_HZ * (time_s - self._counted_at):
                self.tally.lost += max(0, gap - self._broken_since)
        self._counter, self._counted_at, self._broken_since = counter, time_s, 0

    def _fault(self, reason: str, line: bytes) -> None:
        self.tally.broken += 1
        self._broken_since += 1
        self.reason, self.example = reason, line[:60]


class Stream:
    """The samples of an open port, one by one; a thread reads, so that no pause of yours loses any.

    Iterating waits for the next sample. UserError is raised where nothing that can be read comes (silence, another
    rate, another format), SensorGone where what came before ceases; both after `patience_s`.
    """

    def __init__(
        self,
        port: str,
        baud: int = BAUD,
        notice: Callable[[str], None] = lambda text: None,
        patience_s: float = PATIENCE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.tally = Tally()
        self.port, self.baud = port, baud
        self._notice, self._patience_s, self._silence_s = notice, patience_s, min(silence_s, patience_s)
        self._assembler = Assembler(self.tally, lambda text: notice(f"{port} says: {text}"))
        self._chunks: queue.SimpleQueue[tuple[float, bytes | Exception | str]] = queue.SimpleQueue()
        self._is_closed = threading.Event()
        self._serial = open_port(port, baud)
        self._began = time.monotonic()
        self._samples: list[Sample] = []  # read and not yet given, last first
        self._fresh_broken = 0  # broken lines since the last good one
        self._garbage_since: float | None = None
        self._good_at = 0.0
        self._thread = threading.Thread(target=self._read, name=f"reader of {port}", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Sample]:
        while not self._is_closed.is_set():
            sample = self.next(1.0)
            if sample is not None:
                yield sample

    @property
    def now_s(self) -> float:
        """The clock of `Sample.time_s`."""
        return time.monotonic() - self._began

    def next(self, timeout_s: float = 0.0) -> Sample | None:
        """The next sample, or None where none comes within `timeout_s`: for those who draw in between."""
        until = self.now_s + timeout_s
        while not self._samples:
            try:
                at, what = self._chunks.get(timeout=max(0.0, until - self.now_s))
            except queue.Empty:
                self._check_garbage(self.now_s)
                return None
            if isinstance(what, Exception):
                self.close()
                raise what
            if isinstance(what, str):
                if isinstance(what, _Reopened):
                    self._assembler.rejoin()
                self._notice(what)
                continue
            before = self.tally.broken
            self._samples = list(self._assembler.feed(what, at))[::-1]
            self._watch(at, self.tally.broken - before)
        return self._samples.pop()

    def close(self) -> None:
        """Give the port back; may be called twice."""
        self._is_closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)
        self._serial.close()

    def _watch(self, at: float, broken: int) -> None:
        if self._samples:
            self._good_at, self._garbage_since, self._fresh_broken = at, None, 0
        elif broken:
            self._fresh_broken += broken
            self._garbage_since = at if self._garbage_since is None else self._garbage_since
            self._check_garbage(at)

    def _check_garbage(self, at: float) -> None:
        if self._garbage_since is None or at - self._garbage_since < GARBAGE_S:
            return
        if self._fresh_broken < GARBAGE_LINES and at - self._garbage_since < self._patience_s:
            return
        self.close()
        kind = SensorGone if self.tally.samples else UserError
        raise kind(f"--port {self.port}: {self._of_garbage()}")

    def _of_garbage(self) -> str:
        example, reason = self._assembler.example, self._assembler.reason
        count = f"{self._fresh_broken} lines in a row"
        if all(32 <= byte < 127 or byte in b"\r\t" for byte in example):
            text = example.decode("ascii").strip()
            return (
                f"{count} are not what a sensor sends ({reason}): {text!r}; expected"
                " M,COUNTER,AX,AY,AZ,GX,GY,GZ*CC or ax,ay,az,gx,gy,gz (see docs/gesture.md)"
            )
        others = told(rate for rate in BAUDS if rate != self.baud)
        return f"{count} are garbage at {self.baud} baud: the sensor sends at another rate; usual are {others} (--baud)"

    def _read(self) -> None:
        """Read until closed, in a thread; whatever goes wrong is passed on as it is."""
        heard = time.monotonic()
        is_quiet = False
        try:
            while not self._is_closed.is_set():
                try:
                    chunk = self._serial.read(max(1, min(_CHUNK, self._serial.in_waiting)))
                except (OSError, TypeError):  # TypeError: pyserial's, of a port that was closed meanwhile
                    if self._is_closed.is_set():
                        return
                    self._reconnect()
                    heard = time.monotonic()
                    continue
                now = time.monotonic()
                if chunk:
                    self._put(chunk)
                    heard, is_quiet = now, False
                elif now - heard >= self._patience_s:
                    raise self._silent(now - heard)
                elif now - heard >= self._silence_s and not is_quiet:
                    is_quiet = True
                    self._put(f"nothing has come from {self.port} for {self._silence_s:g} s; waiting")
        except Exception as error:
            self._put(error)

    def _put(self, what: bytes | Exception | str) -> None:
        self._chunks.put((self.now_s, what))

    def _silent(self, seconds: float) -> UserError:
        if self.tally.samples:
            return SensorGone(f"--port {self.port}: the sensor fell silent, and said nothing for {seconds:.0f} s")
        return UserError(
            f"--port {self.port}: it is open, but nothing came for {seconds:.0f} s; is the sketch on the board, the"
            " sensor wired, and this the right port (bench gesture ports)?"
        )

    def _reconnect(self) -> None:
        self._serial.close()
        tries = max(1, round(self._patience_s / RETRY_S))
        self._put(f"{self.port} is gone; trying again for {self._patience_s:g} s")
        for attempt in range(1, tries + 1):
            if self._is_closed.wait(RETRY_S):
                return
            try:
                self._serial = open_port(self.port, self.baud)
            except UserError as error:
                if attempt % 10 == 0:
                    self._put(f"attempt {attempt} of {tries}: {error}")
                continue
            self.tally.reconnects += 1
            self._put(_Reopened(f"{self.port} is back, at attempt {attempt} of {tries}"))
            return
        raise SensorGone(f"--port {self.port}: it was unplugged and did not come back within {self._patience_s:g} s")


def open_stream(
    port: str,
    baud: int = BAUD,
    notice: Callable[[str], None] = lambda text: None,
    patience_s: float = PATIENCE_S,
    silence_s: float = SILENCE_S,
) -> Stream:
    """Open a sensor's port; `notice` is given a line whenever something is to be told. UserError where it can't be."""
    return Stream(port, baud, notice, patience_s, silence_s)
