"""How recording is shown: a line a gesture, and on a terminal a bar that moves with the sensor."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bench.errors import UserError
from bench.gesture.cutter import Cut
from bench.gesture.recorder import Recorder
from bench.gesture.stream import Tally

REFRESH_S = 0.1


def record(make: Callable[[Callable[[str], None]], Recorder]) -> int:
    """Run the recorder that `make` gives for a place to put notices; return the exit code."""
    console = Console(stderr=True, highlight=False)
    say = _teller(console)
    recorder = make(say)
    already = recorder.done
    if already >= recorder.count:
        say(f"{recorder.out} holds {already} of {recorder.count} {recorder.label} already: nothing to do")
        return 0
    if already:
        say(f"{recorder.out} holds {already} of {recorder.count} {recorder.label}; going on from there")
    try:
        with _progress(console) as progress:
            task = progress.add_task(recorder.label, total=recorder.count, completed=already, state="")
            _run(recorder, progress, task, say)
    except KeyboardInterrupt:
        say(_kept(recorder))
        return 130
    except UserError as error:
        if recorder.stream is None or not recorder.stream.tally.samples:
            raise
        say(f"bench: {error}")
        say(_kept(recorder))
        return 1
    say(f"{recorder.done} of {recorder.count} {recorder.label} in {recorder.out}; {_tally(recorder)}")
    return 0


def _run(recorder: Recorder, progress: Progress, task: TaskID, say: Callable[[str], None]) -> None:
    drawn = 0.0

    def saved(path: Path, cut: Cut) -> None:
        threshold = recorder.cutter.segmenter.threshold if recorder.cutter else None
        say(
            f"{recorder.done}/{recorder.count} {path.name}: {len(cut.samples)} samples,"
            f" {cut.times[-1]:.2f} s, energy {cut.energy:.2f} (threshold {threshold:.2f}); {_tally(recorder)}"
        )
        progress.update(task, completed=recorder.done)

    def breath() -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= REFRESH_S:
            drawn = now
            progress.update(task, state=_state(recorder))

    recorder.run(saved, breath)


def _state(recorder: Recorder) -> str:
    if recorder.cutter is None or recorder.cutter.segmenter.threshold is None:
        return "calibrating: hold still"
    segmenter = recorder.cutter.segmenter
    moving = "moving" if segmenter.is_moving else "at rest"
    return f"{moving}, energy {segmenter.energy:.2f} of {segmenter.threshold:.2f}; {_tally(recorder)}"


def _tally(recorder: Recorder) -> str:
    tally = recorder.stream.tally if recorder.stream else Tally()
    return f"{tally.lost} lost, {tally.broken} broken" + (
        f", {tally.reconnects} reconnected" if tally.reconnects else ""
    )


def _kept(recorder: Recorder) -> str:
    if not recorder.done:
        return "no gesture was recorded"
    return (
        f"kept: {recorder.done} of {recorder.count} {recorder.label} in {recorder.out};"
        " the same command goes on where it stopped"
    )


def _teller(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, markup=False, soft_wrap=True)


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
