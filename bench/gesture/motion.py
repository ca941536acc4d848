"""What a six-axis sensor says of a movement."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

AXES = ("ax", "ay", "az", "gx", "gy", "gz")  # accelerometer in g, gyroscope in degrees a second
CHOICES = {"all": slice(0, 6), "accelerometer": slice(0, 3), "gyroscope": slice(3, 6)}  # of AXES
RATE_HZ = 100.0
RANGE_G, RANGE_DPS = 2.0, 250.0  # full scale, where the MPU6050 clips
Samples = npt.NDArray[np.float32]  # (n, 6), in the order of AXES


@dataclass(frozen=True)
class Recording:
    """One movement: `samples` float32 (n, 6) at `rate_hz`; `person` and `session` None where the set doesn't tell.

    `name` is unique in its set. `path` is the file that it is of, None where it is simulated; `bursts` how many
    movements there were in what it was cut out of, None where it came cut.
    """

    name: str
    label: str
    samples: Samples
    rate_hz: float = RATE_HZ
    person: str | None = None
    session: str | None = None
    path: Path | None = None
    bursts: int | None = None
