"""Loading: forms that give the same bits, a page cache that is really dropped, and sums that can be checked by hand."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import forms, loading, loading_table, pagecache, plan, record, spec
from bench.events import Dropped
from tests.conftest import ROOT

FAKES = ROOT / "tests" / "fakes"


def rows_file(folder: Path, count: int = 400) -> tuple[Path, np.ndarray]:
    samples = np.random.RandomState(0).randint(0, 256, (count, 1, 16, 16), np.uint8)
    np.save(folder / "packed.npy", samples)
    return folder / "packed.npy", samples


def test_a_dropped_file_is_not_in_memory_even_if_it_was_mapped(tmp_path):
    path, samples = rows_file(tmp_path)
    rows = forms.Rows(np.load(path, mmap_mode="r"))
    assert (rows.batch(np.arange(len(samples))) == samples).all()
    try:
        kept = pagecache.drop([str(path)])
    except OSError as error:
        pytest.skip(str(error))
    if kept is None:
        pytest.skip("this system doesn't tell what it dropped")
    assert kept > 0.5, "pages that are mapped stay"
    rows.let_go()
    assert pagecache.drop([str(path)]) == 0
    time.sleep(0.1)
    assert pagecache.resident([str(path)]) == 0, "looking must not make the system read ahead"
    assert (rows.sample(7) == samples[7]).all(), "they come back when they are asked for"
    assert pagecache.resident([str(path)]) > 0


def test_what_the_page_cache_was_is_told_as_it_was():
    assert record._cache("warm", []) == "warm"
    assert record._cache("cold", [Dropped(0.0, None), Dropped(0.01, None)]) == "cold"
    assert record._cache("cold", [Dropped(0.0, None), Dropped(0.4, None)]) == "warm: the system kept 40% of it"
    assert record._cache("cold", [Dropped(None, "no such call")]) == "warm: can't be dropped: no such call"
    assert record._cache("cold", [Dropped(None, None)]).startswith("cold, unproven")


def test_the_plan_knows_its_first_epoch():
    own = spec.build({}, ["federation.clients=1", "federation.fraction=1.0", "training.batch_size=7"]).cells[0].spec
    built = plan.build(own, (3, 32, 32), 2, np.arange(50) % 2, np.arange(45, dtype=np.int32))
    assert [len(batch) for batch in built.epoch()] == [7, 7, 7, 7, 7, 7, 3]
    assert sorted(np.concatenate(built.epoch())) == list(range(45))


def run_of(form: str, slowdown: float | None, rate: float, loader: str = "framework", status: str = "done") -> dict:
    """Two passes; a warm-up pair, then two pairs of rounds, the second pair on a machine three times as slow."""
    pairs = [] if slowdown is None else [(9.0, 1.0), (slowdown, 1.0), (3 * slowdown, 3.0)]
    seconds = [one for pair in pairs for one in pair]
    return {
        "backend": "torch", "form": form, "loader": loader, "workers": 0, "cache": "warm", "repeat": 1,
        "status": status, "reason": "out of cheese", "privacy": None,
        "weights_sha256": None if slowdown is None else "same",
        "versions": {"loader": "DataLoader", "decoder": "Pillow"},
        "loading": [{"seconds": 100 / rate, "samples": 100, "bytes": 100_000}] * 2,
        "rounds": [{"round": index + 1, "seconds": one, "warmup": index < 2} for index, one in enumerate(seconds)],
    }  # fmt: skip


def comparison(*runs: dict[str, Any]) -> dict[str, Any]:
    measured = [{"copy": 1e9, "gather": 2e9, "reader": 1.5e9}]
    own = {"data": {"source": None, "film_size": 299, "dataset": "synthetic-xray"}, "timing": {"device": "cpu"}}
    cells = [
        {"name": run["form"], "set": {"data.film_size": 299}, "spec": own, "task": 1, "runs": [run], "limits": measured,
         "train_samples": 240, "parity": {"backends": {}}}
        for run in runs
    ]  # fmt: skip
    return {"cells": cells}


def example() -> dict[str, Any]:
    return comparison(
        run_of("memory", 1.0, 1e6, "gather"),
        run_of("packed", 1.01, 9e5, "gather"),
        run_of("npy", 1.25, 1e4),
        run_of("image", 5.0, 1e3),
        run_of("image-native", None, 2e3),
    )


def test_waiting_is_what_an_epoch_from_memory_does_not_take():
    found = {arm["form"]: arm for arm in loading.summary(example())["arms"]}
    assert found["memory"]["waiting"]["share"] == 0
    assert found["npy"]["waiting"]["share"] == pytest.approx(0.2)
    assert found["image"]["waiting"]["share"] == pytest.approx(0.8)
    assert found["image-native"]["waiting"] is None
    assert found["npy"]["samples_per_s"] == pytest.approx(1e4)
    assert found["npy"]["bytes_per_s"] == pytest.approx(1e7)
    assert found["npy"]["of_copy"] == pytest.approx(0.01)
    assert found["npy"]["of_gather"] == pytest.approx(0.005)


def test_forms_are_held_against_each_other_only_where_they_are_read_alike():
    ratios = {(entry["a"], entry["b"], entry["of"]): entry["ratio"] for entry in loading.summary(example())["ratios"]}
    assert ratios == {
        ("image", "npy", "loading"): pytest.approx(10.0),
        ("image", "npy", "epoch"): pytest.approx(4.0),
    }, "npy by the framework's loader is not held against packed by fedbench's"


def test_the_advice_is_the_fastest_form_and_packed_where_it_is_as_fast_as_memory():
    (advice,) = loading.summary(example())["advice"]
    assert (advice["form"], advice["loader"]) == ("packed", "gather")
    assert advice["seconds"] == pytest.approx(1000 * 2.0 * 1.01), "the median round from memory, times the slowdown"
    assert advice["seconds_by_form"]["image"] == pytest.approx(10_000)
    (advice,) = loading.summary(comparison(run_of("memory", 1.0, 1e6), run_of("packed", 1.1, 1e6)))["advice"]
    assert advice["form"] == "memory"
    assert loading.summary(comparison(run_of("image", 5.0, 1e3)))["advice"] == [], "one form is no choice"


def page(document: dict[str, Any]) -> str:
    return "\n".join(
        text
        for table in loading_table.tables(document | {"loading": loading.summary(document)})
        for text in (table.title, *(cell for row in table.rows for cell in row), *table.notes)
    )


def test_the_tables_say_what_the_study_said_and_what_we_found():
    told = page(example())
    for text in (
        "films of 299 px",
        "22.8x",
        "7 h 40 min",
        "20 min 10 s",
        "80 %",
        "10.0x",
        "4.00x",
        "75%",
        "41 min 40 s",
    ):
        assert text in told, text


def test_an_arm_that_failed_is_named_with_its_reason_and_a_run_without_any_has_no_tables():
    told = page(comparison(run_of("memory", 1.0, 1e6), run_of("npy", 1.1, 1e4, status="failed")))
    assert "torch, npy, own+0, repeat 1, failed: out of cheese" in told
    assert page(comparison(run_of("npy", 1.1, 1e4, status="failed"))) == ""


def test_two_loading_runs_compare_with_the_arms_of_both():
    document = example() | {"experiment": {}}
    for cell in document["cells"]:
        cell["digests"] = {}
        for run in cell["runs"]:
            run |= {"phases": {}, "peak_rss_bytes": None}
            for one in run["rounds"]:
                one["cpu_seconds"] = one["seconds"]
    document["loading"] = loading.summary(document)
    joined = record.join(document, document)
    assert {arm["backend"] for arm in joined["loading"]["arms"]} == {"torch (A)", "torch (B)"}


def test_weights_that_depend_on_the_form_are_a_problem():
    document = example()
    assert record._changed_by_form(document) == []
    document["cells"][3]["runs"][0]["weights_sha256"] = "another"
    (problem,) = record._changed_by_form(document)
    assert problem == "torch: the final weights depend on how samples were read: memory | packed | npy | image"


def test_a_backend_that_reads_a_bit_wrong_is_caught_and_the_file_named(bench):
    finished = bench("run", f"--backends={FAKES / 'misreads.py'}", tiny=True)
    assert finished.code == 1
    assert ".png' differs from what was prepared" in finished.err


ONLY = ("--only=odd batches", "--only=image files", "--only=own loader")


def test_training_that_depends_on_the_form_is_caught(bench):
    grid = "--set=data.form=[memory,npy]"
    finished = bench("run", f"--backends={FAKES / 'depends_on_form.py'}", grid, tiny=True)
    assert finished.code == 1
    assert "the final weights depend on how samples were read: form memory | form npy" in finished.err
    told = bench("conformance", str(FAKES / "depends_on_form.py"), *ONLY)
    assert told.code == 1
    assert "fail  image files: the final weights depend on how samples were read" in told.out
    assert "skip  the framework's own loader" in told.out
    assert bench("run", "--backends=reference", "--set=data.form=[memory,npy,packed,image]", tiny=True).code == 0


def test_a_backend_without_a_loader_of_its_own_says_so(bench):
    finished = bench("run", "--backends=reference", "--set=data.loader=framework", tiny=True)
    assert finished.code == 1
    assert "data.loader = framework: this backend has no loader of its own" in finished.err


def test_a_backend_without_a_loader_of_its_own_is_timed_by_gather_and_the_rest_is_told(bench, tmp_path):
    small = ("data.film_size=[16]", "data.samples=30", "data.image_size=8", "model.name=mlp", "timing.repeats=1")
    finished = bench(
        "run", "loading", "--backends=reference", "--json", "--allow-skips", *(f"--set={one}" for one in small)
    )
    assert finished.code == 0, finished.err
    (folder,) = (tmp_path / "runs").iterdir()
    assert {arm["loader"] for arm in finished.document["loading"]["arms"]} == {"gather"}
    told = bench("report", str(folder), "--format=terminal").out
    assert "skipped: data.loader = framework: this backend has" in " ".join(told.split())


def test_a_cold_run_is_cold(bench, tmp_path):
    grid = ("--set=data.form=[packed,npy,image]", "--set=timing.cache=cold")
    alone = {"FEDBENCH_HOME": str(tmp_path / "home")}  # files that another test reads can't be dropped
    finished = bench("run", "--backends=reference", "--json", *grid, tiny=True, env=alone)
    caches = {run["cache"] for cell in finished.document["cells"] for run in cell["runs"]}
    if any(cache.startswith(("warm: can't", "cold, unproven")) for cache in caches):
        pytest.skip(f"this system: {caches}")
    assert caches == {"cold"}


def test_a_source_may_look_like_a_number_or_a_date(bench, films, tmp_path):
    for name in ("2024", "2024-01-01"):
        films.rename(tmp_path / name)
        assert bench("run", "--backends=reference", f"--source={name}", "--set=data.samples=12", tiny=True).code == 0
        (tmp_path / name).rename(films)


def test_a_picture_of_loading_is_refused_for_a_run_that_timed_none(bench, tmp_path):
    assert bench("run", "--backends=reference", tiny=True).code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    finished = bench("report", str(folder), "--format=loading-chart")
    assert finished.code == 2
    assert "this run timed no loading" in finished.err
