"""What a sensor does now: the last seconds of its stream, and the movements in them. Nothing is drawn here."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.gesture.classifier import Classifier
from bench.gesture.cutter import Cut, Cutter
from bench.gesture.motion import RATE_HZ, Samples
from bench.gesture.rate import RateMeter
from bench.gesture.segment import Segmenter
from bench.gesture.stream import Sample, Stream, Tally

SPAN_S = 10.0  # what is kept to be looked at


@dataclass(frozen=True)
class Gesture:
    """A movement that has ended; `label` and `probability` None without a classifier.

    `start` and `stop` are places as in `Live`, of all of it, however much of it was looked at. `hold_s` went by from
    the arrival of the movement's last sample to the one that made its end certain, `answer_s` from that to the answer;
    together they are the latency.
    """

    start: int
    stop: int
    duration_s: float
    peak: float
    label: str | None
    probability: float | None
    hold_s: float
    answer_s: float

    @property
    def latency_s(self) -> float:
        return self.hold_s + self.answer_s

    @property
    def told(self) -> str:
        """What it is, in a few words."""
        if self.label is None or self.probability is None:
            return f"{self.duration_s:.1f} s"
        return f"{self.label} {100 * self.probability:.0f} %"


class _Seen(NamedTuple):
    place: int
    time_s: float
    values: tuple[float, ...]
    energy: float


class Live:
    """Reads a stream, cuts movements out of it and has them recognised; keeps the last `SPAN_S` seconds.

    Nothing is cut until the rate has been measured, which takes two seconds. A place is a sample's number, the missing
    ones counted: `places` holds those of `values` and `energies`.
    """

    def __init__(
        self,
        stream: Stream,
        classifier: Classifier | None = None,
        threshold: float | None = None,
        rate_hz: float = RATE_HZ,
        heard: Callable[[Gesture], None] = lambda gesture: None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.stream, self.classifier = stream, classifier
        self.cutter = Cutter(threshold, rate_hz, notice)
        self.gestures: deque[Gesture] = deque(maxlen=100)
        self.count = 0  # of gestures, since the beginning
        self.moving_since: int | None = None
        self._heard = heard
        self._meter: RateMeter | None = RateMeter(rate_hz, notice)  # None once it has measured
        self._seen: deque[_Seen] = deque(maxlen=round(SPAN_S * rate_hz))

    @property
    def tally(self) -> Tally:
        return self.stream.tally

    @property
    def counted(self) -> str:
        """How many movements there were, in words."""
        return f"{self.count} movement{'' if self.count == 1 else 's'}"

    @property
    def segmenter(self) -> Segmenter:
        """The one of now: after a gap there is another."""
        return self.cutter.segmenter

    @property
    def rate_hz(self) -> float:
        """What the sensor sends: the nominal rate until it is measured."""
        return self.cutter.rate_hz

    @property
    def place(self) -> int:
        """Of the last sample; -1 before the first."""
        return self.cutter.place

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Int64 (n,), rising; a step of more than 1 is where samples were lost."""
        return np.array([one.place for one in self._seen], np.int64)

    @property
    def values(self) -> Samples:
        """Float32 (n, 6), in g and deg/s."""
        return np.array([one.values for one in self._seen], np.float32).reshape(-1, 6)

    @property
    def energies(self) -> npt.NDArray[np.float64]:
        """Float64 (n,)."""
        return np.array([one.energy for one in self._seen], np.float64)

    @property
    def sample_hz(self) -> float:
        """Samples that came a second, over what is kept."""
        if len(self._seen) < 2:
            return 0.0
        took = self._seen[-1].time_s - self._seen[0].time_s
        return (len(self._seen) - 1) / took if took > 0 else 0.0

    def read(self, until_s: float) -> None:
        """Take what comes until `stream.now_s` is `until_s`, at least all that has come already."""
        while (sample := self.stream.next(max(0.0, until_s - self.stream.now_s))) is not None:
            self.push(sample)
            if self.stream.now_s >= until_s and sample.time_s >= until_s:
                return

    def push(self, sample: Sample) -> Gesture | None:
        """Take one sample; return the gesture that it ends, if it does."""
        cut: Cut | None = None
        if self._meter is None:
            cut = self.cutter.push(sample)
        else:
            self._measure(self._meter, sample)
        self._seen.append(_Seen(self.place, sample.time_s, sample.values, self.segmenter.energy))
        if not self.segmenter.is_moving:
            self.moving_since = None
        elif self.moving_since is None:
            self.moving_since = self.place
        if cut is None:
            return None
        gesture = self._recognised(cut, sample)
        self.gestures.append(gesture)
        self.count += 1
        self._heard(gesture)
        return gesture

    def _measure(self, meter: RateMeter, sample: Sample) -> None:
        self.cutter.follow(sample)
        rate_hz = meter.push(sample, self.tally)
        if rate_hz is not None:
            self._meter = None
            self.cutter.retime(rate_hz)
            self._seen = deque(self._seen, maxlen=round(SPAN_S * rate_hz))

    def _recognised(self, cut: Cut, closing: Sample) -> Gesture:
        label, probability = None, None
        if self.classifier is not None:
            label, probability = self.classifier.predict(cut.samples)
        return Gesture(
            start=cut.start,
            stop=cut.stop,
            duration_s=(cut.stop - cut.start) / self.rate_hz,
            peak=cut.energy,
            label=label,
            probability=probability,
            hold_s=closing.time_s - cut.ended_s,
            answer_s=self.stream.now_s - closing.time_s,
        )
