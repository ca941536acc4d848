"""Cross-validation: every sample, or group, is held out in one fold and trained on in all others."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import data, model
from bench.dataset import Sample
from bench.errors import UserError
from bench.spec import Data, Model
from tests.conftest import refused


def people(counts: dict[str, tuple[int, int]]) -> list[Sample]:
    """So many samples of two classes by person."""
    return [
        Sample(f"{label}/{person}-{number}", label, Path(), person)
        for person, own in counts.items()
        for label, count in zip(("LtoR", "RtoL"), own, strict=True)
        for number in range(count)
    ]


def held_out(samples: list[Sample], folds: int, seed: int, groups: str | None) -> np.ndarray:
    """Bool (folds, n)."""
    own = (Data(folds=folds, fold=fold, groups=groups) for fold in range(1, folds + 1))
    return np.array([data.split(samples, one, seed)[0] for one in own])


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.integers(6, 30), st.integers(6, 30), st.integers(0, 99), st.randoms())
def test_each_sample_is_held_out_once_and_classes_are_spread(folds, first, second, seed, random):
    samples = people({"p1": (first, second)})
    sides = held_out(samples, folds, seed, None)
    assert (sides.sum(axis=0) == 1).all()
    assert np.ptp(sides.sum(axis=1)) <= 1, "folds are as large as can be"
    for label in ("LtoR", "RtoL"):
        own = sides[:, [sample.label == label for sample in samples]].sum(axis=1)
        assert np.ptp(own) <= 1
    order = list(range(len(samples)))
    random.shuffle(order)
    shuffled = held_out([samples[index] for index in order], folds, seed, None)
    assert np.array_equal(shuffled, sides[:, order])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=9), st.integers(0, 99), st.data())
def test_a_person_is_held_out_whole_with_both_classes(counts, seed, draw):
    folds = draw.draw(st.integers(2, len(counts)))
    samples = people({f"p{number}": (count, count) for number, count in enumerate(counts)})
    sides = held_out(samples, folds, seed, "person")
    assert (sides.sum(axis=0) == 1).all()
    by_person = {sample.group: sides[:, [one.group == sample.group for one in samples]] for sample in samples}
    assert all((own == own[:, :1]).all() for own in by_person.values())
    assert sides.any(axis=1).all(), "no fold is empty"
    if folds == len(counts):
        assert all(len({samples[index].group for index in np.flatnonzero(side)}) == 1 for side in sides)
    assert np.array_equal(held_out(samples[::-1], folds, seed, "person"), sides[:, ::-1])


def test_who_a_sample_is_of_matters_only_where_it_is_asked_for():
    samples = people({"p1": (5, 5), "p2": (5, 5)})
    nobody = [Sample(one.name, one.label, one.path) for one in samples]
    assert np.array_equal(data.split(samples, Data(), 3)[0], data.split(nobody, Data(), 3)[0])
    assert data.split(samples, Data(folds=2, fold=1, groups="person"), 0)[1].endswith("fold 1 of 2 held out")


@pytest.mark.parametrize(
    ("counts", "own", "told"),
    [
        ({"p1": (4, 9)}, Data(folds=5, fold=1), "data.folds = 5: class 'LtoR' has 4 samples; a fold each"),
        (
            {"p1": (9, 9), "p2": (9, 9)},
            Data(folds=3, fold=1, groups="person"),
            "data.folds = 3: there are 2 groups by person; at most so many folds",
        ),
    ],
)
def test_too_few_for_so_many_folds(counts, own, told):
    with pytest.raises(UserError, match=told):
        data.split(people(counts), own, 0)


def test_a_class_of_one_group_cannot_be_held_out():
    samples = people({"p1": (5, 0), "p2": (0, 5)})
    with pytest.raises(UserError, match=r"all of class '(LtoR|RtoL)' is in it, and none is left to train on"):
        data.split(samples, Data(folds=2, fold=1, groups="person"), 0)


def test_a_set_that_is_split_already_has_no_folds():
    samples = [Sample(str(number), "a", Path(), None, "train") for number in range(4)]
    with pytest.raises(UserError, match="comes with its own split"):
        data.split(samples, Data(folds=2, fold=1), 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set=data.folds=3"], "give both or neither"),
        (["--set=data.folds=3", "--set=data.fold=4"], "fold must be at most folds (3)"),
        (["--set=data.axes=gyroscope"], "data.axes = gyroscope: the samples of synthetic-xray have no such axes"),
    ],
)
def test_bad_settings_are_refused_in_one_line(bench, arguments, told):
    refused(bench("run", "--backends=reference", *arguments, tiny=True), told)


def test_a_run_holds_out_another_fold_each_time(bench):
    finished = bench("run", "--backends=reference", "--json", "--set=data.folds=3", "--set=data.fold=2", tiny=True)
    assert finished.code == 0, finished.err
    assert '"test_samples": 10' in finished.out


def test_small_samples_are_refused_by_convolutions_and_taken_by_the_mlp():
    with pytest.raises(UserError, match="samples of 3 x 64 are too small for these convolutions; mlp takes any"):
        model.layers(Model(), (1, 3, 64), 2)
    assert model.layers(Model(name="mlp"), (1, 3, 64), 2)[1]["in"] == 192
