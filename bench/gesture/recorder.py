"""`bench gesture record`: gestures are cut out of a stream and kept, one by one, as they end."""

import datetime
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import UserError
from bench.gesture.motion import RATE_HZ, Samples
from bench.gesture.recording import Session, Take, check_label
from bench.gesture.segment import CALIBRATION_S, LONGEST_S, Segmenter
from bench.gesture.stream import Sample, Stream, open_stream
from bench.gesture.wire import COUNTERS

MEASURING_S = 2.0  # of the rate, before anything is cut
NEAR = 0.03  # a rate this near the nominal one is that
GAP_S = 0.1  # a gesture in which more than this is missing is none
PATIENCE_FOR_REST_S = 10.0  # after this long it is said that the sensor isn't still


@dataclass(frozen=True)
class Cut:
    """A gesture: `times` in s from its onset, `samples` float32 (n, 6) less the gyroscope's bias, greatest `energy`."""

    times: list[float]
    samples: Samples
    energy: float


class Cutter:
    """Cuts gestures, with their samples, out of a stream of which lines may be missing."""

    def __init__(self, threshold: float | None, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.dropped = 0  # gestures with a gap in them
        self._clock = 0  # samples since the beginning, those that are missing counted
        self._last: Sample | None = None
        self._begin(threshold)

    def push(self, sample: Sample) -> Cut | None:
        """Take a sample; return the gesture that it ends, if it does."""
        missing = self._missing(sample)
        self._last = sample
        self._clock += 1 + missing
        if missing > GAP_S * self.rate_hz:
            self.dropped += self.segmenter.is_moving
            self._begin(self.segmenter.threshold)
        found = self.segmenter.push(sample.values)
        self._kept.append((self._clock, sample.values, self.segmenter.energy))
        self._pushed += 1
        if found is None:
            return None
        first = self._pushed - len(self._kept)
        kept = list(self._kept)[max(0, found.start - first) : found.stop - first]
        times = [(clock - kept[0][0]) / self.rate_hz for clock, _, _ in kept]
        samples = np.array([values for _, values, _ in kept], np.float32)
        samples[:, 3:] -= np.array(self.segmenter.bias, np.float32)
        return Cut(times, samples, max(energy for *_, energy in kept))

    def _begin(self, threshold: float | None) -> None:
        self.segmenter = Segmenter(threshold, self.rate_hz)
        self._kept: deque[tuple[int, tuple[float, ...], float]] = deque(maxlen=round((LONGEST_S + 2) * self.rate_hz))
        self._pushed = 0

    def _missing(self, sample: Sample) -> int:
        """Samples between the last one and this, by the counter; by the clock where there is none, or it began anew."""
        last = self._last
        if last is None:
            return 0
        by_clock = max(0, round((sample.time_s - last.time_s) * self.rate_hz) - 1)
        if sample.counter is not None and last.counter is not None:
            gap = (sample.counter - last.counter - 1) % COUNTERS
            if gap <= by_clock + 10 * self.rate_hz:
                return gap
        return by_clock if by_clock > self.rate_hz else 0  # arrival trembles


class Recorder:
    """One run of recording: opened, calibrated, and then a gesture at a time until there are enough."""

    def __init__(
        self,
        port: str,
        baud: int,
        label: str,
        count: int,
        person: str | None,
        out: Path,
        rate_hz: float = RATE_HZ,
        threshold: float | None = None,
        patience_s: float = 20.0,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        check_label(label)
        if person is not None and (not person.strip() or not person.isprintable() or len(person) > 100):
            raise UserError("--person: must be one line of 1 to 100 printable characters")
        if out.exists() and not out.is_dir():
            raise UserError(f"--out {out}: it is a file; give a folder")
        self.label, self.count, self.out = label, count, out
        self._port, self._baud, self._patience_s, self._notice = port, baud, patience_s, notice
        self._threshold, self._nominal_hz, self._person = threshold, rate_hz, person
        self.session = Session(out, person, None)  # its rate is measured, later
        self.done = self.session.count(label)
        self.stream: Stream | None = None
        self.cutter: Cutter | None = None
        self.discarded = 0

    def run(self, saved: Callable[[Path, Cut], None], breath: Callable[[], None] = lambda: None) -> None:
        """Record until there are enough; `saved` is told each gesture, `breath` is called at every sample."""
        if self.done >= self.count:
            return
        with open_stream(self._port, self._baud, self._notice, self._patience_s) as self.stream:
            self._notice("hold the sensor still for a moment: it is calibrated")
            rate_hz = self._measured(self.stream, breath)
            self.session = Session(self.out, self._person, rate_hz)
            self.cutter = Cutter(self._threshold, rate_hz)
            is_told = False
            began_s = self.stream.now_s
            for sample in self.stream:
                breath()
                cut = self.cutter.push(sample)
                segmenter = self.cutter.segmenter
                if not is_told and segmenter.is_calibrated:
                    is_told = True
                    self._begin(segmenter)
                if not is_told and sample.time_s - began_s > PATIENCE_FOR_REST_S:
                    self._notice(f"the sensor isn't still: hold it still for {CALIBRATION_S:g} s")
                    began_s = sample.time_s
                if self.cutter.dropped > self.discarded:
                    self.discarded = self.cutter.dropped
                    self._notice("a gesture with a gap in it was left out: make it again")
                if cut is not None:
                    path = self.session.save(self.label, cut.times, cut.samples)
                    self.done += 1
                    saved(path, cut)
                    if self.done >= self.count:
                        return

    def _measured(self, stream: Stream, breath: Callable[[], None]) -> float:
        first: Sample | None = None
        reconnects = before = 0
        for sample in stream:
            breath()
            tally = stream.tally
            came = tally.samples + tally.lost + tally.broken
            if first is None or tally.reconnects != reconnects:
                first, before, reconnects = sample, came, tally.reconnects
            took = sample.time_s - first.time_s
            if took >= MEASURING_S:
                rate_hz = (came - before) / took
                if abs(rate_hz / self._nominal_hz - 1) <= NEAR:
                    return self._nominal_hz
                self._notice(f"it sends {rate_hz:.1f} samples a second, not {self._nominal_hz:g}: that is recorded")
                return round(rate_hz, 1)
        raise UserError(f"--port {self._port}: it was closed")

    def _begin(self, segmenter: Segmenter) -> None:
        assert segmenter.threshold is not None
        x, y, z = segmenter.bias
        bias = (round(x, 3), round(y, 3), round(z, 3))
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.session.begin(Take(started, self._port, round(segmenter.threshold, 4), bias))
        told = ", ".join(f"{axis:.1f}" for axis in bias)
        self._notice(
            f"calibrated: a gesture begins at an energy of {segmenter.threshold:.2f} (1 is 1 g or 250 deg/s);"
            f" the gyroscope's bias is {told} deg/s"
        )


def default_folder(person: str | None) -> Path:
    """The session of a person and a day, below `recordings/`."""
    day = datetime.date.today().isoformat()
    name = "".join(char if char.isalnum() or char in "-_" else "-" for char in person or "")
    return Path("recordings") / (f"{name}-{day}" if name else day)
