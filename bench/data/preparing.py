"""Prepares a data set: decodes every image once, splits it, and keeps each form of the same samples.

It is prepared in a folder aside, which an interrupted preparation leaves and the next one goes on with, and moved
into place when it is whole.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench import store
from bench.data import prepared
from bench.data.alone import alone, settle
from bench.data.decoding import Decoded, Entry, Unusable, read
from bench.data.listing import SCHEMA, Listing, listed
from bench.data.parallel import parallel
from bench.data.prepared import Prepared
from bench.data.split import split
from bench.data.wording import counted, quoted, some
from bench.data.working import Working, npy_head
from bench.dataset import Progress, Sample
from bench.errors import UserError
from bench.spec import Data


def prepare(plugin: ModuleType, name: str, settings: Data, seed: int, report: Progress) -> Prepared:
    """Return the data set, prepared now if it isn't in the cache.

    Raises UserError for a source that can't be read, a class with fewer than two samples, or bad files
    (unless `settings.skip_bad`, which leaves them out and records them).
    """
    listing = listed(plugin, name, settings, seed, report)
    folder = listing.folder
    aside = folder.with_name(f".{folder.name}.part")

    def waiting() -> None:
        report(f"waiting: another bench prepares {name}", 0, 1)

    with alone(aside, lambda: prepared.is_whole(folder), waiting) as mine:
        if mine:
            try:
                _build(aside, listing, report)
            except UserError:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            if folder.exists():  # what an interrupted removal left
                shutil.rmtree(folder)
            aside.rename(folder)
            (folder / ".lock").unlink()
    return prepared.load(folder)


@dataclass(frozen=True)
class _Good:
    """A sample that could be decoded: its place in the listing and what was found out."""

    index: int
    entry: Entry
    decoded: Decoded


def _build(folder: Path, listing: Listing, report: Progress) -> None:
    with closing(Working(folder, listing.shape)) as working:
        good, bad = _decode(working, listing.entries, report)
        _refuse_bad(good, bad, listing)
        classes = _classes([one.entry.sample for one in good])
        is_test, split_by = split([one.entry.sample for one in good], listing.settings, listing.seed)
        labels = np.array([classes.index(one.entry.sample.label) for one in good], np.int64)
        pixels = _pack(working, good, report)
    digest = pixels.copy()
    digest.update(labels.astype("<i8").tobytes())
    digest.update(is_test.astype(np.uint8).tobytes())
    np.save(folder / "labels.npy", labels)
    np.save(folder / "train.npy", np.flatnonzero(~is_test).astype(np.int32))
    np.save(folder / "test.npy", np.flatnonzero(is_test).astype(np.int32))
    choices = listing.choices
    rows = [_row(one, bool(held), working) for one, held in zip(good, is_test, strict=True)]
    manifest = {
        "schema": SCHEMA,
        "dataset": listing.name,
        "source": choices.pop("source"),
        "settings": choices,
        "classes": classes,
        "shape": listing.shape,
        "pixels": pixels.hexdigest(),
        "digest": digest.hexdigest(),
        "split_by": split_by,
        "warnings": listing.warnings,
        "skipped": [[entry.sample.name, reason] for entry, reason in bad],
        "notes": [[one.entry.sample.name, one.decoded.image.loses] for one in good if one.decoded.image.loses],
        "columns": prepared.COLUMNS,
        "samples": [row.cells() for row in rows],
    }
    (folder / "images.json").write_text(json.dumps([row.path for row in rows]))
    (folder / "npy.json").write_text(json.dumps([row.npy for row in rows]))
    settle()
    store.write_text(folder / "manifest.json", json.dumps(manifest))
    (folder / "log.jsonl").unlink()


def _decode(
    working: Working, entries: Sequence[Entry], report: Progress
) -> tuple[list[_Good], list[tuple[Entry, str]]]:
    """Decode what an earlier preparation didn't; only facts stay in memory, the arrays go to the disk."""

    def one(numbered: tuple[int, Entry]) -> tuple[Decoded | str, bool]:
        index, entry = numbered
        kept = working.kept(index, entry)
        if kept is not None:
            return kept, False
        try:
            decoded, array = read(entry, working.shape)
        except Unusable as error:
            return str(error), False
        working.write(index, array)
        return decoded, True

    good, bad = [], []
    for index, (result, is_new) in enumerate(parallel(one, enumerate(entries))):
        entry = entries[index]
        if isinstance(result, str):
            bad.append((entry, result))
        else:
            good.append(_Good(index, entry, result))
            if is_new:
                working.log(index, entry, result)
        report("decoding images", index + 1, len(entries))
    return good, bad


def _pack(working: Working, good: Sequence[_Good], report: Progress) -> Any:
    """Write packed.npy, as np.save would, an array at a time; return the sha256 object of the samples' bytes."""
    pixels = hashlib.sha256()
    with (working.folder / "packed.npy").open("wb") as file:
        file.write(npy_head((len(good), *working.shape)))
        for done, array in enumerate(_arrays(working, good), start=1):
            file.write(array)
            pixels.update(array)
            report("packing", done, len(good))
    return pixels


def _arrays(working: Working, good: Sequence[_Good]) -> Iterator[bytes]:
    for one in good:
        array = working.array(one.index)
        if array is None:
            raise UserError(f"{working.npy(one.index)}: was changed while it was being prepared; prepare it again")
        yield array


def _row(one: _Good, held: bool, working: Working) -> prepared.Row:
    sample, image = one.entry.sample, one.decoded.image
    assert one.entry.size is not None
    assert one.entry.mtime_ns is not None
    return prepared.Row(
        name=sample.name,
        label=sample.label,
        group=sample.group,
        side="test" if held else "train",
        path=str(sample.path.resolve()),
        size=one.entry.size,
        mtime_ns=one.entry.mtime_ns,
        file_sha256=one.decoded.file_sha256,
        array_sha256=one.decoded.array_sha256,
        width=image.width,
        height=image.height,
        kind=image.kind,
        npy=working.npy(one.index).relative_to(working.folder).as_posix(),
    )


def _refuse_bad(good: Sequence[_Good], bad: Sequence[tuple[Entry, str]], listing: Listing) -> None:
    reasons = [f"{quoted(entry.sample.path)} {reason}" for entry, reason in bad]
    if bad and not listing.settings.skip_bad:
        raise UserError(
            f"data.source: {len(bad)} of {counted(len(listing.entries), 'file')} can't be used: {some(reasons)};"
            " mend them, or leave them out with --set data.skip_bad=true"
        )
    lost = {entry.sample.label for entry, _ in bad} - {one.entry.sample.label for one in good}
    if lost:
        of_them = [reason for (entry, _), reason in zip(bad, reasons, strict=True) if entry.sample.label in lost]
        raise UserError(
            f"data.source: no file of class {' and '.join(repr(label) for label in sorted(lost))} can be used:"
            f" {some(of_them)}"
        )


def _classes(samples: Sequence[Sample]) -> list[str]:
    counts = Counter(sample.label for sample in samples)
    if len(counts) < 2:
        raise UserError(f"data.source: usable images of {len(counts)} class(es) only; at least two are needed")
    small = [label for label, count in counts.items() if count < 2]
    if small:
        raise UserError(
            f"data.source: class {small[0]!r} has only one usable image; one to train on and one to test on are needed"
        )
    return sorted(counts)
