"""Where an interrupted job goes on: what its folder holds of earlier processes, up to the last intact checkpoint.

The worker writes checkpoints (`bench/worker.py`), this decides which of them may be trusted. `begun.json` tells whose
events the folder holds: those of another key, such as a changed adapter's, are never gone on from.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import events, store

Event = Any


def earlier(folder: Path, key: str) -> tuple[Event, ...]:
    """Return what earlier processes of the job said until its last intact `Checkpoint`, which comes last.

    Nothing where there is none to go on from. What was said after it is left out: those rounds are run again.
    """
    begun = store.read_json(folder / "begun.json")
    if begun is None or begun["key"] != key:
        return ()
    seen = _events(folder / "events.jsonl")
    for last in reversed(range(len(seen))):
        if isinstance(seen[last], events.Checkpoint) and _is_intact(folder, seen[last]):
            return tuple(seen[: last + 1])
    return ()


def begin(folder: Path, key: str, kept: Sequence[Event]) -> None:
    """Make the folder ready for a process that goes on after the events `kept`, or that begins anew without any."""
    if not kept:
        (folder / "events.jsonl").unlink(missing_ok=True)  # before the key: a kill in between gives them to nobody
        store.write_json(folder / "begun.json", {"key": key})
    discard(folder, but=kept[-1].file if kept else None)


def discard(folder: Path, but: str | None = None) -> None:
    """Remove the job's checkpoints, halves of them included, all but one."""
    for path in folder.glob("checkpoint-*"):
        if path.name != but:
            path.unlink(missing_ok=True)


def _events(path: Path) -> list[Event]:
    """The events of a file as far as it can be read: a kill may have torn its last line."""
    seen: list[Event] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return seen
    for line in lines:
        try:
            seen.append(events.from_line(line.decode("utf-8", "replace")))
        except ValueError:
            break
    return seen


def _is_intact(folder: Path, checkpoint: Event) -> bool:
    try:
        content = (folder / checkpoint.file).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == checkpoint.sha256
