"""Prepares a data set: decodes every image once, splits it, and keeps each form of the same samples.

A prepared data set is a folder in the cache: `packed.npy` uint8 (n, channels, side, side), `npy/` one array a
sample, `labels.npy` int64 (n,), `train.npy` and `test.npy` int32, `images.json` the files, `manifest.json`
with a digest a sample. It is built aside and moved into place when it is whole.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import environments, store
from bench.data.image_files import examine
from bench.data.split import split
from bench.dataset import Progress, Request, Sample
from bench.errors import UserError
from bench.images import decode
from bench.spec import Data

SCHEMA = 1
NAMED = 5  # how many bad files a message names


@dataclass(frozen=True)
class Prepared:
    """A prepared data set. `pixels` is the sha256 of packed.npy's samples, `digest` of samples, labels and split."""

    folder: Path
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    labels: npt.NDArray[np.int64]
    train: npt.NDArray[np.int32]
    test: npt.NDArray[np.int32]
    pixels: str
    digest: str
    split_by: str
    skipped: tuple[tuple[str, str], ...]


def prepare(plugin: ModuleType, name: str, settings: Data, seed: int, report: Progress) -> Prepared:
    """Return the data set, prepared now if it isn't in the cache.

    Raises UserError for a source that can't be read, a class with fewer than two samples, or bad files
    (unless `settings.skip_bad`, which leaves them out and records them).
    """
    home = environments.home() / "data"
    source = Path(settings.source).expanduser() if settings.source is not None else None
    generated = home / f"{name}-files-{_place_key(source, settings, seed)}"
    request = Request(source, generated, settings.samples, settings.groups, settings.film_size, seed, report)
    samples = sorted(plugin.samples(request), key=lambda sample: sample.name)
    _refuse_twins(samples)
    folder = home / f"{name}-{_key(samples, settings, seed)}"
    if not (folder / "manifest.json").is_file():
        _build(folder, samples, settings, seed, report)
    return _open(folder)


def _place_key(source: Path | None, settings: Data, seed: int) -> str:
    """Names the folder of generated files, so that files made of another source never pass for this one's."""
    listed: list[Any] = [str(source), settings.samples, settings.film_size, seed]
    if source is not None and source.is_dir():
        listed += [[path.name, path.stat().st_mtime_ns] for path in sorted(source.iterdir())]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:12]


def _refuse_twins(samples: Sequence[Sample]) -> None:
    twins = [name for name, count in Counter(sample.name for sample in samples).items() if count > 1]
    if twins:
        raise UserError(f"two samples of one name: {_some(twins)}")


def _key(samples: Sequence[Sample], settings: Data, seed: int) -> str:
    """Names what is prepared: the files with sizes and times, and every setting that changes an array."""
    state = hashlib.sha256(
        json.dumps(
            [
                SCHEMA,
                settings.image_size,
                settings.channels,
                settings.holdout,
                settings.groups,
                settings.skip_bad,
                seed,
            ]
        ).encode()
    )
    for sample in samples:
        try:
            status = sample.path.stat()
            facts = [status.st_size, status.st_mtime_ns]
        except OSError:
            facts = []
        state.update(
            json.dumps([sample.name, sample.label, sample.group, sample.split, str(sample.path), facts]).encode()
        )
    return state.hexdigest()[:12]


def _build(folder: Path, samples: Sequence[Sample], settings: Data, seed: int, report: Progress) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    shape = (settings.channels, settings.image_size, settings.image_size)
    good, arrays, bad = _decode(samples, shape, report)
    if bad and not settings.skip_bad:
        reasons = [f"{sample.path} {reason}" for sample, reason in bad]
        raise UserError(
            f"data.source: {len(bad)} of {len(samples)} files can't be used: {_some(reasons)};"
            " mend them, or leave them out with --set data.skip_bad=true"
        )
    classes = _classes(good)
    is_test, split_by = split(good, settings.holdout, settings.groups, seed)
    labels = np.array([classes.index(sample.label) for sample in good], np.int64)
    packed = np.stack(arrays)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
        part = Path(aside, "data")
        (part / "npy").mkdir(parents=True)
        np.save(part / "packed.npy", packed)
        for index, array in enumerate(arrays):
            np.save(part / "npy" / f"{index:06d}.npy", array)
            report("writing npy files", index + 1, len(arrays))
        np.save(part / "labels.npy", labels)
        np.save(part / "train.npy", np.flatnonzero(~is_test).astype(np.int32))
        np.save(part / "test.npy", np.flatnonzero(is_test).astype(np.int32))
        (part / "images.json").write_text(json.dumps([str(sample.path.resolve()) for sample in good]))
        manifest = {
            "classes": classes,
            "shape": shape,
            "pixels": hashlib.sha256(packed.data).hexdigest(),
            "digest": _digest(packed, labels, is_test),
            "split_by": split_by,
            "skipped": [[sample.name, reason] for sample, reason in bad],
            "samples": [
                [
                    sample.name,
                    sample.label,
                    sample.group,
                    "test" if held else "train",
                    hashlib.sha256(array.data).hexdigest(),
                ]
                for sample, held, array in zip(good, is_test, arrays, strict=True)
            ],
        }
        store.write_text(part / "manifest.json", json.dumps(manifest))
        _move(part, folder)


def _move(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not (folder / "manifest.json").is_file():  # what an interrupted removal left
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)


def _decode(
    samples: Sequence[Sample], shape: tuple[int, int, int], report: Progress
) -> tuple[list[Sample], list[npt.NDArray[np.uint8]], list[tuple[Sample, str]]]:
    def one(sample: Sample) -> Any:
        try:
            content = sample.path.read_bytes()
            examine(content)
            return decode(content, shape)
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or str(error)

    good, arrays, bad = [], [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (sample, result) in enumerate(zip(samples, pool.map(one, samples), strict=True), start=1):
            if isinstance(result, str):
                bad.append((sample, result))
            else:
                good.append(sample)
                arrays.append(result)
            report("decoding images", done, len(samples))
    return good, arrays, bad


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


def _digest(packed: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], is_test: npt.NDArray[np.bool_]) -> str:
    state = hashlib.sha256(packed.data)
    state.update(labels.astype("<i8").tobytes())
    state.update(is_test.astype(np.uint8).tobytes())
    return state.hexdigest()


def _open(folder: Path) -> Prepared:
    manifest = json.loads((folder / "manifest.json").read_text())
    return Prepared(
        folder=folder,
        classes=tuple(manifest["classes"]),
        shape=tuple(manifest["shape"]),
        labels=np.load(folder / "labels.npy"),
        train=np.load(folder / "train.npy"),
        test=np.load(folder / "test.npy"),
        pixels=manifest["pixels"],
        digest=manifest["digest"],
        split_by=manifest["split_by"],
        skipped=tuple((name, reason) for name, reason in manifest["skipped"]),
    )


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return "; ".join(items[:NAMED]) + more
