"""A hand that holds an MPU6050 and waves it from left to right or back: what the sensor would say.

The world is x to the right, y forward and z up. A stroke is a few minimum-jerk movements along x (a wind-up, the
stroke itself, perhaps with a halt in it, a correction), with an arc forward and up; the hand turns with it about the
vertical and rolls about the forearm. The accelerometer feels acceleration and gravity in its own axes, the gyroscope
the rate of turn, each with its bias, drift, noise and steps, clipped at full scale.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bench.errors import UserError
from bench.gesture.motion import RANGE_DPS, RANGE_G, RATE_HZ, Samples

LABELS = ("LtoR", "RtoL")
GRAVITY = 9.81
STEP_G, STEP_DPS = 1 / 16384, 1 / 131  # of the MPU6050 at its full scales
NOISE_G, NOISE_DPS = 0.004, 0.06
DRIFT_G, DRIFT_DPS = 0.0005, 0.02  # a random walk's growth in a square root of a second
REST_S = (0.5, 0.8)  # before a movement and after it

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Person:
    """How somebody moves, and how the sensor sits in the hand; angles in degrees, times in seconds, lengths in m."""

    mount: Rotation  # from the sensor's axes to the hand's
    heading: float  # where the hand points at rest, clockwise from forward
    is_left_handed: bool
    stroke_s: float
    reach: float
    turn: float  # of the hand about the vertical, over a whole stroke
    roll: float
    arc_up: float
    arc_forward: float
    wind_up: float  # shares of the reach
    overshoot: float
    carelessness: float  # how much one movement differs from another
    halts: float  # probabilities
    comes_back: float
    turned_round: float
    tremor: float  # g, while moving
    bias: Floats  # (6,) of the sensor in this hand, g and degrees a second


def someone(number: int) -> Person:
    """Return how the person of this number moves, always the same. Raises UserError for a negative number."""
    if number < 0:
        raise UserError(f"person {number}: persons are counted from 0")
    rng = np.random.default_rng((6050, number))
    tilt = rng.normal(0, (14, 14, 18))  # roll, pitch, and turned in the hand
    return Person(
        mount=Rotation.from_euler("xyz", tilt, degrees=True),
        heading=float(rng.normal(0, 22)),
        is_left_handed=bool(rng.random() < 0.25),
        stroke_s=float(rng.uniform(0.38, 0.75)),
        reach=float(rng.uniform(0.22, 0.5)),
        turn=float(rng.uniform(5, 55)),
        roll=float(rng.uniform(-12, 35)),
        arc_up=float(rng.normal(0, 0.05)),
        arc_forward=float(rng.uniform(0.02, 0.12)),
        wind_up=float(rng.uniform(0.05, 0.35)),
        overshoot=float(rng.uniform(0.0, 0.25)),
        carelessness=float(rng.uniform(0.6, 1.4)),
        halts=float(rng.uniform(0.03, 0.2)),
        comes_back=float(rng.uniform(0.0, 0.25)),
        turned_round=float(rng.uniform(0.0, 0.04)),
        tremor=float(rng.uniform(0.01, 0.035)),
        bias=np.concatenate([rng.normal(0, 0.03, 3), rng.normal(0, 4.0, 3)]),
    )


def gesture(label: str, person: int, rng: np.random.Generator, rate_hz: float = RATE_HZ) -> Samples:
    """Return one movement, float32 (n, 6), with 0.5 to 0.8 s of rest before and after; the same for the same `rng`.

    Raises UserError for a label other than LtoR and RtoL, and for a negative person.
    """
    if label not in LABELS:
        raise UserError(f"label {label!r}: only {' and '.join(LABELS)} can be simulated")
    who = someone(person)
    before, after = rng.uniform(*REST_S, 2)
    stroke = _stroke(who, 1.0 if label == "LtoR" else -1.0, rng)
    end = before + max(part.end for part in stroke)
    times = np.arange(round((end + after) * rate_hz)) / rate_hz
    moving = times - before

    swing = sum((part.displacement(moving) for part in stroke), np.zeros_like(times))  # 1: a whole stroke to the right
    lag = rng.normal(0.02, 0.03)
    turning = sum((part.displacement(moving - lag) for part in stroke), np.zeros_like(times))
    bump = _bump(moving / (end - before))

    loose = who.carelessness
    reach = who.reach * rng.lognormal(0, 0.15 * loose)
    turn = who.turn + rng.normal(0, 14 * loose)
    roll = (who.roll + rng.normal(0, 10 * loose)) * (-1 if who.is_left_handed else 1)
    up = who.arc_up + rng.normal(0, 0.03 * loose)
    forward = who.arc_forward + rng.normal(0, 0.03 * loose)
    slant = np.radians(rng.normal(0, 10 * loose))  # nobody moves exactly to the right
    path = np.stack([reach * swing * np.cos(slant), forward * bump, reach * swing * np.sin(slant) + up * bump], axis=1)
    acceleration = np.gradient(np.gradient(path, axis=0), axis=0) * rate_hz**2

    heading = who.heading + rng.normal(0, 12 * loose) + (180 if rng.random() < who.turned_round else 0)
    angles = np.stack(  # of the hand: about the vertical, the forearm and across it
        [-heading - turn * turning, roll * swing * bump + rng.normal(0, 7 * loose) * bump, rng.normal(0, 7) * bump],
        axis=1,
    )
    return _sensed(who, acceleration, angles, bump, rng, rate_hz)


def rest(count: int, person: int, rng: np.random.Generator, rate_hz: float = RATE_HZ) -> Samples:
    """Return `count` samples of the hand held still, float32 (count, 6), as they are before and after a gesture."""
    who = someone(person)
    still = np.zeros(count)
    angles = np.stack([still - who.heading, still, still], axis=1)
    return _sensed(who, np.zeros((count, 3)), angles, still, rng, rate_hz)


@dataclass(frozen=True)
class _Part:
    """A minimum-jerk movement; `way` is its share of a stroke, negative to the left."""

    start: float
    duration: float
    way: float

    @property
    def end(self) -> float:
        return self.start + self.duration

    def displacement(self, times: Floats) -> Floats:
        done = np.clip((times - self.start) / self.duration, 0, 1)
        return self.way * done**3 * (10 - 15 * done + 6 * done**2)


def _stroke(who: Person, side: float, rng: np.random.Generator) -> list[_Part]:
    loose = who.carelessness
    duration = who.stroke_s * rng.lognormal(0, 0.18 * loose)
    parts, start = [], 0.0
    wind_up = who.wind_up + rng.normal(0, 0.12 * loose)
    if wind_up > 0.05:
        lasts = duration * rng.uniform(0.5, 0.9)
        parts.append(_Part(start, lasts, -side * wind_up))
        start += lasts * rng.uniform(0.7, 1.0)
    whole = 1 + max(wind_up, 0.0)
    if rng.random() < who.halts:
        first, pause = rng.uniform(0.25, 0.7), rng.uniform(-0.05, 0.15)
        parts.append(_Part(start, 0.65 * duration, side * whole * first))
        parts.append(_Part(start + 0.65 * duration + pause, 0.65 * duration, side * whole * (1 - first)))
    else:
        parts.append(_Part(start, duration, side * whole))
    overshoot = who.overshoot + rng.normal(0, 0.08 * loose)
    if overshoot > 0.05:
        parts.append(_Part(parts[-1].end - 0.1 * duration, 0.7 * duration, -side * overshoot))
    if rng.random() < who.comes_back:
        parts.append(_Part(parts[-1].end, duration * rng.uniform(1.1, 1.8), -side * rng.uniform(0.4, 0.9)))
    return parts


def _bump(part: Floats) -> Floats:
    """Rise from 0 to 1 and return, over `part` from 0 to 1, smoothly enough to be moved along."""
    inside = np.clip(part, 0, 1)
    return (4 * inside * (1 - inside)) ** 3


def _sensed(
    who: Person, acceleration: Floats, angles: Floats, moving: Floats, rng: np.random.Generator, rate_hz: float
) -> Samples:
    count = len(acceleration)
    if not count:
        return np.zeros((0, 6), np.float32)
    orientation = Rotation.from_euler("ZYX", angles, degrees=True) * who.mount
    felt = orientation.inv().apply(acceleration / GRAVITY + (0, 0, 1))
    turns = np.zeros((count, 3))
    turns[1:] = np.degrees((orientation[:-1].inv() * orientation[1:]).as_rotvec()) * rate_hz
    tremor = _tremor(count, rng, rate_hz) * (0.15 + moving)[:, None] * who.tremor
    clean = np.concatenate([felt, turns], axis=1) + tremor * np.repeat((1.0, 60.0), 3)  # a shaking hand turns, too
    drift = rng.normal(0, 1, (count, 6)).cumsum(axis=0) / np.sqrt(rate_hz) * np.repeat((DRIFT_G, DRIFT_DPS), 3)
    noise = rng.normal(0, 1, (count, 6)) * np.repeat((NOISE_G, NOISE_DPS), 3)
    steps, full = np.repeat((STEP_G, STEP_DPS), 3), np.repeat((RANGE_G, RANGE_DPS), 3)
    said = np.round((clean + who.bias + drift + noise) / steps) * steps
    return np.clip(said, -full, full).astype(np.float32)


def _tremor(count: int, rng: np.random.Generator, rate_hz: float) -> Floats:
    """Return (count, 6) shaking of about unit size, at the 4 to 9 Hz of a hand."""
    times = np.arange(count)[:, None, None] / rate_hz
    hertz, phase = rng.uniform(4, 9, (6, 3)), rng.uniform(0, 2 * np.pi, (6, 3))
    return np.sin(2 * np.pi * hertz * times + phase).sum(axis=2) / 1.5
