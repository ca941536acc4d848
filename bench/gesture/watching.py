"""`bench gesture watch`: the live plot in a window, a file, or the terminal; reading never waits for drawing."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench.errors import UserError
from bench.gesture import classifier
from bench.gesture.live import Gesture, Live
from bench.gesture.stream import SensorGone, open_stream

FRAMES_HZ, TERMINAL_HZ = 30.0, 10.0
SHOWN = Callable[[Live, float], bool]


class Pace:
    """Says when the next frame is due, and how many were really drawn; a frame that is missed isn't made up for."""

    def __init__(self, frames_hz: float, began_s: float) -> None:
        self.frames_hz, self.began_s = frames_hz, began_s
        self.drawn = 0
        self._number = 0
        self._recent: list[float] = []

    def due_s(self, now_s: float) -> float:
        """When to draw next: the first time on the grid that isn't past."""
        self._number = max(self._number + 1, int((now_s - self.began_s) * self.frames_hz))
        return self.began_s + self._number / self.frames_hz

    def count(self, now_s: float) -> None:
        self.drawn += 1
        self._recent = [*self._recent[-29:], now_s]

    @property
    def recent_hz(self) -> float:
        """Over the last 30 frames."""
        took = self._recent[-1] - self._recent[0] if self._recent else 0.0
        return (len(self._recent) - 1) / took if took > 0 else 0.0


def watch(
    port: str,
    model: Path | None,
    baud: int,
    threshold: float | None,
    patience_s: float,
    rate_hz: float,
    save: Path | None,
    seconds: float | None,
    is_terminal: bool,
) -> int:
    """Show the sensor until it is enough, and tell the frame rate that was reached; return the exit code."""
    from bench.gesture import film

    if save is not None and is_terminal:
        raise UserError("--terminal and --save exclude each other")
    known = classifier.load(model) if model is not None else None
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # which rich takes over while it draws on the terminal

    kept = film.make(save, FRAMES_HZ) if save is not None else None
    backend = None if kept is not None or is_terminal else _window(say)
    with open_stream(port, baud, say, patience_s) as stream:
        live = Live(stream, known, threshold, rate_hz, notice=say)
        pace = Pace(FRAMES_HZ if kept is not None or backend else TERMINAL_HZ, stream.now_s)
        code, fault = 0, None
        try:
            if kept is not None:
                _into_file(live, pace, kept, port, seconds)
            elif backend is not None:
                _in_window(live, pace, backend, port, seconds)
            else:
                _on_terminal(live, pace, seconds)
        except KeyboardInterrupt:
            code = 0 if seconds is None else 130
        except SensorGone as error:
            code, fault = 1, str(error)
        took = stream.now_s - pace.began_s
    if fault is not None:
        print(f"bench: {fault}", file=sys.stderr)
    if kept is not None and live.tally.samples:
        with console.status(f"writing {save}"):
            kept.finish(took)
        say(f"{save}")
    say(
        f"{pace.drawn} frames in {took:.1f} s: {pace.drawn / took:.1f} a second, {pace.frames_hz:g} wanted;"
        f" {live.counted}; {live.tally}"
    )
    return code


def _into_file(live: Live, pace: Pace, kept: "object", title: str, seconds: float | None) -> None:
    from bench.gesture import film, plot

    assert isinstance(kept, film.Picture | film.Written)
    drawn = plot.off_screen(title)

    def show(live: Live, now_s: float) -> bool:
        drawn.draw(live, pace.recent_hz)
        kept.add(plot.frame(drawn), now_s - pace.began_s)
        return True

    _loop(live, pace, show, seconds)


def _in_window(live: Live, pace: Pace, backend: str, title: str, seconds: float | None) -> None:
    import matplotlib
    from matplotlib import pyplot

    from bench.gesture import plot

    matplotlib.use(backend)
    figure = pyplot.figure("bench gesture watch", figsize=plot.SIZE, dpi=plot.DPI)
    drawn = plot.Plot(figure, title)
    pyplot.show(block=False)

    def show(live: Live, now_s: float) -> bool:
        if not pyplot.fignum_exists(figure.number):  # it was closed
            return False
        drawn.draw(live, pace.recent_hz)
        drawn.canvas.blit(figure.bbox)
        drawn.canvas.flush_events()
        return True

    _loop(live, pace, show, seconds)
    pyplot.close(figure)


def _on_terminal(live: Live, pace: Pace, seconds: float | None) -> None:
    from rich.live import Live as Shown

    from bench.gesture import terminal_view

    console = Console(highlight=False)
    is_utf8 = console.encoding.lower().startswith("utf")
    if not console.is_terminal:
        _as_lines(live, pace, seconds)
        return
    with Shown(console=console, auto_refresh=False, transient=False, vertical_overflow="crop") as shown:

        def show(live: Live, now_s: float) -> bool:
            shown.update(terminal_view.render(live, console.width, is_utf8, pace.recent_hz), refresh=True)
            return True

        _loop(live, pace, show, seconds)


def _as_lines(live: Live, pace: Pace, seconds: float | None) -> None:
    """No terminal to draw on: a line a gesture."""
    told: list[Gesture] = []

    def show(live: Live, now_s: float) -> bool:
        for gesture in list(live.gestures)[len(live.gestures) - (live.count - len(told)) :]:
            told.append(gesture)
            print(f"{gesture.told}, energy {gesture.peak:.2f}", flush=True)
        return True

    _loop(live, pace, show, seconds)


def _loop(live: Live, pace: Pace, show: SHOWN, seconds: float | None) -> None:
    """Read, and draw whenever a frame is due, until `seconds` are over or what is shown is closed."""
    stream = live.stream
    while seconds is None or stream.now_s - pace.began_s < seconds:
        due_s = pace.due_s(stream.now_s)
        live.read(due_s)
        if not show(live, stream.now_s):
            return
        pace.count(stream.now_s)


def _window(say: Callable[[str], None]) -> str | None:
    """The matplotlib backend of a window; None, with how to get one said, where there can be none."""
    import importlib.util

    is_unix = sys.platform not in ("win32", "darwin")
    if is_unix and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        say(
            "no display, so that it is shown in the terminal; for a window: ssh -X, or sit at the machine;"
            " --save FILE.gif, .mp4 or .png needs none"
        )
        return None
    for module, backend in (("PyQt6", "QtAgg"), ("PySide6", "QtAgg"), ("tkinter", "TkAgg")):
        if importlib.util.find_spec(module) is not None:
            return backend
    say("no window toolkit, so that it is shown in the terminal; for a window: sudo apt install python3-tk")
    return None
