"""Who belongs together: a column of the manifest.csv beside the class folders, such as each film's patient."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.data.lists import rows
from bench.data.wording import quoted
from bench.dataset import Sample
from bench.errors import UserError


def grouped(samples: Sequence[Sample], manifest: Path, column: str) -> list[Sample]:
    """Return the samples with their groups. Raises UserError where the manifest lacks the column, or a sample.

    Ids are compared within a class only: sets put together from several sources number people twice.
    """
    groups = _read(manifest, column)
    missing = next((sample.name for sample in samples if sample.name not in groups), None)
    if missing is not None:
        raise UserError(f"data.groups: {quoted(manifest)} has no line for {quoted(missing)}")
    return [replace(sample, group=f"{sample.label}/{groups[sample.name]}") for sample in samples]


def _read(path: Path, column: str) -> dict[str, str]:
    if not path.is_file():
        raise UserError(f"data.groups = {column}: there is no {quoted(path)} to read it from")
    lines = rows(path)
    _, columns = next(lines, (0, []))
    if column not in columns or "file" not in columns:
        raise UserError(
            f"data.groups = {column}: {quoted(path)} has the columns {', '.join(map(quoted, columns))};"
            f" file and {column} are needed"
        )
    file, group = columns.index("file"), columns.index(column)
    found = {}
    for number, row in lines:
        if len(row) != len(columns):
            raise UserError(f"{quoted(path)}:{number}: has {len(row)} cells, the first line has {len(columns)}")
        found[row[file]] = row[group]
    return found
