"""Run folders: where a run's jobs, plan and results lie, and which one the same command goes on with."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import store
from bench.errors import UserError


@contextmanager
def claim(out: Path, name: str, key: str, fresh: bool = False) -> Iterator[Path]:
    """Hold the newest run of `key` in `out` that is unfinished and nobody else's, or else a new one.

    `key` tells what is run; `fresh` always begins a new one.
    """
    for folder in _candidates(out, name, key, fresh):
        with store.locked(folder / ".lock") as mine:
            if mine:
                yield folder
                return


KEPT = ".kept"  # a file that keeps a temporary folder


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary folder for jobs.

    Kept, where a UserError leaves, for the log that its message names, and where it holds a file `KEPT`.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    except BaseException as error:
        if not (isinstance(error, UserError) and str(folder) in str(error)):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if not (folder / KEPT).exists():
        shutil.rmtree(folder, ignore_errors=True)


def refuse_unwritable(out: Path) -> None:
    """Make the folder `out`. Raises UserError where it can't be written: better now than after an hour."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UserError(f"--out {out}: can't be written: {error.strerror}") from error


def _candidates(out: Path, name: str, key: str, fresh: bool) -> Iterator[Path]:
    if not fresh:
        yield from (folder for folder in sorted(out.glob(f"{name}-*"), reverse=True) if _unfinished(folder, key))
    yield _new(out, name, key)


def _unfinished(folder: Path, key: str) -> bool:
    told = store.read_json(folder / "run.json")
    if told is None or told["key"] != key:
        return False
    result = store.read_json(folder / "record.json")
    return result is None or any(run["status"] != "done" for cell in result["cells"] for run in cell["runs"])


def _new(out: Path, name: str, key: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 100):
        folder = out / (f"{name}-{stamp}" + (f"-{attempt}" if attempt > 1 else ""))
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        store.write_json(folder / "run.json", {"key": key})
        return folder
    raise UserError(f"--out {out}: can't make a run folder for {name}")
