"""Cutting movements out of a stream."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gesture import motions, physics
from bench.gesture.motion import Samples
from bench.gesture.segment import Segment, Segmenter, segments
from tests.conftest import REAL_DATA

REAL = REAL_DATA / "gestures" / "arduino-gesture-ml"
BIAS = (18.7, 2.9, 0.6)  # deg/s, of the real sensor


def recorded(*movements: tuple[int, int], count: int = 1000, seed: int = 0, bias: tuple[float, ...] = BIAS) -> Samples:
    """A sensor at rest that is swung from `start` to `stop`, at 100 Hz."""
    stream = np.random.default_rng(seed)
    samples = np.zeros((count, 6))
    samples[:, 2] = 1
    samples[:, 3:] = bias
    samples += stream.normal(0, 1, samples.shape) * ([0.004] * 3 + [0.2] * 3)
    for start, stop in movements:
        wave = np.sin(np.linspace(0, 2 * np.pi, stop - start))
        samples[start:stop, 0] += 0.7 * wave
        samples[start:stop, 5] += 120 * wave
    return samples.astype(np.float32)


def streamed(samples: Samples, threshold: float | None = None) -> list[Segment]:
    segmenter = Segmenter(threshold)
    found = [segment for values in samples.tolist() if (segment := segmenter.push(values))]
    last = segmenter.finish()
    return [*found, last] if last else found


@pytest.mark.parametrize("cut", [streamed, segments])
def test_movements_are_cut_where_they_are(cut):
    found = cut(recorded((300, 380), (600, 750)))
    assert len(found) == 2
    for segment, (start, stop) in zip(found, [(300, 380), (600, 750)], strict=True):
        assert abs(segment.start - start) <= 12 and 0 <= segment.stop - stop <= 40


def test_rest_holds_no_movement_whatever_the_bias():
    for bias in ((0, 0, 0), BIAS, (-40, 30, -20)):
        assert segments(recorded(bias=bias)) == []


def test_a_given_threshold_stays_and_a_higher_one_finds_less():
    samples = recorded((300, 380))
    segmenter = Segmenter(threshold=0.25)
    for values in samples.tolist():
        segmenter.push(values)
    assert segmenter.threshold == 0.25
    assert len(segments(samples, threshold=0.25)) == 1
    assert segments(samples, threshold=2.0) == []


def test_nothing_is_cut_before_the_sensor_was_still():
    samples = recorded((0, 150), (500, 600))
    segmenter = Segmenter()
    for values in samples[:140].tolist():
        assert segmenter.push(values) is None
    assert not segmenter.is_calibrated and segmenter.threshold is None
    assert [abs(found.start - 500) <= 12 for found in streamed(samples)] == [True]


def test_a_jolt_is_no_gesture():
    assert segments(recorded((300, 306))) == []


def test_movement_at_the_end_is_told_by_finish():
    assert [abs(found.start - 920) <= 12 and found.stop <= 1000 for found in segments(recorded((920, 1000)))] == [True]


def test_a_bias_that_drifts_sets_off_nothing():
    samples = recorded(count=6000)
    samples[:, 3] += np.linspace(0, 60, 6000)
    assert streamed(samples) == []


def test_another_rate_cuts_the_same_seconds():
    samples = np.repeat(recorded((300, 380)), 2, axis=0)
    (found,) = segments(samples, rate_hz=200.0)
    assert abs(found.start - 600) <= 24 and 0 <= found.stop - 760 <= 60


def test_no_samples_and_few_samples():
    assert segments(np.zeros((0, 6), np.float32)) == []
    assert segments(recorded(count=5)) == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), sigma=st.floats(0.01, 2), threshold=st.none() | st.floats(0.01, 3))
def test_segments_are_in_order_apart_and_inside(seed, sigma, threshold):
    samples = np.random.default_rng(seed).normal(0, 1, (1500, 6)).cumsum(0) * ([0.01 * sigma] * 3 + [sigma] * 3)
    found = segments(samples.astype(np.float32), threshold=threshold)
    edges = [edge for segment in found for edge in (segment.start, segment.stop)]
    assert edges == sorted(edges)
    assert all(0 <= segment.start < segment.stop <= 1500 for segment in found)


def test_each_simulated_gesture_is_cut_once():
    stream = np.random.default_rng(0)
    segmenter = Segmenter()
    calm = motions.Piece(physics.rest(350, 0, stream), 100.0, "")
    at, spans, found = 0, [], []
    for piece in (calm, *motions.simulated(physics.LABELS, range(5), stream, count=150)):
        spans += [(at, at + len(piece.samples))] if piece.told else []
        at += len(piece.samples)
        found += [segment for values in piece.samples.tolist() if (segment := segmenter.push(values))]
    assert len(found) == len(spans) == 150
    assert all(start <= cut.start and cut.stop <= stop for cut, (start, stop) in zip(found, spans, strict=True))


def real() -> dict[tuple[str, str, str], Samples]:
    recordings: dict[tuple[str, str, str], list[list[float]]] = {}
    for path in sorted(REAL.glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                values = [float(row[axis]) for axis in ("aX", "aY", "aZ", "gX", "gY", "gZ")]
                recordings.setdefault((path.name, row["gesture_num"], row["gesture"]), []).append(values)
    return {name: np.array(values, np.float32) for name, values in recordings.items()}


@pytest.mark.skipif(not Path(REAL).exists(), reason="the real recordings are not on this machine")
def test_gestures_are_cut_out_of_real_recordings():
    found = {name: segments(samples, rate_hz=95.0) for name, samples in real().items()}
    lengths = [len(segment) for cut in found.values() for segment in cut]
    assert all(cut for name, cut in found.items() if name[2] != "idle")
    assert sum(not cut for name, cut in found.items() if name[2] == "idle") == 4  # in the fifth the sensor is handled
    assert np.quantile(lengths, 0.1) >= 50 and np.quantile(lengths, 0.75) <= 260
