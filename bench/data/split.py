"""Which samples are held out: decided by a hash of names, whole groups on one side, stratified by class."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench import draws
from bench.dataset import Sample
from bench.errors import UserError
from bench.spec import Data


def split(samples: Sequence[Sample], settings: Data, seed: int) -> tuple[npt.NDArray[np.bool_], str]:
    """Return which samples are held out, bool (n,), and in words how that was decided.

    With `data.groups` whole groups stay together. Decided by a hash of names, so neither the order nor other files
    matter; of folds, where each sample is held out in one, the other files do.
    """
    if all(sample.split for sample in samples):
        if settings.folds:
            raise UserError("data.folds: this data set comes with its own split; leave folds and fold out")
        return np.array([sample.split == "test" for sample in samples]), "given by the data set"
    by = f"by {settings.groups}, whole groups on one side" if settings.groups else "by file"
    if settings.folds and settings.fold:
        return _fold(samples, settings, seed), f"{by}, fold {settings.fold} of {settings.folds} held out"
    return _share(samples, settings, seed), f"{by}, stratified by class, {settings.holdout:.0%} held out"


def _share(samples: Sequence[Sample], settings: Data, seed: int) -> npt.NDArray[np.bool_]:
    is_test = np.zeros(len(samples), bool)
    for label, own in _by_class(samples).items():
        members: dict[str, list[int]] = {}
        for index in own:
            group = samples[index].group if settings.groups else None
            members.setdefault(group or samples[index].name, []).append(index)
        ordered = sorted(members, key=lambda unit: _draw(seed, unit if settings.groups else f"{label}/{unit}"))
        wanted = min(max(1, round(settings.holdout * len(own))), len(own) - 1)
        taken = 0
        for unit in ordered[: max(1, len(ordered) - 1)]:
            if taken >= wanted:
                break
            is_test[members[unit]] = True
            taken += len(members[unit])
    if settings.groups:
        _keep_groups_whole(samples, is_test)
    _refuse_one_sided(samples, is_test)
    return is_test


def _fold(samples: Sequence[Sample], settings: Data, seed: int) -> npt.NDArray[np.bool_]:
    assert settings.folds is not None
    folds = _group_folds(samples, settings, seed) if settings.groups else _sample_folds(samples, settings.folds, seed)
    is_test: npt.NDArray[np.bool_] = folds == settings.fold
    for label, own in _by_class(samples).items():
        if is_test[own].all():
            raise UserError(
                f"data.fold = {settings.fold}: all of class {label!r} is in it, and none is left to train on;"
                f" its groups by {settings.groups} are too few to hold one out"
            )
    return is_test


def _sample_folds(samples: Sequence[Sample], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """The fold of each sample, from 1: each class dealt out in a drawn order, going on where the last one ended."""
    found = np.zeros(len(samples), np.int64)
    dealt = 0
    for label, own in sorted(_by_class(samples).items()):
        if len(own) < folds:
            raise UserError(f"data.folds = {folds}: class {label!r} has {len(own)} samples; a fold each is needed")
        ordered = sorted(own, key=lambda index: _draw(seed, f"{samples[index].label}/{samples[index].name}"))
        for index in ordered:
            found[index] = 1 + dealt % folds
            dealt += 1
    return found


def _group_folds(samples: Sequence[Sample], settings: Data, seed: int) -> npt.NDArray[np.int64]:
    """The fold of each sample, from 1: groups in a drawn order, each to the fold that has fewest samples yet."""
    assert settings.folds is not None
    sizes: dict[str, int] = {}
    for sample in samples:
        if sample.group is None:
            raise UserError(f"data.groups = {settings.groups}: {sample.name!r} belongs to none")
        sizes[sample.group] = sizes.get(sample.group, 0) + 1
    if len(sizes) < settings.folds:
        raise UserError(
            f"data.folds = {settings.folds}: there are {len(sizes)} groups by {settings.groups}; at most so many folds"
        )
    filled = [0] * settings.folds
    places: dict[str, int] = {}
    for group in sorted(sizes, key=lambda own: (_draw(seed, own), own)):
        places[group] = filled.index(min(filled))
        filled[places[group]] += sizes[group]
    return np.array([1 + places[str(sample.group)] for sample in samples], np.int64)


def _by_class(samples: Sequence[Sample]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        found.setdefault(sample.label, []).append(index)
    return found


def _draw(seed: int, unit: str) -> int:
    word = int.from_bytes(hashlib.sha256(unit.encode("utf-8", "surrogateescape")).digest()[:8], "little")
    return int(draws.keys(seed, "split", word))


def _keep_groups_whole(samples: Sequence[Sample], is_test: npt.NDArray[np.bool_]) -> None:
    """A group with samples of several classes goes where its first class put it."""
    sides: dict[str, bool] = {}
    for index, sample in enumerate(samples):
        if sample.group is not None:
            is_test[index] = sides.setdefault(sample.group, bool(is_test[index]))


def _refuse_one_sided(samples: Sequence[Sample], is_test: npt.NDArray[np.bool_]) -> None:
    for label in sorted({sample.label for sample in samples}):
        sides = {bool(held) for sample, held in zip(samples, is_test, strict=True) if sample.label == label}
        if len(sides) < 2:
            raise UserError(
                f"data.holdout: class {label!r} can't be split into a part to train on and a part to test on;"
                " it needs at least two files (with data.groups: two groups)"
            )
