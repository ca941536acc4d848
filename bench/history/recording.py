"""Results into the file: those of a command line, and those of a check that just ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data.wording import counted, quoted
from bench.history import collecting, commits, database
from bench.history.collecting import Collected


def default_database(folder: Path) -> Path:
    """Return `.bench/history.sqlite` in the root of the repository that `folder` is in, else in `folder`."""
    return (commits.root(folder) or folder) / ".bench" / "history.sqlite"


def add(paths: Sequence[Path], database_file: Path | None, commit: str | None, folder: Path) -> list[str]:
    """Keep the results at `paths`, all or none; return what to tell, a line each. Raises UserError."""
    found = [(str(path), _collected(path, commit, folder)) for path in paths]
    return _kept(found, database_file or _made_default(folder))


def record_check(document: Mapping[str, Any], database_file: Path) -> list[str]:
    """Keep head's values of a `bench.check/1` document; return what to tell, a line each.

    The commit is the subject's, else the one that the current folder is at. Raises UserError.
    """
    folder = Path.cwd()
    found = collecting.from_result(document, lambda told: commits.measured(None, told, folder), "this check")
    return _kept([("this check", found)], database_file)


def refuse_unusable(database_file: Path) -> None:
    """Raise UserError where `record_check` would, before what is to be recorded has taken its time."""
    commits.head(Path.cwd())
    database.add(database_file, [])


def _collected(path: Path, commit: str | None, folder: Path) -> Collected:
    return collecting.collect(path, lambda told: commits.measured(commit, told, folder))


def _made_default(folder: Path) -> Path:
    path = default_database(folder)
    path.parent.mkdir(exist_ok=True)
    return path


def _kept(found: Sequence[tuple[str, Collected]], path: Path) -> list[str]:
    added = database.add(path, [row for _, own in found for row in own.rows])
    told = [f"{quoted(place)}: {note}" for place, own in found for note in own.notes]
    early = sorted({row.commit[:7] for _, own in found for row in own.rows if row.recorded < row.committed})
    if early:
        told.append(f"measured before the commit was made: {', '.join(early)}; is it the right one? see --commit")
    told.append(f"{counted(added.new, 'new row')} in {quoted(path)}")
    if added.known:
        others = sorted({kept[:7] for row, kept in added.known if kept != row.commit})
        elsewhere = f", as results of {', '.join(others)}, and stay so" if others else ""
        told.append(f"{counted(len(added.known), 'row was', 'rows were')} there already{elsewhere}")
    return told
