"""Cross-validation and centralised methods: statistics by known values, honest labels, and tables that never mix."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import data, partition, plan, plugins, record
from bench.charts import charts
from bench.crossval import scatter
from bench.crossval.axes import claims
from bench.crossval.intervals import least_p, mcnemar, sign_flips, wilson
from bench.crossval.pools import pools
from bench.crossval.tables import confusion
from bench.crossval.tables import tables as crossval
from bench.data.prepared import read_manifest, rows
from bench.errors import UserError
from bench.gesture import training
from bench.spec import Federation, build
from bench.table import tables
from bench.words import words
from tests.conftest import refused
from tests.test_reports import comparison, run_of

CLASSES = ["LtoR", "RtoL"]
TRUTH = [0, 1] * 20


def settings(clients: int, kind: str = "groups") -> Federation:
    return Federation(clients=clients, partition=kind)


def document(wrong: dict[tuple[str, str | None, str], set[int]], folds: int = 2) -> dict:
    """A grid as runs leave it: by axes, groups and backend, the samples that it predicted wrongly."""
    grid = list(dict.fromkeys((axes, groups) for axes, groups, _ in wrong))
    cells = []
    for (axes, groups), fold in itertools.product(grid, range(1, folds + 1)):
        samples = [one for one in range(len(TRUTH)) if one % folds == fold - 1]
        runs = []
        for backend in (name for own_axes, own_groups, name in wrong if (own_axes, own_groups) == (axes, groups)):
            mistaken = wrong[axes, groups, backend]
            told = [1 - TRUTH[one] if one in mistaken else TRUTH[one] for one in samples]
            accuracy = sum(one not in mistaken for one in samples) / len(samples)
            evaluations = [{"round": 3, "accuracy": accuracy, "loss": 0.5}]
            runs.append(
                run_of(backend, 1, predicted=told, sample_s=0.002, model_bytes=2048, evaluations=evaluations)
                | {"centralised": backend == "sklearn"}
            )
        (cell,) = comparison(*runs)["cells"]
        cell["spec"]["data"] |= {"axes": axes, "folds": folds, "fold": fold, "groups": groups}
        cell["set"] = {"data.axes": axes, "data.groups": groups, "data.fold": fold}
        cell["name"] = f"axes {axes}, groups {groups}, fold {fold}"
        cell["held_out"] = {"samples": samples, "classes": [TRUTH[one] for one in samples]}
        if groups:
            cell["held_out"]["groups"] = [fold] * len(samples)
        cell["task"] = len(cells) + 1
        cell["digests"]["partition"] = "p" * 64
        cells.append(cell)
    counts = {"p" * 64: {"classes": CLASSES, "counts": [[20, 20]]}}
    return comparison() | {"cells": cells, "partitions": counts}


def three_axes(accelerometer: set[int], everything: set[int], gyroscope: set[int], groups: str | None = None) -> dict:
    wrong = {"accelerometer": accelerometer, "all": everything, "gyroscope": gyroscope}
    return {(axes, groups, "torch"): own for axes, own in wrong.items()}


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(15, 20, 0.5313, 0.8881), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval_is_the_published_one(right, total, low, high):
    assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilsons_interval_holds_the_share_and_stays_a_share(case):
    right, total = case
    low, high = wilson(right, total)
    assert 0 <= low <= right / total + 1e-12
    assert right / total - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("a", "b", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 22 / 1024), (10, 0, 2 / 1024), (6, 6, 1.0), (3, 1, 0.625)]
)
def test_mcnemar_is_the_exact_binomial_test(a, b, p):
    assert mcnemar(a, b) == pytest.approx(p)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_sum_over_all_that_is_as_unlikely(a, b):
    total = a + b
    chances = [math.comb(total, count) / 2**total for count in range(total + 1)]
    as_unlikely = sum(one for one in chances if one <= chances[a] * (1 + 1e-9))
    assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(as_unlikely)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.1, 0.2, 0.05, 0.3, 0.01], 1 / 16),  # of five people nothing is less
        ([0.1, 0.2, 0.05, 0.3, -0.01], 2 / 16),
        ([0.2, -0.2], 1.0),
        ([0.0, 0.0, 0.0], 1.0),
        ([0.1 + 0.2, 0.3, -0.3, -0.3], 1.0),  # but for rounding, they add up to nothing
        ([0.5] * 25, 1e-4),
        ([0.5, -0.5] * 13, 1.0),
    ],
)
def test_signs_are_flipped_in_every_way(differences, p):
    assert sign_flips(differences) == pytest.approx(p, abs=1e-12)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7))
def test_sign_flips_are_counted_as_by_hand(differences):
    sums = [
        abs(sum(map(int.__mul__, signs, differences))) for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = sum(one >= abs(sum(differences)) for one in sums) / len(sums)
    assert sign_flips([one / 9 for one in differences]) == pytest.approx(expected)
    assert sign_flips(differences) >= least_p(len(differences))


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=60), st.randoms())
def test_a_group_is_a_client_whole_and_alone(groups, random):
    train = np.array(sorted(random.sample(range(len(groups)), random.randint(1, len(groups)))), np.int32)
    present = sorted({groups[one] for one in train})
    parts = partition.partition(settings(len(present)), train, np.zeros(len(groups), np.int64), 0, groups)
    assert sorted(np.concatenate(parts).tolist()) == train.tolist()
    assert [{groups[one] for one in part} for part in parts] == [{name} for name in present]
    assert all(part.dtype == np.int32 and (np.diff(part) > 0).all() for part in parts)


def test_a_wrong_number_of_clients_is_told_the_right_one():
    groups = ["ann", "bob", "cho", "ann"]
    with pytest.raises(UserError, match=r"federation\.clients = 5: .* must be 3, .*\(ann, bob, cho\)"):
        partition.partition(settings(5), np.arange(4, dtype=np.int32), np.zeros(4, np.int64), 0, groups)


@pytest.mark.parametrize("groups", [None, ["ann", None, "bob"]])
def test_a_data_set_that_tells_nobody_has_no_groups(groups):
    with pytest.raises(UserError, match=r"doesn't tell whose each sample is; allowed here are iid"):
        partition.partition(settings(2), np.arange(3, dtype=np.int32), np.zeros(3, np.int64), 0, groups)


def test_groups_of_films_are_refused_in_one_line(bench):
    refused(
        bench("run", "--backends=reference", "--set=federation.partition=groups", tiny=True), "whose each sample is"
    )


def test_a_centralised_plan_is_one_round_of_everybody_and_of_all_they_hold():
    spec = build({}, ["federation.clients=4", "federation.partition=unequal"]).cells[0].spec
    labels, train = np.arange(50) % 3, np.arange(40, dtype=np.int32)
    federated = plan.build(spec, (3, 8, 8), 3, labels, train)
    own = plan.centralised(federated)
    assert own.rounds == 1
    assert own.arrays["cohort_clients"].tolist() == [0, 1, 2, 3]
    assert sorted(own.arrays["batch_samples"].tolist()) == train.tolist()
    sizes = np.diff(federated.arrays["part_offsets"])
    assert [len(batch) for batch in own.epoch()] == sizes.tolist() == own.arrays["slot_examples"].tolist()


def test_a_centralised_method_is_no_failure_and_is_labelled(bench):
    mine = bench("run", "--json", "--backends=reference,sklearn", tiny=True)
    assert mine.code == 0, mine.err
    (cell,) = mine.document["cells"]
    golden, sklearn = cell["runs"]
    assert (golden["centralised"], sklearn["centralised"]) == (False, True)
    assert len(sklearn["rounds"]) == 1
    assert len(sklearn["rounds"][0]["cohort"]) == cell["spec"]["federation"]["clients"]
    assert sklearn["weights_sha256"] is None
    assert "sklearn" not in cell["parity"]["backends"]
    assert not cell["ratios"], "a centralised round is held against no federated one"
    for run in (golden, sklearn):
        assert len(run["predicted"]) == len(cell["held_out"]["classes"]) == cell["test_samples"]
        pairs = zip(run["predicted"], cell["held_out"]["classes"], strict=True)
        assert run["evaluations"][-1]["accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]))
        assert run["sample_s"] > 0
        assert run["model_bytes"] > 0
    shown = " ".join(plugins.load_module(plugins.find("reports", "terminal")).render(mine.document, width=150).split())
    assert "done, centralised" in shown
    assert "it has no ratio and no certificate" in shown


def test_a_centralised_method_alone_needs_no_probe(bench):
    mine = bench("run", "--json", "--backends=sklearn", tiny=True)
    assert mine.code == 0, mine.err
    assert mine.document["cells"][0]["parity"]["backends"] == {}
    assert "probe" not in mine.err


def test_a_centralised_method_has_no_conformance_to_show(bench):
    refused(bench("conformance", "sklearn"), "centralised")


def test_gestures_end_to_end_in_small(bench):
    """People held out and shuffled, two choices of axes, two folds: pooled, told apart, exit 0."""
    small = {
        "data.samples": 40, "data.axes": "[accelerometer,gyroscope]", "data.folds": 2, "data.fold": "[1,2]",
        "federation.rounds": 2, "timing.evaluate_every": 2, "federation.partition": "iid",
    }  # fmt: skip
    done = bench(
        "run", "gesture", "--json", "--backends=reference,sklearn", *(f"--set={k}={v}" for k, v in small.items())
    )
    assert done.code == 0, done.err
    told = done.document
    found = pools(told)
    told_apart = itertools.product(("person held out", "shuffled"), ("accelerometer", "gyroscope"))
    assert [(pool.split, pool.axes) for pool in found] == list(told_apart)
    for pool in found:
        assert pool.backends() == ["reference", "sklearn"]
        assert len(pool.predictions("sklearn")) == 40, "every sample is held out once"
    assert [one["axes"] for one in told["scatter"]] == ["accelerometer", "gyroscope"]
    assert all(len(one["points"]) == 40 and len(one["groups"]) == 5 for one in told["scatter"])
    for pool in found:
        first, second = (set(cell["held_out"]["samples"]) for cell in pool.cells)
        assert not first & second


def test_training_a_classifier_cross_validates_as_the_benchmark_does(bench):
    """From the benchmark's own samples, rounded to eight bits, both get as many right, fold by fold."""
    people = {
        "data.dataset": "gesture", "data.samples": 40, "data.groups": "person", "data.folds": 5, "data.fold": "[1,2]",
        "federation.clients": 4, "federation.partition": "groups",
    }  # fmt: skip
    done = bench("run", "--json", "--backends=sklearn", *(f"--set={k}={v}" for k, v in people.items()), tiny=True)
    assert done.code == 0, done.err
    cells = done.document["cells"]
    settings = build({"data": cells[0]["spec"]["data"]}).cells[0].spec.data
    dataset = plugins.load_module(plugins.find("datasets", "gesture"))
    prepared = data.prepare(dataset, "gesture", settings, 0, lambda *_: None)
    samples = rows(read_manifest(prepared.folder))
    inputs = np.load(prepared.folder / "packed.npy").reshape(len(samples), -1) / np.float32(255)
    told = zip(*((one.name, one.label, one.group) for one in samples), strict=True)
    checked = training.check(training.Movements(inputs, *map(list, told)))
    for cell, right, count in zip(cells, checked.correct, checked.count, strict=False):
        assert cell["runs"][0]["evaluations"][-1]["accuracy"] == right / count
        (group,) = set(cell["held_out"]["groups"])
        assert sorted(set(prepared.groups))[group] == samples[cell["held_out"]["samples"][0]].group


def test_people_are_clients_and_their_number_is_told(bench):
    own = ("--set=data.samples=40", "--set=data.fold=1", "--set=data.axes=all", "--set=federation.partition=groups")
    wrong = bench("run", "gesture", "--dry-run", "--backends=sklearn", *own, "--set=federation.clients=7")
    refused(wrong, "federation.clients = 7", "must be 4")


def test_folds_are_pooled_and_each_sample_counts_once():
    told = document({("all", None, "torch"): {0, 1, 2, 3}})
    (pool,) = pools(told)
    assert len(pool.predictions("torch")) == len(TRUTH)
    assert confusion(pool, "torch") == [[18, 2], [2, 18]]
    table, costs, *_ = crossval(told)
    low, high = wilson(36, 40)
    assert table.rows[0][2:4] == ("90.0", f"{100 * low:.1f}-{100 * high:.1f}")
    assert costs.rows[0][-2:] == ("2.00", "2.00 KiB")


def test_person_held_out_and_shuffled_are_never_mixed():
    told = document({("all", "person", "torch"): {0}, ("all", None, "torch"): set(range(10))})
    titles = [table.title for table in crossval(told)]
    assert [one for one in titles if one.startswith("Cross-validation")] == [
        "Cross-validation: person held out",
        "Cross-validation: shuffled",
    ]
    assert [len(pool.predictions("torch")) for pool in pools(told)] == [40, 40]
    by_split = {table.title: table.rows[0][2][:4] for table in crossval(told)}
    assert by_split["Cross-validation: person held out"] == "97.5"
    assert by_split["Cross-validation: shuffled"] == "75.0"


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [
        (three_axes(set(), set(range(10)), set(range(12))), "comes out"),
        (three_axes(set(range(10)), set(), set(range(12))), "other way round"),
        (three_axes({1}, {2}, {3, 4}), "can't be told"),
        (three_axes(set(), set(range(10)), {3}), "can't be told"),  # against one alone it would come out
        (three_axes(set(range(6)), set(), {0}), "can't be told"),  # p 0.031: two tests could have said so
    ],
)
def test_the_claim_about_axes_is_put_to_a_paired_test(wrong, verdict):
    told = document(wrong)
    (claim,) = claims(told)
    assert claim.verdict == verdict
    assert any(verdict in text and "Accelerometer only is best" in text for text in words(told))


def test_the_claim_is_put_to_people_where_they_are_held_out():
    wrong = three_axes({1}, set(range(10)), set(range(12)), "person")
    told = document(wrong, folds=5)
    (claim,) = claims(told)
    against_all, _ = claim.duels
    assert against_all.by_group == pytest.approx((0.25, 0.125, 0.25, 0.25, 0.25))
    assert against_all.p_by_group == against_all.least_p_by_group == 1 / 16
    table = next(one for one in crossval(told) if one.title == "Is the accelerometer alone best? A person a pair")
    assert table.rows[0] == ("torch", "all", "5", "0", "+22.5", "+12 to +25", "0.062")
    assert any("0.062 of 5" in note for note in table.notes)
    assert any(
        "by person better for 5 and worse for 0 of 5, p 0.062 where 0.062 is the least" in one for one in words(told)
    )


@pytest.mark.parametrize(("groups", "folds"), [(None, 5), ("person", 1)])
def test_without_people_or_with_one_there_is_no_comparison_over_them(groups, folds):
    told = document(three_axes({1}, set(range(10)), set(range(12)), groups), folds)
    assert all(not duel.by_group for claim in claims(told) for duel in claim.duels)
    assert not any("a pair" in table.title for table in crossval(told))


def test_the_claim_is_put_to_each_split_by_itself():
    wrong = three_axes(set(), set(range(10)), set(range(12)), "person") | three_axes(set(range(10)), set(), set())
    assert {one.split: one.verdict for one in claims(document(wrong))} == {
        "person held out": "comes out",
        "shuffled": "other way round",
    }


def test_a_missing_fold_is_told_and_the_rest_pooled():
    told = document({("all", None, "torch"): set()})
    told["cells"][1]["runs"] = [run_of("torch", 1, status="failed")]
    table, *_ = crossval(told)
    assert any("only 1 of 2 folds" in note for note in table.notes)
    assert record.problems(told, allow_skips=True)


def test_every_report_shows_folds_and_each_once(tmp_path):
    wrong = three_axes({1}, {2, 3}, {4, 5, 6}, "person") | {("all", "person", "sklearn"): {7}}
    told = document(wrong) | {"scatter": [points("all"), points("accelerometer")]}
    for name in ("terminal", "markdown", "html"):
        shown = plugins.load_module(plugins.find("reports", name)).render(told)
        assert "Cross-validation: person held out" in shown
        assert "sklearn, centralised" in " ".join(shown.split())
        assert "What it costs" not in shown
    names = [one.name for one in charts(told)]
    assert {"confusions", "scatter"} <= set(names)
    assert all(one.table.rows for one in charts(told))
    page = plugins.load_module(plugins.find("reports", "html")).render(told)
    assert "LtoR" in page


def points(axes: str) -> dict:
    own = [[float(one), -float(one), one % 2, one % 3] for one in range(12)]
    return {"axes": axes, "classes": CLASSES, "groups": ["ann", "bob", "cho"], "explained": [0.5, 0.2], "points": own}


def test_the_points_are_the_principal_components():
    stream = np.random.RandomState(3)
    line = stream.normal(size=(80, 1)) @ np.array([[1.0, 2.0, -3.0]])
    places, explained = scatter.projected(line + stream.normal(scale=1e-3, size=line.shape))
    assert explained[0] > 0.999
    assert abs(np.corrcoef(places[:, 0], line[:, 0])[0, 1]) > 0.999
    constant, nothing = scatter.projected(np.ones((5, 4)))
    assert not constant.any()
    assert nothing == [0.0, 0.0]


def test_old_comparisons_still_load_and_show(tmp_path):
    """What a run of an earlier version left: nothing predicted, nobody centralised, no folds in its spec."""
    from bench import store

    told = comparison(run_of("torch", 1), run_of("tff", 1)) | {"schema": record.SCHEMA}
    for cell in told["cells"]:
        for key in ("axes", "folds", "fold"):
            cell["spec"]["data"].pop(key, None)
    store.write_json(tmp_path / "record.json", told)
    (tmp_path / "comparison.json").write_text(json.dumps(told))
    loaded = record.load(tmp_path)
    assert tables(loaded)[0].title == "What it costs"
    assert not crossval(loaded)
    assert "scatter" not in loaded
