"""What a source holds now, by a dataset plugin: samples in order, and the name of the folder that fits them."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import environments
from bench.data.decoding import Entry
from bench.data.wording import quoted, some
from bench.dataset import Progress, Request, Sample
from bench.errors import UserError
from bench.spec import Data

SCHEMA = 2


@dataclass(frozen=True)
class Listing:
    """A data set's samples, by name, the settings that make arrays of them, and what its plugin warns of."""

    name: str
    settings: Data
    seed: int
    shape: tuple[int, int, int]  # of a sample: channels, height, width
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the prepared data set lies; another state of any file, or another setting, means another folder."""
        return home() / f"{self.name}-{self._key()}"

    @property
    def choices(self) -> dict[str, Any]:
        """The source and the settings that decide what is prepared; `skip_bad` among them."""
        settings = self.settings
        return {
            "source": source_told(settings),
            "image_size": settings.image_size,
            "channels": settings.channels,
            "samples": settings.samples,
            "groups": settings.groups,
            "holdout": settings.holdout,
            "folds": settings.folds,
            "fold": settings.fold,
            "axes": settings.axes,
            "skip_bad": settings.skip_bad,
            "film_size": settings.film_size,
            "seed": self.seed,
        }

    def _key(self) -> str:
        choices = {key: value for key, value in self.choices.items() if key not in ("source", "samples", "film_size")}
        state = hashlib.sha256(json.dumps([SCHEMA, choices]).encode())
        for entry in self.entries:
            own = entry.sample
            path = os.path.abspath(own.path)  # noqa: PTH100 - links aren't followed, which takes a while
            facts = [own.name, own.label, own.group, own.split, path, own.fault, entry.size, entry.mtime_ns]
            state.update(json.dumps(facts).encode())
        return state.hexdigest()[:12]


def home() -> Path:
    """Return the folder that holds prepared data sets and generated files."""
    return environments.home() / "data"


def source_told(settings: Data) -> str | None:
    """Return the source's absolute path, links followed."""
    path = source_path(settings)
    return None if path is None else os.path.realpath(path)


def source_path(settings: Data) -> Path | None:
    """Return the source with ~ expanded. Raises UserError for a path that no file can have."""
    if settings.source is None:
        return None
    try:
        path = Path(settings.source).expanduser()
        path.exists()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"data.source = {quoted(settings.source)}: no such file or folder: {error}") from error
    return path


def listed(plugin: ModuleType, name: str, settings: Data, seed: int, report: Progress) -> Listing:
    """Ask the plugin for the samples. Raises UserError for a source that can't be read or two samples of one name."""
    if settings.axes != "all" and not getattr(plugin, "HAS_AXES", False):
        raise UserError(f"data.axes = {settings.axes}: the samples of {name} have no such axes; allowed is all")
    source = source_path(settings)
    try:
        generated = home() / f"{name}-files-{_generated_key(source, settings, seed)}"
        warnings: list[str] = []
        request = Request(
            source, generated, settings.samples, settings.groups, settings.axes, settings.film_size, seed, report,
            warnings.append,
        )  # fmt: skip
        samples = sorted(plugin.samples(request), key=lambda sample: sample.name)
    except OSError as error:
        raise UserError(f"{quoted(error.filename or name)}: {error.strerror or error}") from error
    _refuse_twins(samples)
    entries = tuple(Entry.of(sample) for sample in samples)
    return Listing(name, settings, seed, _shape(plugin, settings), entries, tuple(warnings))


def _shape(plugin: ModuleType, settings: Data) -> tuple[int, int, int]:
    if hasattr(plugin, "shape"):
        channels, height, width = plugin.shape(settings)
        return channels, height, width
    return settings.channels, settings.image_size, settings.image_size


def _generated_key(source: Path | None, settings: Data, seed: int) -> str:
    """Names the folder of generated files, so that files made of another source never pass for this one's."""
    if source is None:
        facts: list[Any] = [settings.film_size, seed]
    else:
        files = sorted(source.iterdir()) if source.is_dir() else [source] if source.exists() else []
        facts = [os.path.realpath(source), *([str(file.name), *_state(file)] for file in files)]
    return hashlib.sha256(json.dumps([SCHEMA, facts]).encode()).hexdigest()[:12]


def _state(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns


def _refuse_twins(samples: Sequence[Sample]) -> None:
    twins = [quoted(name) for name, count in Counter(sample.name for sample in samples).items() if count > 1]
    if twins:
        raise UserError(f"two samples of one name: {some(twins)}; each file may be listed once")
