"""One process at a time: another that wants the same waits, and says so."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_AGAIN_S = 0.5


@contextmanager
def alone(folder: Path, is_whole: Callable[[], bool], waiting: Callable[[], None]) -> Iterator[bool]:
    """Make `folder` and hold it alone; yield True, or False once `is_whole()`: another process has done it.

    `waiting` is called again and again while another process holds the folder. The holder may move the folder
    away or remove it.
    """
    lock = folder / ".lock"
    while not is_whole():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = lock.open("a")
        except FileNotFoundError:  # moved away since
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                time.sleep(_AGAIN_S)
                continue
            if not is_whole() and _still_there(lock, file.fileno()):
                yield True
                return
    yield False


def _still_there(lock: Path, number: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(number))
    except FileNotFoundError:
        return False


def settle() -> None:
    """Have everything written so far on the disk, at once rather than file by file: what follows may rely on it."""
    os.sync()
