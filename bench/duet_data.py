"""Reads the numbers that a data owner publishes: a CSV or .npy file, or six made-up ages."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from bench.data.wording import quoted, shortened
from bench.errors import UserError

AGES = (34.0, 28.0, 45.0, 51.0, 23.0, 39.0)
MOST = 1_000_000


@dataclass(frozen=True)
class Published:
    """Numbers, and the tag that they are published by."""

    values: tuple[float, ...]
    tag: str
    source: str


def read(path: Path | None, column: str | None) -> Published:
    """Return the numbers of a file, or the made-up ages without one. Raises UserError with file and line."""
    if path is None:
        return Published(AGES, "ages", "made up")
    if not path.is_file():
        raise UserError(f"--data {quoted(path)}: no such file")
    if path.suffix == ".npy":
        values = _array(path)
    elif path.suffix == ".csv":
        values = _column(path, column)
    else:
        raise UserError(f"--data {quoted(path)}: must be a .csv or .npy file")
    if not values:
        raise UserError(f"--data {quoted(path)}: holds no numbers")
    if len(values) > MOST:
        raise UserError(f"--data {quoted(path)}: {len(values):,} numbers; at most {MOST:,} are allowed")
    return Published(tuple(values), path.stem, path.name)


def _array(path: Path) -> list[float]:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"--data {quoted(path)}: not a .npy file that can be read: {shortened(str(error))}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf" or array.ndim != 1:
        raise UserError(f"--data {quoted(path)}: must hold one row of numbers, an array of one dimension")
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array))[0])
        raise UserError(f"--data {quoted(path)}: number {where} is {array[where]}, which is not finite")
    return [float(value) for value in array]


def _column(path: Path, column: str | None) -> list[float]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--data {quoted(path)}: not a text file that can be read") from error
    rows = [(number, row) for number, row in enumerate(csv.reader(text.splitlines()), 1) if any(map(str.strip, row))]
    if not rows:
        return []
    index = _index(path, rows[0][1], column)
    has_header = column is not None or not _is_number(rows[0][1][index])
    return [_number(path, line, row, index) for line, row in rows[has_header:]]


def _index(path: Path, first: list[str], column: str | None) -> int:
    names = [name.strip() for name in first]
    if column is not None:
        if column not in names:
            raise UserError(f"--column {quoted(column)}: {quoted(path)} has the columns {quoted(', '.join(names))}")
        return names.index(column)
    if len(names) > 1:
        raise UserError(f"--data {quoted(path)}: has {len(names)} columns; choose one by its name with --column")
    return 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, row: list[str], index: int) -> float:
    text = row[index].strip() if index < len(row) else ""
    if not _is_number(text):
        raise UserError(f"--data {quoted(path)}: line {line}: {shortened(text)} is not a number")
    if not math.isfinite(float(text)):
        raise UserError(f"--data {quoted(path)}: line {line}: {text} is not finite")
    return float(text)
