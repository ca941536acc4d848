"""Where a movement begins and ends in a stream of samples, by its energy."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.gesture.motion import RATE_HZ, Samples

SMOOTHING_S = 0.15  # the window whose root mean square is the energy
CALIBRATION_S = 1.0  # how long the sensor must be still before anything is cut
FOLLOWING_S, FOLLOWING_MOVING_S = 0.5, 1.0  # how fast gravity follows the accelerometer at rest, and in movement
HOLD_S = 0.3  # a movement has ended when it has been this quiet for this long
SHORTEST_S, LONGEST_S = 0.3, 4.0
STILL_DPS, STILL_G = 12.0, 0.06  # spread of a sensor that lies, or is held without moving: a hand trembles
FULL_DPS, FULL_G = 250.0, 1.0  # a movement of this much has an energy of 1
FLOOR = 0.16  # a trembling hand stays below, the slowest swipe goes over
NOISE_FACTOR = 4.0
RELEASE = 0.5  # of the threshold: below this a movement ends


@dataclass(frozen=True)
class Segment:
    """Samples `start` to `stop`, which is exclusive; counted from the first that was pushed."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Segmenter:
    """Cuts movements out of a stream, a sample at a time.

    The energy is the root mean square, over `SMOOTHING_S`, of the rotation beyond the gyroscope's bias (in 250 deg/s)
    and of the acceleration beyond gravity (in g). Bias and, unless it is given, threshold come from the first second
    at rest; the bias goes on following whenever the sensor is at rest again.
    """

    def __init__(self, threshold: float | None = None, rate_hz: float = RATE_HZ) -> None:
        self.threshold = threshold  # None until calibrated
        self.energy = 0.0
        self.is_moving = False
        self.is_calibrated = False
        self.bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._step_s = 1 / rate_hz
        self._count = 0
        self._recent: deque[tuple[float, ...]] = deque(maxlen=_samples(CALIBRATION_S, rate_hz))
        self._powers: deque[float] = deque(maxlen=_samples(SMOOTHING_S, rate_hz))
        self._hold = _samples(HOLD_S, rate_hz)
        self._shortest, self._longest = _samples(SHORTEST_S, rate_hz), _samples(LONGEST_S, rate_hz)
        self._gravity = (0.0, 0.0, 0.0)
        self._rise = 0  # since when the energy has been above the release
        self._quiet = 0  # samples in a row below the release
        self._since_check = 0

    def push(self, values: Sequence[float]) -> Segment | None:
        """Take one sample, six numbers in g and deg/s, and return the movement that it ends, if it does."""
        number = self._count
        self._count += 1
        self._recent.append(tuple(values))
        self._since_check += 1
        if not self.is_calibrated:
            self._rise = number + 1
            if len(self._recent) == self._recent.maxlen and self._since_check >= 10:
                self._since_check = 0
                still = np.array(self._recent)
                if is_still(still):
                    self.calibrate(still)
            return None
        self._measure(values)
        return self._decide(number)

    def calibrate(self, still: Samples) -> None:
        """Learn the bias, gravity and, unless it was given, the threshold from float (n, 6) samples at rest."""
        centre = still.mean(0)
        self.bias = (float(centre[3]), float(centre[4]), float(centre[5]))
        self._gravity = (float(centre[0]), float(centre[1]), float(centre[2]))
        if self.threshold is None:
            power = ((still[:, :3] - centre[:3]) / FULL_G) ** 2
            power += ((still[:, 3:] - centre[3:]) / FULL_DPS) ** 2
            self.threshold = max(FLOOR, NOISE_FACTOR * math.sqrt(float(power.sum(1).mean())))
        self.is_calibrated = True

    def finish(self) -> Segment | None:
        """The movement that the stream's end cut off, if there was one."""
        return self._end(self._count - self._quiet) if self.is_moving else None

    def _measure(self, values: Sequence[float]) -> None:
        ax, ay, az, gx, gy, gz = values
        wx, wy, wz = gx - self.bias[0], gy - self.bias[1], gz - self.bias[2]
        x, y, z = self._gravity
        turn = math.radians(self._step_s)
        # Gravity stands still in the world, so that it turns against the sensor.
        x, y, z = x - (wy * z - wz * y) * turn, y - (wz * x - wx * z) * turn, z - (wx * y - wy * x) * turn
        dx, dy, dz = ax - x, ay - y, az - z
        follow = min(1.0, self._step_s / (FOLLOWING_MOVING_S if self.is_moving else FOLLOWING_S))
        self._gravity = (x + dx * follow, y + dy * follow, z + dz * follow)
        power = (wx * wx + wy * wy + wz * wz) / FULL_DPS**2 + (dx * dx + dy * dy + dz * dz) / FULL_G**2
        self._powers.append(power)
        self.energy = math.sqrt(sum(self._powers) / len(self._powers))

    def _decide(self, number: int) -> Segment | None:
        assert self.threshold is not None
        if self.energy < RELEASE * self.threshold:
            self._quiet += 1
            if not self.is_moving:
                self._rise = number + 1
                self._relearn()
            elif self._quiet >= self._hold:
                return self._end(number + 1 - self._quiet)
            return None
        self._quiet = 0
        if self.energy >= self.threshold:
            self.is_moving = True
        if self.is_moving and number - self._rise >= self._longest:
            return self._end(number + 1)
        if not self.is_moving:
            self._relearn()
        return None

    def _end(self, stop: int) -> Segment | None:
        # The energy looks back: what made it rise came before it rose, and it falls later than the movement.
        lag = (self._powers.maxlen or 1) // 2
        segment = Segment(max(0, self._rise - lag), max(0, stop - lag))
        self.is_moving = False
        self._rise, self._quiet = self._count, 0
        self._relearn()
        return segment if len(segment) >= self._shortest else None

    def _relearn(self) -> None:
        """Follow a bias that drifts with temperature, but only while the sensor is at rest."""
        if self._since_check < 25 or len(self._recent) < (self._recent.maxlen or 0):
            return
        self._since_check = 0
        still = np.array(self._recent)
        if is_still(still):
            centre = still.mean(0)
            self.bias = (float(centre[3]), float(centre[4]), float(centre[5]))


def is_still(samples: Samples) -> bool:
    """Whether float (n, 6) samples are of a sensor that lies, or is held without moving it."""
    spread = samples.std(0)
    return bool(np.linalg.norm(spread[3:]) < STILL_DPS and np.linalg.norm(spread[:3]) < STILL_G)


def segments(samples: Samples, rate_hz: float = RATE_HZ, threshold: float | None = None) -> list[Segment]:
    """The movements in float (n, 6) samples at `rate_hz`, in order; calibrated on the quietest second among them."""
    if len(samples) == 0:
        return []
    segmenter = Segmenter(threshold, rate_hz)
    segmenter.calibrate(quietest(samples, rate_hz))
    found = [segment for values in samples.tolist() if (segment := segmenter.push(values)) is not None]
    last = segmenter.finish()
    return [*found, last] if last is not None else found


def quietest(samples: Samples, rate_hz: float = RATE_HZ) -> Samples:
    """Return the second of float (n, 6) samples in which they vary least; all of fewer."""
    length = _samples(CALIBRATION_S, rate_hz)
    steps = range(0, max(1, len(samples) - length + 1), max(1, length // 4))
    scale = np.array([FULL_G] * 3 + [FULL_DPS] * 3)
    return min((samples[at : at + length] for at in steps), key=lambda part: float((part / scale).var(0).sum()))


def _samples(seconds: float, rate_hz: float) -> int:
    return max(1, round(seconds * rate_hz))
