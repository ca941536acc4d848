"""Movements of any length as windows of one length."""

import numpy as np

from bench.gesture.motion import Samples

LENGTH = 64


def window(samples: Samples, length: int = LENGTH) -> Samples:
    """Resample float (n, 6) samples, n at least 1, to float32 (length, 6), linearly and from end to end."""
    at = np.linspace(0, len(samples) - 1, length)
    steps = np.arange(len(samples))
    return np.stack([np.interp(at, steps, axis) for axis in np.asarray(samples).T], axis=1).astype(np.float32)
