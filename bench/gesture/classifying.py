"""`bench gesture classify`: says what a movement was, as soon as it has ended."""

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from bench.errors import UserError
from bench.gesture import classifier
from bench.gesture.live import Gesture, Live
from bench.gesture.stream import SensorGone, open_stream

SPEAKERS = ("spd-say", "espeak-ng", "espeak", "say")


class Voice:
    """Speaks through what this machine has; a new word cuts an old one short."""

    def __init__(self) -> None:
        found = next((path for name in SPEAKERS if (path := shutil.which(name))), None)
        if found is None:
            raise UserError(f"--say: none of {', '.join(SPEAKERS)} is installed; sudo apt install speech-dispatcher")
        self.fault: str | None = None
        self._program = found
        self._speaking: subprocess.Popen[bytes] | None = None

    def say(self, text: str) -> None:
        """Begin to speak, and return."""
        self.stop()
        quiet = subprocess.DEVNULL
        self._speaking = subprocess.Popen([self._program, "--", text], stdin=quiet, stdout=quiet, stderr=quiet)

    def stop(self, wait_s: float = 0.0) -> None:
        """Fall silent, after `wait_s` at the latest."""
        if self._speaking is None:
            return
        try:
            code = self._speaking.wait(wait_s)
            if code:
                self.fault = f"--say: {Path(self._program).name} could not speak (exit code {code})"
        except subprocess.TimeoutExpired:
            self._speaking.kill()
            self._speaking.wait()
        self._speaking = None


def classify(
    port: str,
    model: Path,
    baud: int,
    threshold: float | None,
    patience_s: float,
    rate_hz: float,
    count: int | None,
    is_spoken: bool,
    as_json: bool,
) -> int:
    """Print each recognised gesture on standard output until there are `count`; return the exit code."""
    known = classifier.load(model)
    voice = Voice() if is_spoken else None
    console = Console(stderr=True, highlight=False)
    told: list[Gesture] = []

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    def heard(gesture: Gesture) -> None:
        told.append(gesture)
        print(json.dumps(document(gesture)) if as_json else line(gesture), flush=True)
        if voice is not None:
            voice.say(str(gesture.label))

    code = 0
    with open_stream(port, baud, say, patience_s) as stream:
        live = Live(stream, known, threshold, rate_hz, heard, say)
        say(f"{', '.join(known.classes)}: hold the sensor still for three seconds, it is calibrated; Ctrl-C ends")
        is_ready = False
        try:
            while count is None or len(told) < count:
                sample = stream.next(1.0)
                if sample is None:
                    continue
                live.push(sample)
                if live.segmenter.is_calibrated and not is_ready:
                    say(f"ready: a movement begins at an energy of {live.segmenter.threshold:.2f}")
                is_ready = live.segmenter.is_calibrated
        except KeyboardInterrupt:
            code = 0 if count is None else 130
        except SensorGone as error:
            print(f"bench: {error}", file=sys.stderr)
            code = 1
    if voice is not None:
        voice.stop(5.0)
        if voice.fault is not None:
            say(voice.fault)
    say(summary(told, str(live.tally)))
    return code


def line(gesture: Gesture) -> str:
    """What is printed of a gesture."""
    return (
        f"{gesture.told:14} {1000 * gesture.latency_s:4.0f} ms after the movement ended"
        f" ({1000 * gesture.hold_s:.0f} ms to be sure that it had, {1000 * gesture.answer_s:.1f} ms to answer);"
        f" it took {gesture.duration_s:.2f} s"
    )


def document(gesture: Gesture) -> dict[str, object]:
    """What --json prints of a gesture, a line each."""
    return {
        "gesture": gesture.label,
        "probability": gesture.probability,
        "duration_s": gesture.duration_s,
        "peak_energy": gesture.peak,
        "latency_ms": {
            "total": 1000 * gesture.latency_s,
            "hold": 1000 * gesture.hold_s,
            "answer": 1000 * gesture.answer_s,
        },
    }


def summary(told: list[Gesture], tally: str) -> str:
    """The last line."""
    if not told:
        return f"no gesture; {tally}"
    latency = 1000 * statistics.median(gesture.latency_s for gesture in told)
    answer = 1000 * statistics.median(gesture.answer_s for gesture in told)
    count = f"{len(told)} gesture{'' if len(told) == 1 else 's'}"
    return f"{count}, median latency {latency:.0f} ms, of which {answer:.1f} ms to answer; {tally}"
