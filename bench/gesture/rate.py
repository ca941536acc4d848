"""How many samples a second a sensor really sends, measured before anything is cut."""

from collections.abc import Callable

from bench.gesture.stream import Sample, Tally

MEASURING_S = 2.0
NEAR = 0.03  # a rate this near the nominal one is that
PAUSE_S, PAUSE_SAMPLES = 0.5, 5  # after this long without a sample measuring begins anew


class RateMeter:
    """Counts the samples of the first two seconds, those that were lost or broken on the way as well."""

    def __init__(self, nominal_hz: float, notice: Callable[[str], None] = lambda text: None) -> None:
        self._nominal_hz, self._notice = nominal_hz, notice
        self._pause_s = max(PAUSE_S, PAUSE_SAMPLES / nominal_hz)
        self._first: Sample | None = None
        self._last: Sample | None = None
        self._before = 0

    def push(self, sample: Sample, tally: Tally) -> float | None:
        """Take a sample; return the rate in Hz once it is known: the nominal one where it is near, else it is told."""
        came = tally.samples + tally.lost + tally.broken
        if self._first is None or self._is_broken_off(sample):
            self._first, self._before = sample, came
        self._last = sample
        took = sample.time_s - self._first.time_s
        if took < MEASURING_S:
            return None
        rate_hz = (came - self._before) / took
        if abs(rate_hz / self._nominal_hz - 1) <= NEAR:
            return self._nominal_hz
        self._notice(
            f"it sends {rate_hz:.1f} samples a second, not {self._nominal_hz:g} (--rate): {rate_hz:.1f} is what counts"
        )
        return round(rate_hz, 1)

    def _is_broken_off(self, sample: Sample) -> bool:
        last = self._last
        if last is None:
            return True
        return sample.connection != last.connection or sample.time_s - last.time_s > self._pause_s
