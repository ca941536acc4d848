"""Samples in lists: CSV files without header, one `path,label` a line, paths relative to the list."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from bench.data.wording import quoted, shortened
from bench.dataset import Sample
from bench.errors import UserError

Side = Literal["train", "test"]


def samples(path: Path, inside: Path | None = None) -> list[Sample]:
    """List the images that the CSV file names; a test.csv beside it is the held-out part.

    Paths may be absolute or climb with `..`, unless `inside` names the folder that none may leave. Raises UserError,
    with the line, for a line that isn't path,label and for a path where no file is.
    """
    test = path.with_name("test.csv")
    if path.name != "test.csv" and test.is_file():
        return _lines(path, "train", inside) + _lines(test, "test", inside)
    return _lines(path, None, inside)


def _lines(path: Path, side: Side | None, inside: Path | None) -> list[Sample]:
    found = []
    for number, row in rows(path):
        where = f"{quoted(path)}:{number}"
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise UserError(f"{where}: {shortened(','.join(row))}: must be path,label")
        image = path.parent / cells[0]
        if "\0" in cells[0] or not image.is_file():
            raise UserError(f"{where}: no such image: {quoted(image)}")
        if inside is not None and not image.resolve().is_relative_to(inside.resolve()):
            raise UserError(f"{where}: {quoted(cells[0])}: leads out of the archive")
        found.append(Sample(f"{side}/{cells[0]}" if side else cells[0], cells[1], image, None, side))
    if not found:
        raise UserError(f"{quoted(path)}: has no lines; each must be path,label")
    return found


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the CSV file's rows with the number of the line each ends on; empty ones are left out.

    Bytes that aren't UTF-8 are kept, as they are in names of files. Raises UserError for what is no CSV file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.reader(file)
            for row in reader:
                if row:
                    yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{quoted(path)}:{reader.line_num}: no CSV that can be read: {error}") from error
    except OSError as error:
        raise UserError(f"{quoted(path)}: can't be read: {error.strerror}") from error
