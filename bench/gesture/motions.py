"""What a virtual sensor feels: rest and gestures, piece by piece, without end or as many as are wanted."""

from collections.abc import Iterator, Sequence
from itertools import count as counting
from typing import NamedTuple

import numpy as np

from bench.gesture import physics
from bench.gesture.motion import RATE_HZ, Recording, Samples

PAUSE_S = (0.6, 1.4)  # between gestures, besides their own rest
CALM_S = 3.5  # for a reader that has just come: it calibrates
TURN = 10  # gestures until the next person has the sensor
HANDING_OVER_S = 4.0
BETWEEN_S = 1.5  # two recordings


class Piece(NamedTuple):
    """Samples float32 (n, 6) at `rate_hz`; `told` says what movement they are, empty for rest."""

    samples: Samples
    rate_hz: float
    told: str


def simulated(
    labels: Sequence[str],
    people: Sequence[int],
    rng: np.random.Generator,
    rate_hz: float = RATE_HZ,
    count: int | None = None,
) -> Iterator[Piece]:
    """Gestures with the labels in turn, by people who hand the sensor on after `TURN` gestures; then nothing."""
    person = people[0]
    for number in counting() if count is None else range(count):
        if number and number % TURN == 0 and len(people) > 1:
            after = people[number // TURN % len(people)]
            yield Piece(_handed_over(person, after, rng, rate_hz), rate_hz, "")
            person = after
        label = labels[number % len(labels)]
        yield Piece(physics.gesture(label, person, rng, rate_hz), rate_hz, f"{number + 1}: {label} by person {person}")
        pause = round(rng.uniform(*PAUSE_S) * rate_hz)
        yield Piece(physics.rest(pause, person, rng, rate_hz), rate_hz, "")


def replayed(recordings: Sequence[Recording], rate_hz: float | None = None) -> Iterator[Piece]:
    """Recordings one after another, each at its own rate unless one is given; between them it is held still."""
    last: Samples | None = None
    for recording in recordings:
        rate = rate_hz or recording.rate_hz
        if last is not None:
            yield Piece(_drifting(last, recording.samples[:1], round(BETWEEN_S * rate)), rate, "")
        yield Piece(recording.samples, rate, f"{recording.name}: {recording.label}")
        last = recording.samples[-1:]


def held(values: Samples, count: int, rng: np.random.Generator) -> Samples:
    """`count` samples of a sensor held as in `values` (1, 6), with a little noise: float32 (count, 6)."""
    noise = rng.normal(0, 1, (count, 6)) * np.repeat((0.004, 0.1), 3)
    return (values + noise).astype(np.float32)


def _drifting(start: Samples, stop: Samples, count: int) -> Samples:
    share = np.linspace(0, 1, count)[:, None]
    return (start * (1 - share) + stop * share).astype(np.float32)


def _handed_over(before: int, after: int, rng: np.random.Generator, rate_hz: float) -> Samples:
    count = round(HANDING_OVER_S * rate_hz)
    share = np.linspace(0, 1, count)[:, None]
    from_hand, to_hand = (physics.rest(count, person, rng, rate_hz) for person in (before, after))
    return (from_hand * (1 - share) + to_hand * share).astype(np.float32)
