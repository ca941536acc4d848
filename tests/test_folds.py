"""Cross-validation: every sample, or group, is held out in one fold and trained on in all others."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import data, model, ratios
from bench.crossval.tables import tables as crossval
from bench.dataset import Sample
from bench.errors import UserError
from bench.spec import Data, Model
from bench.table import tables
from bench.words import words
from tests.conftest import refused
from tests.test_reports import comparison, run_of


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


def cross_validated(*folds: list[dict], groups: str | None = None, private: bool = False) -> dict:
    """A comparison whose cells are the folds of one cross-validation, with these runs each."""
    cells = []
    for fold, runs in enumerate(folds, start=1):
        (cell,) = comparison(*(run | {"predicted": [0] * 10} for run in runs))["cells"]
        cell["spec"]["data"] |= {"folds": len(folds), "fold": fold, "groups": groups}
        cell["spec"]["privacy"] = {"unit": "example"} if private else None
        cell["set"] = {"data.fold": fold} | ({"privacy.noise_multiplier": 1.0} if private else {})
        cell["held_out"] = {"samples": list(range(10 * fold, 10 * fold + 10)), "classes": [0] * 10}
        cell["task"] = fold
        cells.append(cell)
    return comparison() | {"cells": cells}


def of_titles(told: dict, start: str) -> list:
    return [table for table in crossval(told) if table.title.startswith(start)]


def test_ratios_are_of_pairs_within_a_fold():
    """The machine is ten times slower in the second fold, and a backend has one fold more than the other."""
    told = cross_validated(
        [run_of("a", 1), run_of("b", 1, slower=2.0)],
        [run_of("a", 1, slower=10.0), run_of("b", 1, slower=20.0)],
        [run_of("a", 1, slower=500.0), run_of("b", 1, status="failed")],
    )
    (costs,) = of_titles(told, "What a fold costs")
    place = costs.columns.index("a round")
    assert [row[place] for row in costs.rows] == ["-", "2.00x [2.00, 2.00]"]
    assert any("ratio of b to a; a pair is the same fold, repeat and round" in note for note in costs.notes)


def test_a_centralised_fold_has_no_ratio():
    central = run_of("central", 1, slower=9.0) | {"centralised": True}
    (costs,) = of_titles(cross_validated([run_of("a", 1), run_of("b", 1), central]), "What a fold costs")
    assert [row[costs.columns.index("a round")][:4] for row in costs.rows] == ["-", "1.00", "-"]
    (costs,) = of_titles(cross_validated([run_of("a", 1), central]), "What a fold costs")
    assert "a round" not in costs.columns, "there is nothing to take a ratio of"


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.floats(0.1, 10), min_size=1, max_size=3), min_size=1, max_size=4))
def test_over_cells_the_ratio_is_the_geometric_mean_of_all_pairs(factors):
    cells = [
        [run for repeat, own in enumerate(cell, start=1) for run in (run_of("a", repeat), run_of("b", repeat, own))]
        for cell in factors
    ]
    (found,) = ratios.pooled(cells, ["round_s"])
    assert found["ratio"] == pytest.approx(np.exp(np.mean(np.log(np.concatenate(factors)))))
    assert found["pairs"] == 2 * sum(map(len, factors)), "two rounds after the warm-up"


def spent(epsilon: float | str, **more: object) -> dict:
    return {
        "unit": "example", "engine": "stock", "sampling": "poisson", "noise_multiplier": 1.0, "target_epsilon": None,
        "max_grad_norm": 1.0, "delta": 1e-5, "noise_seed": None, "epsilon_rdp": epsilon, "epsilon_pld": epsilon,
        "own": [{"name": "Opacus RDP", "sampling": "poisson", "epsilon": epsilon}], "disagreements": [],
        "assumption": "what is assumed", "warnings": [],
    } | more  # fmt: skip


def test_a_private_fold_tells_its_epsilon_and_what_is_wrong_with_it():
    told = cross_validated(
        [run_of("a", 1, privacy=spent(3.0))],
        [run_of("a", 1, privacy=spent(4.0, noise_multiplier=1.25, warnings=["delta is too large"]))],
        private=True,
    )
    (table,) = of_titles(told, "What a fold spends of privacy: shuffled")
    assert table.rows == (("all", "a", "stock, example", "1.00-1.25", "4.00", "4.00", "Opacus RDP 4.00", "-"),)
    notes = " ".join(table.notes)
    assert "trained on in all folds but one" in notes
    assert "delta is too large." in notes
    assert "what is assumed" in notes
    assert any("an epsilon of 3.00 to 4.00 each" in one for one in words(told))


def test_a_fold_without_privacy_says_nothing_of_it():
    assert not of_titles(cross_validated([run_of("a", 1)]), "What a fold spends")


def test_an_epsilon_that_is_no_number_is_told():
    told = cross_validated([run_of("a", 1, privacy=spent("inf"))], private=True)
    (table,) = of_titles(told, "What a fold spends")
    assert table.rows[0][4:6] == ("infinite", "infinite")


def test_the_price_of_private_folds_is_taken_fold_by_fold():
    plain = cross_validated([run_of("a", 1)], [run_of("a", 1, slower=10.0)])
    private = cross_validated(
        [run_of("a", 1, slower=3.0, privacy=spent(3.0))],
        [run_of("a", 1, slower=30.0, privacy=spent(3.0))],
        private=True,
    )
    (table,) = of_titles(plain | {"cells": plain["cells"] + private["cells"]}, "What a fold spends")
    assert [row[-1] for row in table.rows] == ["3.00x [3.00, 3.00]"]


@pytest.mark.parametrize("folds", ["1", "[1,2]"])
def test_a_private_run_of_folds_tells_epsilon_once(bench, folds):
    private = ("--set=privacy.noise_multiplier=1", "--set=data.folds=2", f"--set=data.fold={folds}")
    done = bench("run", "--backends=reference", "--json", *private, tiny=True)
    assert done.code == 0, done.err
    told = done.document
    assert "privacy" not in told, "folds aren't what the grid is about"
    titles = [table.title for table in tables(told)]
    assert [title for title in titles if "rivacy" in title] == ["What a fold spends of privacy: shuffled"]
    (table,) = of_titles(told, "What a fold spends")
    largest = max(run["privacy"]["epsilon_pld"] for cell in told["cells"] for run in cell["runs"])
    assert float(table.rows[0][4]) == pytest.approx(largest, rel=0.01)
