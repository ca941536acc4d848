"""Holds what lies in a prepared data set's folder against its manifest, byte by byte."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.prepared import Row
from bench.data.wording import quoted
from bench.data.working import npy_head
from bench.dataset import Progress


def damaged(folder: Path, manifest: Mapping[str, Any], rows: Sequence[Row], report: Progress) -> list[str]:
    """Return which files, or rows of packed.npy, aren't what was prepared; texts that begin with the name."""
    shape = tuple(manifest["shape"])
    return [
        *_packed(folder / "packed.npy", shape, rows),
        *_arrays(folder, shape, rows, report),
        *_tables(folder, manifest["classes"], rows),
        *_lists(folder, rows),
    ]


def _packed(path: Path, shape: tuple[int, ...], rows: Sequence[Row]) -> Iterator[str]:
    head = npy_head((len(rows), *shape))
    size = int(np.prod(shape))
    try:
        with path.open("rb") as file:
            if file.read(len(head)) != head or path.stat().st_size != len(head) + size * len(rows):
                yield "packed.npy has another shape or length than was prepared"
                return
            for index, row in enumerate(rows):
                if hashlib.sha256(file.read(size)).hexdigest() != row.array_sha256:
                    yield f"packed.npy[{index}] isn't {quoted(row.name)} as it was prepared"
    except OSError as error:
        yield f"packed.npy can't be read: {error.strerror}"


def _arrays(folder: Path, shape: tuple[int, ...], rows: Sequence[Row], report: Progress) -> Iterator[str]:
    head = npy_head(shape)
    for done, row in enumerate(rows, start=1):
        try:
            content = (folder / row.npy).read_bytes()
        except OSError as error:
            yield f"{row.npy} can't be read: {error.strerror}"
            continue
        if not content.startswith(head) or hashlib.sha256(content[len(head) :]).hexdigest() != row.array_sha256:
            yield f"{row.npy} isn't {quoted(row.name)} as it was prepared"
        report("checking prepared forms", done, len(rows))


def _tables(folder: Path, classes: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    is_test = np.array([row.side == "test" for row in rows])
    expected: dict[str, npt.NDArray[Any]] = {
        "labels": np.array([classes.index(row.label) for row in rows]),
        "train": np.flatnonzero(~is_test),
        "test": np.flatnonzero(is_test),
    }
    for name, array in expected.items():
        try:
            same = np.array_equal(np.load(folder / f"{name}.npy"), array)
        except (OSError, ValueError, EOFError):
            same = False
        if not same:
            yield f"{name}.npy isn't what was prepared"


def _lists(folder: Path, rows: Sequence[Row]) -> Iterator[str]:
    for name, expected in (("images.json", [row.path for row in rows]), ("npy.json", [row.npy for row in rows])):
        try:
            same = json.loads((folder / name).read_text(encoding="utf-8")) == expected
        except (OSError, ValueError):
            same = False
        if not same:
            yield f"{name} isn't what was prepared"
