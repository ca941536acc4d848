"""`bench gesture record`: gestures are cut out of a stream and kept, one by one, as they end."""

import datetime
from collections.abc import Callable
from pathlib import Path

from bench.errors import UserError
from bench.gesture.cutter import Cut, Cutter
from bench.gesture.motion import RATE_HZ
from bench.gesture.rate import RateMeter
from bench.gesture.recording import Session, Take, check_label
from bench.gesture.segment import CALIBRATION_S, Segmenter
from bench.gesture.stream import Stream, open_stream

PATIENCE_FOR_REST_S = 10.0  # after this long it is said that the sensor isn't still


class Recorder:
    """One run of recording: opened, calibrated, and then a gesture at a time until there are enough."""

    def __init__(
        self,
        port: str,
        baud: int,
        label: str,
        count: int,
        person: str | None,
        out: Path,
        rate_hz: float = RATE_HZ,
        threshold: float | None = None,
        patience_s: float = 20.0,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        check_label(label)
        if person is not None and (not person.strip() or not person.isprintable() or len(person) > 100):
            raise UserError("--person: must be one line of 1 to 100 printable characters")
        if out.exists() and not out.is_dir():
            raise UserError(f"--out {out}: it is a file; give a folder")
        self.label, self.count, self.out = label, count, out
        self._port, self._baud, self._patience_s, self._notice = port, baud, patience_s, notice
        self._threshold, self._nominal_hz, self._person = threshold, rate_hz, person
        self.session = Session(out, person, None)  # its rate is measured, later
        self.done = self.session.count(label)
        self.stream: Stream | None = None
        self.cutter: Cutter | None = None

    def run(self, saved: Callable[[Path, Cut], None], breath: Callable[[], None] = lambda: None) -> None:
        """Record until there are enough; `saved` is told each gesture, `breath` is called at every sample."""
        if self.done >= self.count:
            return
        with open_stream(self._port, self._baud, self._notice, self._patience_s) as self.stream:
            self._notice("hold the sensor still for a moment: it is calibrated")
            rate_hz = self._measured(self.stream, breath)
            self.session = Session(self.out, self._person, rate_hz)
            self.cutter = Cutter(self._threshold, rate_hz, self._notice)
            is_told = False
            began_s = self.stream.now_s
            for sample in self.stream:
                breath()
                cut = self.cutter.push(sample)
                segmenter = self.cutter.segmenter
                if not is_told and segmenter.is_calibrated:
                    is_told = True
                    self._begin(segmenter)
                if not is_told and sample.time_s - began_s > PATIENCE_FOR_REST_S:
                    self._notice(f"the sensor isn't still: hold it still for {CALIBRATION_S:g} s")
                    began_s = sample.time_s
                if cut is not None:
                    path = self.session.save(self.label, cut.times, cut.samples)
                    self.done += 1
                    saved(path, cut)
                    if self.done >= self.count:
                        return

    def _measured(self, stream: Stream, breath: Callable[[], None]) -> float:
        meter = RateMeter(self._nominal_hz, self._notice)
        for sample in stream:
            breath()
            rate_hz = meter.push(sample, stream.tally)
            if rate_hz is not None:
                return rate_hz
        raise UserError(f"--port {self._port}: it was closed")

    def _begin(self, segmenter: Segmenter) -> None:
        assert segmenter.threshold is not None
        x, y, z = segmenter.bias
        bias = (round(x, 3), round(y, 3), round(z, 3))
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.session.begin(Take(started, self._port, round(segmenter.threshold, 4), bias))
        told = ", ".join(f"{axis:.1f}" for axis in bias)
        self._notice(
            f"calibrated: a gesture begins at an energy of {segmenter.threshold:.2f} (1 is 1 g or 250 deg/s);"
            f" the gyroscope's bias is {told} deg/s"
        )


def default_folder(person: str | None) -> Path:
    """The session of a person and a day, below `recordings/`."""
    day = datetime.date.today().isoformat()
    name = "".join(char if char.isalnum() or char in "-_" else "-" for char in person or "")
    return Path("recordings") / (f"{name}-{day}" if name else day)
