"""Tables and ratios: the numbers a person compares, and names that try to break the page."""

import csv
import io

import numpy as np
import pytest

from bench import plugins, ratios, record

NAMES = ("torch", "evil|<script>[red]")


def run_of(backend: str, repeat: int, slower: float = 1.0, status: str = "done") -> dict:
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
    }  # fmt: skip


def comparison(*runs: dict) -> dict:
    verdict = {"verdict": "pass", "max_abs_by_round": [1e-6], "relative_by_round": [0.002], "reason": None}
    parity = {"reference": "reference", "tolerance": {"absolute": 1e-4, "relative": 0.01}}
    cell = record.cell_entry("", {}, {"data": "d" * 64}, (80, 20), runs, parity | {"backends": {NAMES[0]: verdict}})
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
