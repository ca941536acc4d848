"""One movement out of a recording that is mostly rest."""

import numpy as np
import numpy.typing as npt

from bench.gesture.motion import Samples
from bench.gesture.segment import Segment, Segmenter, quietest, segments

LONGEST = 240  # samples that are kept: what people call one gesture; longer bursts are several, and holding


def movement(samples: Samples, rate_hz: float) -> Samples | None:
    """Return the burst of float (n, 6) samples that holds the largest energy, less the gyroscope's bias at rest.

    Float32 (m, 6), m at most 240: of a longer burst, those around its peak. None where nothing moves.
    """
    found = segments(samples, rate_hz)
    if not found:
        return None
    still = quietest(samples, rate_hz)
    energies = _energies(samples, still, rate_hz)
    best = max(found, key=lambda own: float(energies[own.start : own.stop].max()))
    cut = _around(best, int(best.start + energies[best.start : best.stop].argmax()))
    moved = samples[cut.start : cut.stop].astype(np.float32)
    moved[:, 3:] -= np.median(still[:, 3:], axis=0)
    return moved


def _energies(samples: Samples, still: Samples, rate_hz: float) -> npt.NDArray[np.float64]:
    segmenter = Segmenter(rate_hz=rate_hz)
    segmenter.calibrate(still)
    found = np.zeros(len(samples))
    for number, values in enumerate(samples.tolist()):
        segmenter.push(values)
        found[number] = segmenter.energy
    return found


def _around(burst: Segment, peak: int) -> Segment:
    if len(burst) <= LONGEST:
        return burst
    start = min(max(burst.start, peak - LONGEST // 2), burst.stop - LONGEST)
    return Segment(start, start + LONGEST)
