"""Gestures, with their samples, out of a stream of which lines may be missing: what is recorded, and what is shown."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bench.gesture.cutting import kept
from bench.gesture.motion import Samples
from bench.gesture.segment import LONGEST_S, Segment, Segmenter
from bench.gesture.stream import Sample
from bench.gesture.wire import COUNTERS

GAP_S = 0.1  # a gesture in which more than this is missing is none
LONGEST_OUTAGE_S = 10.0  # a counter that runs further ahead than this of the clock belongs to a device that began anew


@dataclass(frozen=True)
class Cut:
    """A gesture: `times` in s from its onset, `samples` float32 (n, 6) less the gyroscope's bias, greatest `energy`.

    Of a long one `times` and `samples` are what is around its peak (see `cutting.kept`); `start` and `stop`, exclusive,
    are the places of all of it, and `ended_s` says when the last of it came.
    """

    times: list[float]
    samples: Samples
    energy: float
    start: int
    stop: int
    ended_s: float


class _Kept(NamedTuple):
    place: int
    time_s: float
    values: tuple[float, ...]
    energy: float


class Cutter:
    """Cuts gestures out of a stream; after a gap, or another connection, it begins anew, with calibrating.

    `place` is the number of the last sample, those that are missing counted.
    """

    def __init__(
        self, threshold: float | None, rate_hz: float, notice: Callable[[str], None] = lambda text: None
    ) -> None:
        self.rate_hz = rate_hz
        self.place = -1
        self.dropped = 0  # gestures with a gap in them
        self._notice = notice
        self._last: Sample | None = None
        self._begin(threshold)

    def push(self, sample: Sample) -> Cut | None:
        """Take a sample; return the gesture that it ends, if it does."""
        if self.follow(sample):
            self._tell()
            self._begin(self.segmenter.threshold)
        found = self.segmenter.push(sample.values)
        self._kept.append(_Kept(self.place, sample.time_s, sample.values, self.segmenter.energy))
        self._pushed += 1
        return None if found is None else self._cut(found)

    def follow(self, sample: Sample) -> bool:
        """Number a sample, without cutting; return whether what is before it and what comes now are two streams."""
        missing = self._missing(sample)
        is_new = self._last is not None and sample.connection != self._last.connection
        self._last = sample
        self.place += 1 + missing
        return is_new or missing > GAP_S * self.rate_hz

    def retime(self, rate_hz: float) -> None:
        """Begin anew, at another rate."""
        self.rate_hz = rate_hz
        self._begin(self.segmenter.threshold)

    def _begin(self, threshold: float | None) -> None:
        self.segmenter = Segmenter(threshold, self.rate_hz)
        self._kept: deque[_Kept] = deque(maxlen=round((LONGEST_S + 2) * self.rate_hz))
        self._pushed = 0

    def _tell(self) -> None:
        """What the gap that has just come means."""
        left_out = "a gesture with a gap in it was left out; " if self.segmenter.is_moving else ""
        self.dropped += self.segmenter.is_moving
        if self.segmenter.is_calibrated:
            self._notice(f"{left_out}hold the sensor still for a moment: it is calibrated anew")

    def _cut(self, found: Segment) -> Cut:
        first = self._pushed - len(self._kept)
        burst = list(self._kept)[max(0, found.start - first) : found.stop - first]
        energies = np.array([one.energy for one in burst])
        own = burst[kept(energies, self.rate_hz)]
        times = [(one.place - own[0].place) / self.rate_hz for one in own]
        samples = np.array([one.values for one in own], np.float32)
        samples[:, 3:] -= np.array(self.segmenter.bias, np.float32)
        return Cut(times, samples, float(energies.max()), burst[0].place, burst[-1].place + 1, burst[-1].time_s)

    def _missing(self, sample: Sample) -> int:
        """Samples between the last one and this, by the counter; by the clock where there is none, or it began anew."""
        last = self._last
        if last is None:
            return 0
        by_clock = max(0, round((sample.time_s - last.time_s) * self.rate_hz) - 1)
        if sample.connection != last.connection:
            return by_clock
        if sample.counter is not None and last.counter is not None:
            gap = (sample.counter - last.counter - 1) % COUNTERS
            return gap if gap <= by_clock + LONGEST_OUTAGE_S * self.rate_hz else by_clock
        return by_clock if by_clock > self.rate_hz else 0  # arrival trembles
