"""Which samples are held out: decided by a hash of names, whole groups on one side, stratified by class."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench import draws
from bench.dataset import Sample
from bench.errors import UserError


def split(
    samples: Sequence[Sample], holdout: float, groups: str | None, seed: int
) -> tuple[npt.NDArray[np.bool_], str]:
    """Return which samples are held out, bool (n,), and in words how that was decided.

    Whole groups stay together. Decided by a hash of names, so neither the order nor other files matter.
    """
    if all(sample.split for sample in samples):
        return np.array([sample.split == "test" for sample in samples]), "given by the data set"
    is_test = np.zeros(len(samples), bool)
    for label in sorted({sample.label for sample in samples}):
        members: dict[str, list[int]] = {}
        for index, sample in enumerate(samples):
            if sample.label == label:
                members.setdefault(sample.group or sample.name, []).append(index)
        ordered = sorted(members, key=lambda unit: _draw(seed, unit if groups else f"{label}/{unit}"))
        total = sum(len(own) for own in members.values())
        wanted = min(max(1, round(holdout * total)), total - 1)
        taken = 0
        for unit in ordered[: max(1, len(ordered) - 1)]:
            if taken >= wanted:
                break
            is_test[members[unit]] = True
            taken += len(members[unit])
    if groups:
        _keep_groups_whole(samples, is_test)
    _refuse_one_sided(samples, is_test)
    how = f"by {groups}, whole groups on one side" if groups else "by file"
    return is_test, f"{how}, stratified by class, {holdout:.0%} held out"


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
