"""Tables and ratios: the numbers a person compares, and names that try to break the page."""

import csv
import io

import numpy as np
import pytest

from bench import plugins, ratios, record
from bench.spec import Cell, Spec
from bench.table import tables

NAMES = ("torch", "evil|<script>[red]")


def run_of(backend: str, repeat: int, slower: float = 1.0, status: str = "done", **more: object) -> dict:
    rounds = [
        {"round": n, "seconds": slower * n, "cpu_seconds": 2 * slower * n, "cohort": [0, 1],
         "bytes_down": 2048, "bytes_up": 2048, "warmup": n == 1}
        for n in (1, 2, 3)
    ]  # fmt: skip
    done = status == "done"
    phases = ("import_s", "open_s", "load_s", "first_round_s", "train_s", "evaluate_s")
    return {
        "backend": backend, "form": "packed", "loader": "gather", "workers": 0, "cache": "warm", "loading": [],
        "repeat": repeat, "status": status,
        "reason": None if done else "out of | cheese",
        "versions": {"framework": "f", "version": "1.2", "released": None, "python": "3.11", "locked": False},
        "phases": dict.fromkeys(phases, 1.5 * slower if done else None),
        "rounds": rounds if done else [],
        "evaluations": [{"round": 3, "accuracy": 0.75, "loss": 0.5}] if done else [],
        "weights_sha256": None,
        "privacy": None,
        "peak_rss_bytes": 3 * 2**30 if done else None,
    } | more  # fmt: skip


def comparison(*runs: dict) -> dict:
    verdict = {"verdict": "pass", "max_abs_by_round": [1e-6], "relative_by_round": [0.002], "reason": None}
    parity = {"reference": "reference", "tolerance": {"absolute": 1e-4, "relative": 0.01}}
    own = Cell({}, Spec())
    cell = record.cell_entry(own, {"data": "d" * 64}, (80, 20), runs, parity | {"backends": {NAMES[0]: verdict}})
    cell["task"] = 1
    machine = {"cpu": "a cpu", "cores": 2, "threads": 2}
    spec = {"timing": {"device": "cpu"}}
    return {"experiment": {"name": "x", "description": "<b>"}, "machine": machine, "spec": spec, "cells": [cell]}


def render(name: str, document: dict) -> str:
    return plugins.load_module(plugins.find("reports", name)).render(document)


@pytest.mark.parametrize("name", ["terminal", "markdown"])
def test_the_numbers_that_people_compare_are_there(name):
    text = render(name, comparison(run_of(NAMES[0], 1), run_of(NAMES[1], 1, slower=2.0)))
    words = " ".join(text.split())
    for number in ("2.50", "5.00 (2.00x", "75.0", "3.00 GiB", "2.00 KiB", "1.0e-06", "0.2 %", "f 1.2, unlocked"):
        assert number in words


def test_names_cannot_break_a_page():
    document = comparison(run_of(NAMES[0], 1), run_of(NAMES[1], 1))
    page = render("markdown", document)
    assert "<script>" not in page
    assert "evil\\|&lt;script&gt;[red]" in page
    assert "evil|<script>[red]" in "".join(render("terminal", document).split("\n"))


def test_a_failed_backend_keeps_its_column_and_its_reason():
    document = comparison(run_of(NAMES[0], 1), run_of(NAMES[1], 1, status="failed"))
    assert "failed: out of | cheese" in " ".join(render("terminal", document).split())
    rows = list(csv.DictReader(io.StringIO(render("csv", document))))
    assert [(row["backend"], row["round"]) for row in rows] == [*((NAMES[0], n) for n in "123"), (NAMES[1], "")]
    assert record.problems(document, allow_skips=True) == [f"{NAMES[1]} repeat 1 failed: out of | cheese"]


def test_a_ratio_is_paired_and_its_interval_covers_the_truth():
    stream = np.random.RandomState(1)
    noise = [np.exp(stream.normal(0, 0.3, 20)) for _ in range(3)]
    pairs = [np.log(1.5 * own * np.exp(stream.normal(0, 0.02, 20)) / own) for own in noise]
    found = ratios.interval(pairs)
    assert found["low"] < 1.5 < found["high"]
    assert found["high"] / found["low"] < 1.05, "shared noise cancels pair by pair"
    assert ratios.interval(pairs) == found
    assert ratios.interval([np.array([0.5])])["low"] is None


def test_repeats_that_only_one_backend_finished_make_no_pair():
    runs = [run_of("a", 1), run_of("a", 2), run_of("b", 2, slower=3.0), run_of("b", 1, status="failed")]
    found = {entry["metric"]: entry for entry in ratios.ratios(runs)}
    assert found["round_s"]["pairs"] == 2
    assert found["round_s"]["ratio"] == pytest.approx(3.0)
    assert ratios.ratios([run_of("a", 1)]) == []


def with_companions(weights: str = "w") -> list[dict]:
    """A modern backend, and an old one with its plain twin, which runs for its sake."""
    old = {"framework": "syft", "version": "0.2.9", "released": None, "python": "3.7.16", "locked": True}
    old |= {"computes_with": ["torch", "1.4.0"], "transport": "in process"}
    named = {"versions": old, "weights_sha256": "w"}
    return [
        run_of("torch", 1),
        run_of("old", 1, slower=6.0, baseline="old+plain", beside=None, **named),
        run_of("old+plain", 1, slower=4.0, baseline=None, beside="old", **named | {"weights_sha256": weights}),
    ]


def test_an_old_backend_is_held_against_its_own_baseline_alone():
    found = [entry for entry in ratios.ratios(with_companions()) if entry["metric"] == "round_s"]
    assert [(entry["a"], entry["b"], entry["ratio"]) for entry in found] == [("old", "old+plain", pytest.approx(1.5))]
    newer_is_failed = [run_of("torch", 1, status="failed"), *with_companions()[1:]]
    assert {entry["b"] for entry in ratios.ratios(newer_is_failed)} == {"old+plain"}


def test_a_companion_has_no_column_and_the_overhead_has_a_table():
    costs, overhead, *_ = tables(comparison(*with_companions()))
    assert costs.columns == ("", "torch", "old")
    told = {row[0]: row[1:] for row in costs.rows}
    assert told["computes with"] == ("-", "torch 1.4.0, Python 3.7")
    assert told["a round, s"] == ("2.50", "15.0"), "no ratio between arithmetics of different years"
    assert any("No ratio for old (torch 1.4.0, Python 3.7)" in note for note in costs.notes)
    ((*row, weights),) = overhead.rows
    assert row[:5] == ["old", "torch 1.4.0, Python 3.7", "in process", "10.0", "15.0"]
    assert row[5].startswith("1.50x")
    assert weights == "the same"
    ((*_, weights),) = tables(comparison(*with_companions("other")))[1].rows
    assert weights == "differ"


def test_companions_stay_beside_theirs_when_two_runs_are_compared():
    document = comparison(*with_companions())
    joined = record.join(document, document)["cells"][0]
    assert {(entry["a"], entry["b"]) for entry in joined["ratios"]} >= {
        ("old (A)", "old+plain (A)"),
        ("old (B)", "old+plain (B)"),
    }


def test_two_runs_joined_are_no_share_of_either_machines_best():
    joined = record.join(comparison() | {"sgemm_flops": 1e9}, comparison())
    assert not joined["sgemm_flops"]
    assert not any(row[0].startswith("GFLOP/s") for table in tables(joined) for row in table.rows)
