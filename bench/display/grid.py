"""The state of every cell on every backend, as a person sees it: a row a cell, a column a backend."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.jobs import Job, Prepared, Task
from bench.process import Outcome

MARKS = {"waiting": "·", "probed": "○", "running": "▸", "done": "✓", "failed": "✗", "skipped": "-"}
PLAIN_MARKS = {"waiting": ".", "probed": "o", "running": ">", "done": "*", "failed": "x", "skipped": "-"}
MEANING = {"waiting": "waiting", "probed": "probed", "running": "running", "done": "done, final accuracy"}


@dataclass
class Square:
    """One cell on one backend: how far it is."""

    repeats: int
    probe: str | None = None  # the parity probe's status
    running: str | None = None  # "probe", or "repeat" with `share` of its rounds done
    share: float = 0.0
    ended: list[str] = field(default_factory=list)  # each repeat's status
    accuracies: list[float] = field(default_factory=list)

    @property
    def state(self) -> str:
        """One of MARKS."""
        if self.running:
            return "running"
        if "failed" in self.ended:
            return "failed"
        if "skipped" in (self.probe, *self.ended):
            return "skipped"  # what a backend can't be probed on, it can't repeat either
        if len(self.ended) == self.repeats:
            return "done"
        return "probed" if self.probe == "done" else "waiting"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is to come."""
        return len(self.ended) == self.repeats

    def text(self, marks: dict[str, str]) -> str:
        """Return it in at most twelve letters."""
        number = f"{len(self.ended)}/{self.repeats}" if self.repeats > 1 else ""
        if self.running == "probe":
            return f"{marks['running']} probe"
        if self.running:
            which = f" {len(self.ended) + 1}/{self.repeats}" if number else ""
            return f"{marks['running']}{which} {self.share:.0%}"
        if self.probe == "failed" and not self.ended:
            return f"{marks['failed']} probe"
        if self.state in ("failed", "skipped"):
            return f"{marks[self.state]} {self.state}"
        if self.state == "done":
            return f"{marks['done']} {self.accuracy}".rstrip()
        return f"{number} {self.accuracy}".rstrip() if self.ended else marks[self.state]

    @property
    def accuracy(self) -> str:
        """The final accuracy, of several repeats their mean; nothing where none was evaluated."""
        return f"{sum(self.accuracies) / len(self.accuracies):.1%}" if self.accuracies else ""


class Grid:
    """All squares of a run."""

    def __init__(self, tasks: Sequence[Task]):
        self.cells: list[Prepared] = [cell for task in tasks for cell in task.cells]
        self.labels = [one.label for one in tasks[0].backends] if tasks else []
        self.beside = {one.label for one in tasks[0].backends if one.beside} if tasks else set()
        self.squares = {
            (cell, one.label): Square(task.repeated) for task in tasks for cell in task.cells for one in task.backends
        }
        self._sharing = {cell: task.cells for task in tasks for cell in task.cells}
        self.current = 0

    def names(self, width: int) -> tuple[str, list[str]]:
        """Return a head and each row's name; where names are too wide and the settings alike, these stand above."""
        names = [cell.cell.name for cell in self.cells]
        keys = {tuple(cell.cell.settings) for cell in self.cells}
        if max(map(len, names)) <= width or len(keys) > 1:
            return "", names
        head = ", ".join(key.split(".")[-1] for key in keys.pop())
        return head, [", ".join(map(str, cell.cell.settings.values())) for cell in self.cells]

    def row(self, cell: Prepared) -> list[Square]:
        """Return a cell's squares."""
        return [self.squares[cell, label] for label in self.labels]

    def is_finished(self, cell: Prepared) -> bool:
        """Whether nothing more is to come of a cell."""
        return all(square.is_finished for square in self.row(cell))

    def started(self, job: Job, share: float = 0.0) -> None:
        """A job starts, perhaps with some of its rounds done."""
        self.current = self.cells.index(job.cell)
        for square in self._touched(job):
            square.running, square.share = ("repeat" if job.repeat else "probe"), share

    def advanced(self, job: Job, share: float) -> None:
        """So much of a job's rounds is done."""
        for square in self._touched(job):
            square.share = share

    def ended(self, job: Job, outcome: Outcome, accuracy: float | None) -> None:
        """A job has ended."""
        for square in self._touched(job):
            square.running = None
            if job.repeat == 0:
                square.probe = outcome.status
                continue
            square.ended.append(outcome.status)
            if outcome.status == "done" and accuracy is not None:
                square.accuracies.append(accuracy)

    def _touched(self, job: Job) -> list[Square]:
        """A repeat's own square; of a probe, those of all cells that share it: none where its backend has no column."""
        cells = (job.cell,) if job.repeat else self._sharing[job.cell]
        return [self.squares[cell, job.contender.label] for cell in cells if job.contender.label in self.labels]


def window(total: int, current: int, size: int) -> range:
    """Return which of `total` rows to show where only `size` fit: those around the current one."""
    size = max(1, min(size, total))
    start = min(max(0, current - size // 2), total - size)
    return range(start, start + size)
