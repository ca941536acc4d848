"""Files that are whole or not there: written aside, synced, moved into place; with a checksum inside."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` so that a reader, or the next run after a power cut, sees all of it or none."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, all of it or nothing."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, body: Any) -> None:
    """Write `body` as JSON with its checksum."""
    write_text(path, as_text({"sha256": _checksum(body), "body": body}))


def as_text(document: Any) -> str:
    """Return JSON that people can read, too: an entry a line, but numbers beside each other, however many there are."""
    return "".join(_pieces(document, "\n")) + "\n"


def _pieces(value: Any, newline: str) -> Iterator[str]:
    """The parts of a value's text; `newline` ends a line and indents the next one as far as the value."""
    inner = newline + " "
    if isinstance(value, dict) and value:
        for place, (key, own) in enumerate(value.items()):
            name = key if isinstance(key, str) else json.dumps(key)
            yield ("," if place else "{") + f"{inner}{json.dumps(name)}: "
            yield from _pieces(own, inner)
        yield newline + "}"
    elif isinstance(value, list | tuple) and not all(isinstance(own, int | float | None) for own in value):
        for place, own in enumerate(value):
            yield ("," if place else "[") + inner
            yield from _pieces(own, inner)
        yield newline + "]"
    else:
        yield json.dumps(value)


def read_json(path: Path) -> Any:
    """Return the body written by `write_json`, or None where the file is missing, torn or altered."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return stored["body"] if stored["sha256"] == _checksum(stored["body"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checksum(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold an exclusive lock on `path` if nobody else does; yield whether we do."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
