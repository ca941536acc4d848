"""One movement out of a recording that is mostly rest."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.gesture.motion import Samples
from bench.gesture.segment import Segmenter, quietest, segments

LONGEST, LONGEST_S = 240, 2.4  # what is kept of one gesture; longer bursts are several, and holding


@dataclass(frozen=True)
class Movement:
    """Float32 (n, 6) less the gyroscope's bias at rest; the largest of the `bursts` in its recording."""

    samples: Samples
    bursts: int


def movement(samples: Samples, rate_hz: float) -> Movement | None:
    """Return the burst of float (n, 6) samples that holds the largest energy, or, of a long one, what `kept` leaves.

    None where nothing moves.
    """
    found = segments(samples, rate_hz)
    if not found:
        return None
    still = quietest(samples, rate_hz)
    energies = _energies(samples, still, rate_hz)
    best = max(found, key=lambda own: float(energies[own.start : own.stop].max()))
    burst = slice(best.start, best.stop)
    moved = samples[burst][kept(energies[burst], rate_hz)].astype(np.float32)
    moved[:, 3:] -= np.median(still[:, 3:], axis=0)
    return Movement(moved, len(found))


def kept(energies: npt.NDArray[np.float64], rate_hz: float) -> slice:
    """The part of a burst that counts, given the energies (n,) of its samples: of a long one, what is around its peak.

    Long is what has more than 240 samples, or lasts more than 2.4 s where a sensor sends over 100 a second.
    """
    longest = max(LONGEST, round(LONGEST_S * rate_hz))
    start = min(max(0, int(energies.argmax()) - longest // 2), max(0, len(energies) - longest))
    return slice(start, start + longest)


def _energies(samples: Samples, still: Samples, rate_hz: float) -> npt.NDArray[np.float64]:
    segmenter = Segmenter(rate_hz=rate_hz)
    segmenter.calibrate(still)
    found = np.zeros(len(samples))
    for number, values in enumerate(samples.tolist()):
        segmenter.push(values)
        found[number] = segmenter.energy
    return found
