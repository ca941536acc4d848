"""What a sensor does now: the last seconds of its stream, and the movements in them. Nothing is drawn here."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.gesture.classifier import Classifier
from bench.gesture.motion import RATE_HZ, Samples
from bench.gesture.segment import LONGEST_S, Segment, Segmenter
from bench.gesture.stream import Sample, Stream, Tally

SPAN_S = 10.0  # what is kept to be looked at


@dataclass(frozen=True)
class Gesture:
    """A movement that has ended; `label` and `probability` None without a classifier.

    `start` and `stop` are places as in `Live`. `hold_s` went by from the arrival of the movement's last sample to the
    one that made its end certain, `answer_s` from that to the answer; together they are the latency.
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


class Live:
    """Reads a stream, cuts movements out of it and has them recognised; keeps the last `SPAN_S` seconds.

    A place is a sample's number, the lost ones counted: `places` holds those of `values` and `energies`.
    """

    def __init__(
        self,
        stream: Stream,
        classifier: Classifier | None = None,
        threshold: float | None = None,
        rate_hz: float = RATE_HZ,
        heard: Callable[[Gesture], None] = lambda gesture: None,
    ) -> None:
        self.stream, self.classifier, self.rate_hz = stream, classifier, rate_hz
        self.segmenter = Segmenter(threshold, rate_hz)
        self.gestures: deque[Gesture] = deque(maxlen=100)
        self.count = 0  # of gestures, since the beginning
        self.place = -1  # of the last sample
        self.moving_since: int | None = None
        self._heard = heard
        kept = round(max(SPAN_S, 2 * LONGEST_S) * rate_hz)
        self._samples: deque[Sample] = deque(maxlen=kept)
        self._places: deque[int] = deque(maxlen=kept)
        self._energies: deque[float] = deque(maxlen=kept)
        self._pushed = 0
        self._missing = 0

    @property
    def tally(self) -> Tally:
        return self.stream.tally

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Int64 (n,), rising; a step of more than 1 is where samples were lost."""
        return np.array(self._places, np.int64)

    @property
    def values(self) -> Samples:
        """Float32 (n, 6), in g and deg/s."""
        return np.array([sample.values for sample in self._samples], np.float32).reshape(-1, 6)

    @property
    def energies(self) -> npt.NDArray[np.float64]:
        """Float64 (n,)."""
        return np.array(self._energies)

    @property
    def sample_hz(self) -> float:
        """Samples that came a second, over what is kept."""
        if len(self._samples) < 2:
            return 0.0
        took = self._samples[-1].time_s - self._samples[0].time_s
        return (len(self._samples) - 1) / took if took > 0 else 0.0

    def read(self, until_s: float) -> None:
        """Take what comes until `stream.now_s` is `until_s`, at least all that has come already."""
        while (sample := self.stream.next(max(0.0, until_s - self.stream.now_s))) is not None:
            self.push(sample)
            if self.stream.now_s >= until_s and sample.time_s >= until_s:
                return

    def push(self, sample: Sample) -> Gesture | None:
        """Take one sample; return the gesture that it ends, if it does."""
        gone = self.tally.lost + self.tally.broken - self._missing
        self._missing += gone
        self.place += 1 + max(0, gone)
        self._samples.append(sample)
        self._places.append(self.place)
        found = self.segmenter.push(sample.values)
        self._energies.append(self.segmenter.energy)
        self._pushed += 1
        if not self.segmenter.is_moving:
            self.moving_since = None
        elif self.moving_since is None:
            self.moving_since = self.place
        if found is None:
            return None
        gesture = self._recognised(found, sample)
        self.gestures.append(gesture)
        self.count += 1
        self._heard(gesture)
        return gesture

    def _recognised(self, found: Segment, closing: Sample) -> Gesture:
        first = self._pushed - len(self._samples)
        start, stop = max(0, found.start - first), found.stop - first
        last = self._samples[stop - 1]
        label, probability = None, None
        if self.classifier is not None:
            own = [self._samples[place].values for place in range(start, stop)]
            movement = np.array(own, np.float32)
            movement[:, 3:] -= np.array(self.segmenter.bias, np.float32)  # as in what it was trained on
            label, probability = self.classifier.predict(movement)
        return Gesture(
            start=self._places[start],
            stop=self._places[stop - 1] + 1,
            duration_s=(stop - start) / self.rate_hz,
            peak=max(self._energies[place] for place in range(start, len(self._energies))),
            label=label,
            probability=probability,
            hold_s=closing.time_s - last.time_s,
            answer_s=self.stream.now_s - closing.time_s,
        )
