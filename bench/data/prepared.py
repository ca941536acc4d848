"""A prepared data set as it lies in the cache: a folder with every form of the same samples.

`packed.npy` uint8 (n, channels, side, side); `npy/` one uint8 array a sample, `npy.json` their paths in the folder,
in the order of the samples; `labels.npy` int64 (n,); `train.npy` and `test.npy` int32; `images.json` the image
files; `manifest.json` what was prepared of what, with digests.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.listing import Listing, home
from bench.data.wording import counted, losses, quoted, some


@dataclass(frozen=True)
class Prepared:
    """A prepared data set. `pixels` is the sha256 of packed.npy's samples, `digest` of samples, labels and split.

    `groups` tells whose each sample is, where the set does; `told` has what its plugin warns of; `skipped` has
    (name, reason) of the files left out, `notes` (name, what) of those of which decoding loses something.
    """

    folder: Path
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    labels: npt.NDArray[np.int64]
    train: npt.NDArray[np.int32]
    test: npt.NDArray[np.int32]
    pixels: str
    digest: str
    split_by: str
    groups: tuple[str | None, ...]
    told: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def warnings(self) -> list[str]:
        """What somebody who trains on it should know, a line each: its plugin's, files left out, and what is lost."""
        told = list(self.told)
        if self.skipped:
            reasons = some([f"{quoted(name)} {reason}" for name, reason in self.skipped])
            told.append(f"{counted(len(self.skipped), 'file')} left out: {reasons}")
        lost = losses(self.notes)
        return [*told, lost] if lost else told


@dataclass(frozen=True)
class Row:
    """A sample in the manifest: `path` is the image file's real one, `npy` the array's in the folder."""

    name: str
    label: str
    group: str | None
    side: str
    path: str
    size: int
    mtime_ns: int
    file_sha256: str
    array_sha256: str
    width: int
    height: int
    kind: str
    npy: str

    def cells(self) -> list[Any]:
        """The row as the manifest has it."""
        return list(asdict(self).values())


COLUMNS = tuple(Row.__dataclass_fields__)


def is_whole(folder: Path) -> bool:
    """Whether a prepared data set lies there; it is moved there whole."""
    return (folder / "manifest.json").is_file()


def load(folder: Path) -> Prepared:
    """Open a prepared data set; its samples stay on the disk."""
    manifest = read_manifest(folder)
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
        groups=tuple(row.group for row in rows(manifest)),
        told=tuple(manifest.get("warnings", ())),  # none in a folder of before there were any
        skipped=tuple((name, reason) for name, reason in manifest["skipped"]),
        notes=tuple((name, what) for name, what in manifest["notes"]),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest as it is stored."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def rows(manifest: dict[str, Any]) -> list[Row]:
    """Return the manifest's samples."""
    return [Row(*cells) for cells in manifest["samples"]]


def newest_like(listing: Listing) -> Path | None:
    """Return the newest prepared data set of the same name, source and settings, whatever its files were then."""
    found = sorted(home().glob("*/manifest.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in found:
        if not path.parent.name.startswith((f"{listing.name}-", ".")):
            continue
        try:
            manifest = read_manifest(path.parent)
        except (OSError, ValueError):
            continue
        told = {**manifest.get("settings", {}), "source": manifest.get("source")}
        if manifest.get("dataset") == listing.name and _same(told, listing.choices):
            return path.parent
    return None


def _same(told: dict[str, Any], choices: dict[str, Any]) -> bool:
    return all(told.get(key) == value for key, value in choices.items() if key != "skip_bad")
