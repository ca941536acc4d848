"""A terminal: a grid that fills in, a bar for what is being done now, one for the whole run with the time left."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self

from rich.cells import set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live as Shown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from bench import events
from bench.display.forecast import Forecast
from bench.display.grid import MARKS, MEANING, PLAIN_MARKS, Grid, Square, window
from bench.estimate import Estimator
from bench.jobs import Job, Task
from bench.layout import roughly
from bench.process import Outcome

STYLES = {"waiting": "dim", "probed": "dim", "running": "cyan", "done": "green", "failed": "red", "skipped": "yellow"}
SQUARE = 12  # letters of a square, see Square.text
NAME = 16  # letters of a cell's name, at least
REFRESH = 4  # times a second: drawing takes its share of the cores that are timed
BELOW = 4  # lines that aren't the grid's: two bars, the cursor's, and one to spare


class Live:
    """What is drawn anew a few times a second; what is said scrolls away above it."""

    def __init__(self, console: Console):
        is_utf8 = console.encoding.lower().startswith("utf")
        self.marks = MARKS if is_utf8 else PLAIN_MARKS
        self.overflow: Literal["ellipsis", "crop"] = "ellipsis" if is_utf8 else "crop"
        self.bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=self._one_line(2)),
            BarColumn(14),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            SpinnerColumn("dots" if is_utf8 else "line", finished_text=""),
            TextColumn("{task.fields[note]}", markup=False, table_column=self._one_line(3)),
            console=console,
            expand=True,
        )
        self.console = console
        self.now: TaskID | None = None
        self.whole: TaskID | None = None
        self.accuracy: float | None = None
        self.grid = Grid(())
        self.forecast: Forecast | None = None
        self.left, self.left_at, self.rough = 0.0, time.monotonic(), ""
        self.is_reused = False
        self.done = 0
        self.shown = Shown(
            console=console, get_renderable=self._frame, refresh_per_second=REFRESH, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self.shown.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clear()
        self.shown.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        if self.now is None or self.bars.tasks[-1].description != what:
            self._clear()
            self.now = self.bars.add_task(what, total=total, note="")
        self.bars.update(self.now, completed=done, total=total)
        if done >= total:
            self._clear()

    def jobs(self, tasks: Sequence[Task]) -> None:
        self._clear()
        jobs = [job for task in tasks for job in (*task.probes, *task.repeats)]
        self.grid, self.forecast = Grid(tasks), Forecast(jobs, Estimator())
        rounds = sum(job.rounds for job in jobs)
        self.whole = self.bars.add_task(f"all {len(jobs)} jobs", total=rounds, note="")
        self._look_ahead()

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        self._clear()
        self.accuracy, self.is_reused, self.done = None, reused, 0
        self.grid.started(job, resumed / max(1, job.rounds))
        if self.forecast:
            self.forecast.started(job, resumed)
        if reused:
            return
        self._advance(resumed)
        title = job.what if len(self.grid.cells) > 1 else job.title  # the grid tells which cell it is
        self.now = self.bars.add_task(title, total=job.rounds, completed=resumed, note="starting")

    def event(self, job: Job, event: Any) -> None:
        if self.now is None:
            return
        if isinstance(event, events.Phase):
            self.bars.update(self.now, note=f"{event.name} {event.seconds:.1f} s")
        elif isinstance(event, events.Progress):
            self.bars.update(self.now, note=f"{event.what}: {event.done} of {event.total}")
        elif isinstance(event, events.Evaluation):
            self.accuracy = event.accuracy
        elif isinstance(event, events.Round):
            accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.1%}"
            self.bars.update(self.now, completed=event.number, note=f"{event.seconds:.2f} s a round{accuracy}")
            self._advance(1)
            self.grid.advanced(job, event.number / max(1, job.rounds))
            if self.forecast:
                self.forecast.round(event.number)
                self._look_ahead()

    def ended(self, job: Job, outcome: Outcome) -> None:
        if self.is_reused:
            finals = [event.accuracy for event in outcome.events if isinstance(event, events.Evaluation)]
            self.accuracy = finals[-1] if finals else None
        self._advance(job.rounds - self.done)  # of one that failed, those that won't come; of one done earlier, all
        self.grid.ended(job, outcome, self.accuracy)
        if self.forecast:
            self.forecast.ended(job, outcome, self.is_reused)
            self._look_ahead()
        if outcome.reason and (outcome.status != "skipped" or job.repeat == 0):  # a probe's skip is its repeats' too
            self.say(f"{job.title}: {outcome.status}: {outcome.reason}")

    def _advance(self, rounds: int) -> None:
        self.done += rounds
        if self.whole is not None:
            self.bars.advance(self.whole, rounds)

    def _clear(self) -> None:
        if self.now is not None:
            self.bars.remove_task(self.now)
            self.now = None

    def _look_ahead(self) -> None:
        """Foresee the time left; between the events it only runs down."""
        if self.forecast:
            self.left, self.left_at = self.forecast.left(), time.monotonic()
            self.rough = " (rough)" if self.forecast.reasons else ""

    def _frame(self) -> RenderableType:
        if self.whole is not None and self.forecast:
            left = self.left - (time.monotonic() - self.left_at)
            is_over = not self.forecast.waiting and self.forecast.now is None
            note = "" if is_over else f"about {roughly(max(1.0, left))} left{self.rough}"
            self.bars.update(self.whole, note=note)
        lines = self._lines() if len(self.grid.cells) > 1 else []
        return Group(*lines, self.bars.get_renderable())

    def _lines(self) -> list[Text]:
        """The grid, a line a cell, none wider or more than the terminal has room for."""
        labels = self._columns()
        head, names = self.grid.names(self.console.width - 2 - (SQUARE + 1) * len(labels))
        name = max(1, min(max(map(len, [head, *names])), self.console.width - 2 - (SQUARE + 1) * len(labels)))
        room = self.console.height - BELOW - 2  # the head and the legend
        total = len(self.grid.cells)
        rows = window(total, self.grid.current, room if total <= room else room - 2)
        lines = [_line(Text(_cut(head, name), "dim"), [(label, "bold") for label in labels])]
        lines += [self._more(rows.start, "above")] if len(rows) < total else []
        for index in rows:
            cell = self.grid.cells[index]
            squares = [self.grid.squares[cell, label] for label in labels]
            style = "bold" if any(square.running for square in squares) else ""
            lines.append(_line(Text(_cut(names[index], name), style), [self._drawn(square) for square in squares]))
        lines += [self._more(total - rows.stop, "below")] if len(rows) < total else []
        legend = "  ".join(f"{self.marks[state]} {meaning}" for state, meaning in MEANING.items())
        return [*lines, _line(Text(legend, "dim"), [])]

    def _columns(self) -> list[str]:
        """The backends that there is room for; what runs for another's sake gives way first."""
        most = max(1, (self.console.width - 2 - NAME) // (SQUARE + 1))
        if len(self.grid.labels) <= most:
            return self.grid.labels
        asked = [label for label in self.grid.labels if label not in self.grid.beside]
        return asked[:most]

    def _drawn(self, square: Square) -> tuple[str, str]:
        return square.text(self.marks), STYLES[square.state]

    def _one_line(self, ratio: int) -> Column:
        """A column whose texts are cut rather than wrapped: a frame that changes its height flickers."""
        return Column(ratio=ratio, no_wrap=True, overflow=self.overflow)

    def _more(self, count: int, where: str) -> Text:
        return _line(Text(f"{count} more {where}" if count else "", "dim"), [])


def _line(name: Text | str, squares: Sequence[tuple[str, str]]) -> Text:
    line = Text(no_wrap=True, overflow="crop")
    line.append(name)
    for text, style in squares:
        line.append(" ").append(_cut(text, SQUARE), style)
    return line


def _cut(text: str, width: int) -> str:
    """Exactly so wide; what doesn't fit ends in dots."""
    return set_cell_size(text, width) if len(text) <= width else set_cell_size(text, width - 2) + ".."
