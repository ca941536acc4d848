"""History: rows that come back as they went in, a file that is never lost or overwritten, steps where they are."""

import contextlib
import csv
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from bench.errors import UserError
from bench.history import collecting, commits, database, exporting, plotting, pytest_benchmark, recording, steps, tables
from bench.history.rows import Row, from_document, moment
from bench.history.series import Choice, arrange, choose
from bench.spec import Spec
from tests.conftest import refused

MACHINE = {"cpu": "a cpu", "cores": 2, "memory_bytes": 8 * 2**30, "system": "Linux 6.1 x86_64", "python": "3.12.1"}
TEXTS = some.text(some.characters(codec="utf-8"), max_size=12)
MOMENTS = some.datetimes().map(lambda when: moment(when.isoformat()))
ROWS = some.builds(
    Row,
    commit=some.text("0123456789abcdef", min_size=40, max_size=40),
    committed=MOMENTS,
    branch=some.none() | TEXTS,
    dirty=some.booleans(),
    recorded=MOMENTS,
    facts=some.dictionaries(some.sampled_from([*MACHINE, "threads"]), some.none() | some.integers(0, 9) | TEXTS).map(
        lambda facts: facts | {"memory_bytes": 2**33}
    ),
    source=TEXTS,
    experiment=TEXTS,
    digest=TEXTS,
    backend=TEXTS,
    framework=some.none() | TEXTS,
    version=some.none() | TEXTS,
    metric=TEXTS,
    unit=some.sampled_from(["s", "bytes", "share", ""]),
    values=some.lists(some.floats(-1e150, 1e150) | some.integers(0, 2**40), min_size=1, max_size=6).map(tuple),
)
ONE = Row(
    commit="0" * 40,
    committed="2026-01-01T00:00:00+00:00",
    branch="main",
    dirty=False,
    recorded="2026-01-02T00:00:00+00:00",
    facts=MACHINE,
    source="run",
    experiment="quick",
    digest="d" * 64,
    backend="torch",
    framework="torch",
    version="2.13.0",
    metric="round_s",
    unit="s",
    values=(0.5, 0.25, 0.75),
)


def commit(number: int) -> str:
    """Hashes whose first seven digits are the commit's number."""
    return f"{number:07}{'a' * 33}"


def line(medians, **more) -> list[Row]:
    """A series: a commit a day, measured an hour later."""
    return [
        replace(
            ONE,
            commit=commit(number),
            committed=moment(f"2026-{1 + number // 28:02}-{1 + number % 28:02}"),
            recorded=moment(f"2026-{1 + number // 28:02}-{1 + number % 28:02}T01:00"),
            values=(float(value),),
            **more,
        )
        for number, value in enumerate(medians)
    ]


def noise(count: int, seed: int, spread: float = 0.05, wild: float = 0.03) -> np.ndarray:
    """What shared machines do: heavy tails, and now and then a value that is wild."""
    stream = np.random.default_rng(seed)
    wild = np.where(stream.random(count) < wild, stream.uniform(1.2, 2, count), 1)
    return np.exp(spread * stream.standard_t(3, count)) * wild


def as_set(rows) -> set[str]:
    return {row.checksum for row in rows}


# The file


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rows=some.lists(ROWS, max_size=5))
def test_what_goes_in_comes_out_once(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / "history.sqlite"
    different = {row.identity: row for row in reversed(rows)}
    first = database.add(path, rows)
    assert (first.new, len(first.known)) == (len(different), len(rows) - len(different))
    again = database.add(path, rows)
    assert (again.new, len(again.known)) == (0, len(rows))
    found = database.read(path) if rows else []
    assert sorted(found, key=lambda row: row.identity) == sorted(different.values(), key=lambda row: row.identity)
    assert [(row.committed, row.recorded) for row in found] == sorted((row.committed, row.recorded) for row in found)


def test_a_measurement_is_of_one_commit(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, [ONE])
    other = replace(ONE, commit=commit(1))
    assert database.add(path, [other]) == database.Added(0, ((other, ONE.commit),))
    assert database.read(path) == [ONE]


def write_fifty(path: Path, writer: int, begin) -> None:
    begin.wait()
    for number in range(50):
        database.add(path, [replace(ONE, commit=commit(number), values=(writer + 1, number + 1))])


def make_each(paths: list[Path], writer: int, begin) -> None:
    for path in paths:
        begin.wait(timeout=60)
        database.add(path, [replace(ONE, values=(writer + 1,))])


def begun_at_once(target, where, count: int) -> None:
    """Run `target` in so many processes with (where, a number, a barrier), and see them all end well."""
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(count)
    writers = [context.Process(target=target, args=(where, number, begin)) for number in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * count


def test_four_writers_may_make_the_file_at_once(tmp_path):
    paths = [tmp_path / f"{number}.sqlite" for number in range(30)]
    begun_at_once(make_each, paths, 4)
    assert {len(database.read(path)) for path in paths} == {4}


def test_eight_writers_at_once_lose_nothing(tmp_path):
    path = tmp_path / "history.sqlite"
    begun_at_once(write_fifty, path, 8)
    found = sorted(row.values for row in database.read(path))
    assert found == sorted((writer + 1, number + 1) for writer in range(8) for number in range(50))


def write_on(path: Path) -> None:
    for number in range(10**6):
        database.add(path, [replace(ONE, values=(number + 1, number + 2))])


def test_a_writer_that_is_killed_leaves_whole_rows(tmp_path):
    path = tmp_path / "history.sqlite"
    for _ in range(3):
        writer = multiprocessing.get_context("fork").Process(target=write_on, args=(path,))
        writer.start()
        while not path.exists() or not path.stat().st_size:
            time.sleep(0.01)
        time.sleep(0.2)
        writer.kill()
        writer.join()
        found = database.read(path)
        assert [row.values for row in found] == [(number + 1, number + 2) for number in range(len(found))]


def test_all_or_nothing(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, [ONE])
    with pytest.raises(ZeroDivisionError):
        database.add(path, (replace(ONE, backend=str(1 / (1 - number))) for number in range(2)))
    assert database.read(path) == [ONE]


def unchanged(path: Path, *told: str, patience_s: float = 30.0) -> None:
    """Both reading and writing tell it in one line, and the file stays as it is."""
    before = path.read_bytes()
    for call in (lambda: database.add(path, [ONE], patience_s), lambda: database.read(path, patience_s)):
        with pytest.raises(UserError) as caught:
            call()
        for text in (str(path), *told):
            assert text in str(caught.value)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_what_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "history.sqlite"
    path.write_text("these are my notes, and they are longer than the header of a database\n" * 20)
    unchanged(path, "damaged")


def test_a_damaged_file_is_told_or_what_it_holds_is_whole(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, line(range(1, 60)))
    whole, rows = path.read_bytes(), database.read(path)
    stream = random.Random(0)
    told = 0
    for _ in range(150):
        content = bytearray(whole)
        size = stream.choice([1, 8, 600])
        start = stream.randrange(len(content) - size)
        content[start : start + size] = stream.randbytes(size)
        path.write_bytes(content)
        try:
            assert database.read(path) == rows
        except UserError as error:
            assert "\n" not in str(error)
            told += 1
        with contextlib.suppress(UserError):  # and nothing else: it is never an error of SQLite's or Python's
            database.add(path, [replace(ONE, backend="tff")])
    assert told > 30


def test_a_file_that_was_cut_off_is_told(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, line(range(1, 100)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    unchanged(path, "damaged")


def test_a_row_that_was_altered_is_told(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, [ONE])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE result SET value_list = '[0.1]'")
    connection.close()
    with pytest.raises(UserError, match=r"damaged.*a row is not what was written"):
        database.read(path)


def test_somebody_elses_database_is_left_alone(tmp_path):
    path = tmp_path / "history.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE result (mine TEXT)")
    connection.close()
    unchanged(path, "a SQLite database of something else")


def test_a_newer_schema_is_left_alone(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, [ONE])
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {database.SCHEMA + 1}")
    connection.close()
    unchanged(path, "schema 2 of a newer fedbench", "reads 1")


def test_a_locked_file_is_waited_for_and_then_told(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, [ONE])
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    before = path.read_bytes()
    for call in (lambda: database.add(path, [ONE], 0.05), lambda: database.read(path, 0.05)):
        with pytest.raises(UserError, match=r"locked for 0\.05 s"):
            call()
    holder.execute("ROLLBACK")
    holder.close()
    assert path.read_bytes() == before
    assert database.read(path) == [ONE]


def test_an_empty_file_is_a_place_for_a_history(tmp_path):
    path = tmp_path / "history.sqlite"
    path.touch()
    with pytest.raises(UserError, match="an empty file"):
        database.read(path)
    database.add(path, [ONE])
    assert database.read(path) == [ONE]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read_is_read(tmp_path):
    path = tmp_path / "history.sqlite"
    database.add(path, [ONE])
    path.chmod(0o444)
    assert database.read(path) == [ONE]
    with pytest.raises(UserError, match="readonly"):
        database.add(path, [replace(ONE, backend="tff")])


# Rows


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": ()},
        {"values": (float("nan"),)},
        {"values": (True,)},
        {"values": ("1",)},
        {"commit": None},
        {"backend": "\ud800"},
        {"dirty": 1},
        {"facts": []},
        {"recorded": "yesterday"},
        {"recorded": "2026-01-02T00:00:00"},
        {"committed": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_row_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError):
        replace(ONE, **wrong)


def test_a_machine_is_the_same_after_a_new_kernel_and_not_with_more_memory():
    assert replace(ONE, facts=MACHINE | {"system": "Linux 6.2 x86_64", "python": "3.13.0"}).series == ONE.series
    assert replace(ONE, facts=MACHINE | {"memory_bytes": 8 * 2**30 - 2**20}).series == ONE.series
    for other in ({"cores": 4}, {"cpu": "another"}, {"memory_bytes": 2**35}, {"system": "Linux 6.1 aarch64"}):
        assert replace(ONE, facts=MACHINE | other).machine != ONE.machine


@pytest.mark.parametrize("key", ["source", "experiment", "digest", "backend", "metric"])
def test_series_never_mix(key):
    assert len(arrange([ONE, replace(ONE, **{key: "another"})])) == 2


def test_points_go_by_commit_time_then_by_when_they_were_measured():
    rows = line([1, 2, 3])
    late = replace(rows[0], recorded="2027-01-01T00:00:00+00:00", values=(5.0,))
    early = replace(rows[2], commit=commit(7), recorded="2026-01-03T00:30:00+00:00")
    (found,) = arrange([late, rows[2], early, rows[1], rows[0]])
    assert [point.name for point in found.points] == ["0000000", "0000001", "0000007", "0000002"]
    assert found.points[0].value == 3  # of 1 and 5


def test_what_was_chosen_and_isnt_there_is_told():
    rows = line([1, 2])
    assert choose(rows, Choice(metric="round_s", machine=ONE.machine[:3]))[0].first == rows[0]
    name = arrange(rows)[0].name
    assert choose(rows, Choice(names=[name[:4], name]))[0].name == name
    for choice, told in (
        (Choice(metric="load_s"), "--metric load_s: nothing of it was recorded; there is: round_s"),
        (Choice(names=["xyz"]), "no series 'xyz'"),
        (Choice(names=[""]), "no series ''"),
    ):
        with pytest.raises(UserError, match=told):
            choose(rows, choice)
    with pytest.raises(UserError, match="never all of them together"):
        choose([*rows, replace(ONE, metric="load_s", backend="tff")], Choice(metric="load_s", backend="torch"))


# Steps


@settings(deadline=None, max_examples=25)
@given(
    seed=some.integers(0, 10**6),
    before=some.integers(12, 40),
    after=some.integers(8, 40),
    times=some.sampled_from([0.5, 2.0]),
)
def test_a_clear_step_is_found_at_its_commit(seed, before, after, times):
    stream = np.random.default_rng(seed)
    values = stream.uniform(0.98, 1.02, before + after) * np.repeat([1, times], [before, after])
    found = steps.find(values.tolist(), 0.99)
    (step,) = [one for one in found if one.place == before]
    assert step.counts[0] <= before and step.counts[1] <= after
    assert 0.96 < step.ratio / times < 1.04
    assert step.low <= step.ratio <= step.high
    assert (step.after > step.before) == (times > 1)


@pytest.mark.parametrize("levels", [(1, 1.2, 0.9), (1, 1.2, 1), (1, 1.1, 1.2)])
def test_two_steps_are_found_up_and_down(levels):
    """In 18 series of 20 at least: each of the three levels may show one more by chance, in one of a hundred."""
    right = 0
    for seed in range(20):
        found = steps.find((noise(60, seed, 0.005, wild=0) * np.repeat(levels, 20)).tolist(), 0.99)
        if [step.place for step in found] == [20, 40]:
            sizes = [levels[1] / levels[0], levels[2] / levels[1]]
            assert [step.ratio for step in found] == pytest.approx(sizes, rel=0.03)
            right += 1
    assert right >= 18


def test_a_single_wild_commit_is_no_step_and_hides_none():
    values = noise(40, 5, spread=0.01)
    values[39] *= 10
    assert not steps.find(values.tolist(), 0.99)
    values[20:] *= 1.1
    assert [step.place for step in steps.find(values.tolist(), 0.99)] == [20]


@pytest.mark.parametrize("count", [10, 30, 100])
def test_noise_steps_no_more_often_than_is_said(count):
    """At 95 %, in 200 series without a step: more than 19 would come by chance once in about a thousand times."""
    found = sum(bool(steps.find(noise(count, 1000 * count + seed).tolist(), 0.95)) for seed in range(200))
    assert found <= 19


def test_too_few_points_and_equal_ones_have_no_step():
    least = steps.least_points(0.99)
    assert least == 12
    half = least // 2
    assert not steps.find([1.0] * (half - 1) + [2.0] * (half - 1), 0.99)
    assert [step.place for step in steps.find([1.0] * half + [2.0] * half, 0.99)] == [half]
    assert not steps.find([1.0] * 50, 0.99)
    assert not steps.find([], 0.99)
    assert not steps.find([1.0], 0.99)


def test_values_of_zero_have_a_step_and_no_ratio():
    (step,) = steps.find([0.0] * 10 + [0.5] * 10, 0.99)
    assert (step.place, step.before, step.after, step.ratio) == (10, 0.0, 0.5, None)


def test_a_step_is_told_with_what_else_changed():
    rows = line(noise(30, 1, 0.01) * np.repeat([1, 1.5], 15))
    rows = rows[:15] + [replace(row, version="2.14.0") for row in rows[15:]]
    (one,) = arrange(rows)
    (step,) = steps.find([point.value for point in one.points], 0.99)
    told = tables.step_line(one, step)
    assert "worse between 0000014 (2026-01-15) and 0000015 (2026-01-16)" in told
    assert told.endswith("; there also changed: the framework ('2.13.0' -> '2.14.0')") or "(2.13.0 -> 2.14.0)" in told
    (accuracy,) = arrange([replace(row, metric="accuracy", unit="share") for row in rows])
    assert not tables.is_worse(accuracy, step)


# Files


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(rows=some.lists(ROWS, min_size=1, max_size=5))
def test_exported_rows_are_read_back(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    exporting.export(rows, "json", folder / "history.json")
    found = collecting.collect(folder / "history.json", commits.head)
    assert found.rows == tuple(rows)
    exporting.export(rows, "pytest-benchmark", folder / "benchmarks")
    files = sorted((folder / "benchmarks").iterdir())
    read = [row for path in files for row in collecting.collect(path, commits.head).rows]
    assert as_set(read) == as_set(row for row in rows if row.unit == "s")
    exporting.export(rows, "csv", folder / "history.csv")
    with (folder / "history.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [entry["commit"] for entry in table] == [row.commit for row in rows]
    assert [tuple(map(float, entry["values"].split())) for entry in table] == [row.values for row in rows]


def test_an_export_overwrites_no_folder_and_knows_its_formats(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="new or empty"):
        exporting.export([ONE], "pytest-benchmark", tmp_path)
    with pytest.raises(UserError, match="there are: csv, json, pytest-benchmark"):
        exporting.export([ONE], "excel", tmp_path / "x")


@pytest.fixture
def benchmark_json(tmp_path: Path) -> Path:
    """What the real pytest-benchmark writes of a test that sorts."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "test_it.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('n', [3, 5])\ndef test_sort(benchmark, n):\n"
        "    benchmark.pedantic(sorted, ([3, 1, 2] * n,), rounds=7, iterations=2)\n"
    )
    told = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "--benchmark-json", "out.json")
    subprocess.run([sys.executable, "-m", "pytest", *told], cwd=folder, check=True, capture_output=True)
    return folder / "out.json"


def test_what_pytest_benchmark_writes_is_read(benchmark_json, bench, tmp_path):
    document = json.loads(benchmark_json.read_text())
    found = collecting.collect(benchmark_json, lambda told: commits.Commit(commit(1)) if told is None else told)
    assert [row.experiment for row in found.rows] == ["test_it.py::test_sort[3]", "test_it.py::test_sort[5]"]
    for row, entry in zip(found.rows, document["benchmarks"], strict=True):
        assert (row.source, row.metric, row.unit) == ("pytest-benchmark", "call_s", "s")
        assert list(row.values) == entry["stats"]["data"] and len(row.values) == 7
        assert row.facts["cores"] == os.cpu_count() and row.facts["python"].startswith(f"{sys.version_info[0]}.")
    for entry in document["benchmarks"]:
        del entry["stats"]["data"]  # as it keeps them without --benchmark-save-data
    benchmark_json.write_text(json.dumps(document))
    found = collecting.collect(benchmark_json, lambda told: commits.Commit(commit(1)))
    assert [row.values for row in found.rows] == [(one["stats"]["median"],) for one in document["benchmarks"]]
    refused(bench("history", "add", str(benchmark_json)), str(tmp_path), "name it by --commit")


def test_the_commit_that_pytest_benchmark_tells_is_taken():
    info = {"id": commit(3), "time": "2026-01-01T12:00:00+01:00", "dirty": True, "branch": "(detached head)"}
    document = {"machine_info": {}, "commit_info": info, "datetime": "2026-01-01T13:00:00.5", "benchmarks": []}
    document["benchmarks"].append(
        {"fullname": "t.py::t", "params": None, "extra_info": {}, "stats": {"median": 0.5, "data": [0.25, 0.75]}}
    )
    (row,) = pytest_benchmark.rows(document, lambda told: told)
    assert (row.commit, row.committed, row.branch, row.dirty) == (commit(3), "2026-01-01T11:00:00+00:00", None, True)
    assert (row.recorded, row.values) == ("2026-01-01T13:00:00.500000+00:00", (0.25, 0.75))


def test_what_the_fixture_timed_is_a_round_of_its_backend():
    trained = {"backend": "torch", "digests": {"data": "d"}, "versions": {"framework": "torch", "version": "2.13.0"}}
    entry = {"fullname": "t.py::t", "params": None, "extra_info": trained, "stats": {"data": [0.25]}}
    document = {"machine_info": {}, "commit_info": {}, "datetime": "2026-01-01", "benchmarks": [entry]}
    (row,) = pytest_benchmark.rows(document, lambda told: HEAD)
    assert (row.backend, row.framework, row.version, row.metric) == ("torch", "torch", "2.13.0", "round_s")
    for more in ({"digests": {"data": "e"}}, {"spec": {"training": {"momentum": 0.5}}, "threads": 1}, {"threads": 2}):
        trained |= more
        (other,) = pytest_benchmark.rows(document, lambda told: HEAD)
        assert other.series != row.series
        row = other


def test_the_real_pytest_benchmark_compares_what_was_exported(tmp_path):
    exporting.export(line([1, 2]), "pytest-benchmark", tmp_path / "out")
    files = sorted(map(str, (tmp_path / "out").iterdir()))
    called = [sys.executable, "-m", "pytest_benchmark", "compare", *files, "--columns=median,rounds"]
    done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for text in ("quick[torch-round_s] (t/0001_0000000", "quick[torch-round_s] (t/0002_0000001", "(2.00)"):
        assert text in done.stdout


# From results


def run_of(repeat: int, **more) -> dict:
    rounds = [
        {"round": number, "seconds": 0.1 * number + repeat, "cpu_seconds": 0.2, "warmup": number == 1}
        for number in (1, 2, 3)
    ]
    return {
        "backend": "torch", "repeat": repeat, "status": "done", "rounds": rounds,
        "phases": {"load_s": 0.5, "first_round_s": 2.0}, "peak_rss_bytes": 2**30,
        "evaluations": [{"accuracy": 0.25}, {"accuracy": 0.75}], "privacy": {"epsilon_pld": "inf"},
        "versions": {"framework": "torch", "version": "2.13.0"},
    } | more  # fmt: skip


def comparison(*runs: dict, **settings: object) -> dict:
    own = Spec().model_dump(mode="json")
    for key, value in settings.items():
        section, _, name = key.partition("__")
        own[section][name] = value
    parity = {"backends": {"torch": {"verdict": "pass"}, "liar": {"verdict": "fail"}}}
    cell = {"name": "", "spec": own, "digests": {"data": "d", "weights": "w"}, "runs": list(runs), "parity": parity}
    experiment = {"name": "quick", "description": "", "study": None}
    machine = MACHINE | {"threads": 2}
    finished = "2026-01-02T00:00:00+00:00"
    schema, kernels = "bench.comparison/1", {"kernel": 1, "seconds": [0.5, 2.0, 9.0]}
    return {
        "schema": schema,
        "experiment": experiment,
        "machine": machine,
        "finished": finished,
        "cells": [cell],
        "calibration": kernels,
    }


def rows_of(document: dict, told: commits.Commit | None = None) -> dict[str, Row]:
    own = commits.Commit(commit(1), "2026-01-01T00:00:00+00:00", "main")
    return {row.metric: row for row in collecting.from_result(document, lambda told: told or own, "here").rows}


def test_rows_of_a_run():
    found = rows_of(comparison(run_of(1), run_of(2), run_of(3, status="failed")))
    assert {metric: row.values for metric, row in found.items()} == {
        "round_s": pytest.approx((1.2, 1.3, 2.2, 2.3)),
        "round_calibrated": pytest.approx((2.4, 2.6, 1.1, 1.15)),
        "round_cpu_s": (0.2,) * 4,
        "load_s": (0.5, 0.5),
        "first_round_s": (2.0, 2.0),
        "peak_rss_bytes": (2.0**30, 2.0**30),
        "accuracy": (0.75, 0.75),
    }  # an infinite epsilon is no number
    private = rows_of(comparison(run_of(1, privacy={"epsilon_pld": 3.5})))
    assert private["epsilon"].values == (3.5,)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ({"timing__repeats": 9}, True),
        ({"data__source": "/another/place"}, True),
        ({"timing__silence_s": 5.0}, True),
        ({"data__a_setting_of_tomorrow": None}, True),
        ({"training__lr": 0.5}, False),
        ({"data__form": "npy"}, False),
        ({"timing__device": "cuda"}, False),
    ],
)
def test_what_makes_another_series(other, is_same):
    usual = rows_of(comparison(run_of(1)))["round_s"]
    changed = rows_of(comparison(run_of(1), **other))["round_s"]
    assert (usual.series == changed.series) == is_same
    kernel = comparison(run_of(1))
    kernel["calibration"]["kernel"] = 2
    assert rows_of(kernel)["round_s"].series == usual.series
    assert rows_of(kernel)["round_calibrated"].series != rows_of(comparison(run_of(1)))["round_calibrated"].series
    del kernel["calibration"]  # as before there was one
    assert "round_calibrated" not in rows_of(kernel)
    threads = comparison(run_of(1))
    threads["machine"] = MACHINE | {"threads": 1}
    assert rows_of(threads)["round_s"].series != usual.series


def test_who_failed_the_certificate_is_left_out_and_told():
    found = collecting.from_result(comparison(run_of(1), run_of(1, backend="liar")), lambda told: HEAD, "here")
    assert {row.backend for row in found.rows} == {"torch"}
    assert found.notes == ("liar of quick failed its certificate: it is left out",)
    with pytest.raises(UserError, match="here: it holds nothing that was measured: liar"):
        collecting.from_result(comparison(run_of(1, backend="liar")), lambda told: HEAD, "here")


HEAD = commits.Commit(commit(9), "2026-01-01T00:00:00+00:00", "main")


def check(**more) -> dict:
    """A check as `bench check --json` prints it: two pairs, head twice as slow."""

    def side(times: float) -> dict:
        return {
            "round_s": [times, 2 * times], "round_cpu_s": [times, times], "load_s": 0.5 * times,
            "rounds": 3, "peak_rss_bytes": 1000, "accuracy": 0.5, "loss": 1.0, "weights_sha256": "w",
        }  # fmt: skip

    own = {"framework": "torch", "version": "2.13.0", "released": None, "python": "3.12"}
    entry = {
        "backend": "torch", "base": "torch@2.12.0", "head": "torch",
        "versions": {"base": own | {"version": "2.12.0"}, "head": own},
        "pairs": [{"order": "base", "base": side(1), "head": side(2)}] * 2,
        "processes": {"base": [side(1)] * 2, "head": [side(2)] * 2},
        "phases": [],
        "gates": [{"gate": gate, "passed": True, "told": ""} for gate in ("parity", "accuracy", "epsilon", "weights")],
    }  # fmt: skip
    return {
        "schema": "bench.check/1", "experiment": "quick", "digests": {"data": "d", "weights": "w"},
        "spec": Spec().model_dump(mode="json"),
        "against": {"kind": "ref", "name": "main", "commit": commit(1), "told": "main"},
        "subject": {"commit": commit(2), "dirty": True, "told": "working tree"},
        "machine": MACHINE | {"threads": 2}, "finished": "2026-01-02T00:00:00+00:00", "seconds": 5.0,
        "settings": {}, "calibration": {"kernel": 1, "base_s": None, "head_s": [0.5, 0.25, 0.75]},
        "backends": [entry], "notes": [], "verdict": "slower",
    } | more  # fmt: skip


def test_rows_of_a_check_are_those_of_head():
    found = rows_of(check())
    assert {metric: row.values for metric, row in found.items()} == {
        "round_s": (2.0, 4.0, 2.0, 4.0),
        "round_calibrated": (4.0, 8.0, 4.0, 8.0),
        "round_cpu_s": (2.0, 2.0, 2.0, 2.0),
        "load_s": (1.0, 1.0),
        "peak_rss_bytes": (1000.0, 1000.0),
        "accuracy": (0.5, 0.5),
    }
    row = found["round_s"]
    assert (row.commit, row.dirty, row.backend, row.version) == (commit(2), True, "torch", "2.13.0")
    assert row.source == "check"


@pytest.mark.parametrize("gate", ["parity", "weights"])
def test_a_check_of_other_work_is_not_kept(gate):
    document = check()
    document["backends"][0]["gates"] = [{"gate": gate, "passed": False, "told": ""}]
    with pytest.raises(UserError, match=f"nothing that was measured: torch failed the gate of {gate}"):
        rows_of(document)


@pytest.mark.parametrize("key", ["subject", "digests", "machine", "finished", "backends", "experiment"])
def test_a_check_that_lacks_something_is_told(key):
    document = check()
    del document[key]
    with pytest.raises(UserError, match=f"this check: not a whole bench.check/1 document: '{key}' is missing"):
        recording.record_check(document, Path("nowhere"))


def test_a_check_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "history.sqlite"
    with pytest.raises(UserError, match="name it by --commit"):
        recording.refuse_unusable(path)
    assert recording.record_check(check(), path) == [f"6 new rows in {path}"]
    assert recording.record_check(check(), path)[1] == "6 rows were there already"
    assert {row.metric for row in database.read(path)} == rows_of(check()).keys()
    with pytest.raises(UserError, match="name it by --commit"):
        recording.record_check(check(subject={"commit": None, "dirty": False, "told": ""}), path)


# As a user


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `bench` is called in, as a repository with one commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "code.py").write_text("one\n")
    for told in (["init", "-q", "-b", "trunk"], ["add", "code.py"], ["commit", "-q", "-m", "One"]):
        git(tmp_path, *told)
    return tmp_path


def git(folder: Path, *told: str) -> str:
    own = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *own, *told], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_run_is_kept_shown_and_drawn(bench, repository):
    assert bench("run", "--backends", "reference", "--repeats", "2", tiny=True).code == 0
    (folder,) = (repository / "runs").iterdir()
    kept = bench("history", "add", str(folder))
    assert kept.code == 0 and "7 new rows" in kept.err, kept.err
    assert "7 rows were there already" in bench("history", "add", str(folder)).err
    rows = database.read(repository / ".bench" / "history.sqlite")
    assert {row.commit for row in rows} == {git(repository, "rev-parse", "HEAD")}
    assert {(row.branch, row.dirty, row.backend, row.experiment) for row in rows} == {
        ("trunk", False, "reference", "quick")
    }
    assert {row.committed for row in rows} == {moment(git(repository, "show", "-s", "--format=%cI", "HEAD"))}
    (repository / "below").mkdir()
    listed = bench("history", "list", "--metric", "round_s", env={"COLUMNS": "120"})
    assert rows[0].commit[:7] in listed.out and "reference" in listed.out
    (one,) = choose(rows, Choice(metric="round_s"))
    assert f"{one.name}: quick, reference, round_s" in bench("history", "show", one.name[:5]).out
    few = bench("history", "steps")
    assert (few.code, few.out) == (0, "") and "7 have fewer than the 12 clean commits" in few.err
    for name, start in (("h.png", b"\x89PNG"), ("h.svg", b"<?xml")):
        assert bench("history", "plot", "--out", name).code == 0
        assert (repository / name).read_bytes().startswith(start)
    refused(bench("history", "plot", "--out", "h.gif"), "h.gif", ".png")


def test_a_dirty_tree_is_recorded_as_such(repository):
    assert commits.measured(None, None, repository).dirty is False
    (repository / "untracked.txt").write_text("x")
    assert commits.measured(None, None, repository).dirty is False
    (repository / "code.py").write_text("two\n")
    own = commits.measured(None, None, repository)
    assert (own.dirty, own.branch) == (True, "trunk")
    named = commits.measured("trunk", None, repository)
    assert (named.hash, named.dirty, named.branch) == (own.hash, False, "trunk")
    told = commits.measured(None, commits.Commit(own.hash, dirty=True), repository)
    assert told == own
    git(repository, "tag", "v1")
    assert commits.measured("v1", None, repository).branch is None
    strange = commits.Commit(commit(5), None, "other")
    assert commits.measured(None, strange, repository) == strange


def test_a_branch_may_be_named_in_any_bytes(repository):
    subprocess.run([b"git", b"-C", bytes(repository), b"checkout", b"-q", b"-b", b"caf\xe9"], check=True)
    assert commits.measured(None, None, repository).branch == "caf\ufffd"


@pytest.mark.parametrize("ref", ["nowhere", "--help", ""])
def test_a_commit_that_isnt_there_is_told(bench, repository, ref):
    (repository / "check.json").write_text(json.dumps(check()))
    done = bench("history", "add", "check.json", f"--commit={ref}")
    refused(done, f"--commit {ref}: no such commit", "a full hash")
    assert not (repository / ".bench" / "history.sqlite").exists()


def test_outside_of_a_repository_a_full_hash_is_asked_for(bench, tmp_path):
    (tmp_path / "check.json").write_text(json.dumps(check(subject={"commit": None, "dirty": False, "told": ""})))
    refused(bench("history", "add", "check.json"), str(tmp_path), "not a git repository", "name it by --commit")
    refused(bench("history", "add", "check.json", "--commit", "main"), "--commit main", "a full hash")
    assert bench("history", "add", "check.json", "--commit", commit(4), "--database", "h.sqlite").code == 0
    assert {row.commit for row in database.read(tmp_path / "h.sqlite")} == {commit(4)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "wrong.json:1: not JSON; allowed: a run folder"),
        ("[]", "wrong.json: no result; allowed"),
        ('{"schema": "bench.check/9"}', "no result (schema 'bench.check/9'); allowed"),
        ('{"schema": ["x"]}', "no result (schema ['x'])"),
        ('{"schema": "bench.check/1"}', "not a whole bench.check/1 document: 'subject' is missing"),
        ('{"schema": "bench.history/1", "rows": [{}]}', "not a whole bench.history/1 document: 'commit' is missing"),
        ('{"schema": "bench.history/1", "rows": []}', "it holds nothing that was measured"),
        ('{"benchmarks": 3, "machine_info": {}, "datetime": "2026-01-01"}', "not a whole pytest-benchmark JSON"),
    ],
)
def test_what_is_no_result_is_told_and_nothing_is_kept(bench, repository, content, told):
    (repository / "right.json").write_text(json.dumps(check()))
    (repository / "wrong.json").write_text(content)
    refused(bench("history", "add", "right.json", "wrong.json", "--database", "h.sqlite"), told)
    assert not (repository / "h.sqlite").exists()


def test_what_isnt_there_is_told(bench, tmp_path):
    refused(bench("history", "add", "nowhere.json"), "nowhere.json", "No such file")
    refused(bench("history", "list"), str(tmp_path / ".bench" / "history.sqlite"), "bench history add makes it")
    refused(bench("history", "list", env={"BENCH_HISTORY": "/nowhere/h.sqlite"}), "/nowhere/h.sqlite")
    refused(bench("history", "steps", "--confidence", "lots"), "--confidence lots", "50%")
    assert not list(tmp_path.iterdir())


def test_a_step_up_fails_where_it_is_asked_to(bench, tmp_path):
    path = tmp_path / "h.sqlite"
    database.add(path, line(noise(40, 2, 0.01) * np.repeat([1, 1.3], [25, 15])))
    told = ("history", "steps", "--database", "h.sqlite")
    found = bench(*told)
    assert found.code == 0
    assert "worse between 0000024 (2026-01-25) and 0000025 (2026-01-26)" in found.out
    assert "1 series looked at: 0.01 of them would step by chance" in found.err
    assert bench(*told, "--fail").code == 1
    assert bench(*told, "--fail", "--within", "14").code == 0  # long known
    faster = [replace(row, backend="tff", values=(2 / row.values[0],)) for row in database.read(path)]
    database.add(path, faster)
    assert bench(*told, "--fail", "--backend", "tff").code == 0
    newer = [replace(row, source="check") for row in line(np.ones(50))]
    database.add(path, newer)
    assert bench(*told, "--fail").code == 0  # the newest commit is of another series, which has no step


@pytest.mark.parametrize(("levels", "code"), [([1, 2, 1.8], 1), ([1, 2, 0.9], 0)])
def test_of_several_steps_the_level_now_counts(bench, tmp_path, levels, code):
    database.add(tmp_path / "h.sqlite", line(noise(60, 2, 0.01) * np.repeat(levels, 20)))
    told = bench("history", "steps", "--database", "h.sqlite", "--fail", "--within", "50")
    assert (told.code, told.out.count(" between ")) == (code, 2), told.out


def test_dirty_commits_are_shown_and_make_no_step(tmp_path, bench):
    rows = line(noise(20, 4, 0.01))
    dirty = [replace(row, dirty=True, values=(9.0,)) for row in rows[10:]]
    database.add(tmp_path / "h.sqlite", rows[:10] + dirty)
    assert bench("history", "steps", "--database", "h.sqlite", "--fail").out == ""
    assert "0000019+" in bench("history", "show", "--database", "h.sqlite").out
    (one,) = arrange(database.read(tmp_path / "h.sqlite"))
    assert len(one.clean.points) == 10


def test_a_picture_has_its_steps_and_a_limit(tmp_path):
    rows = line(noise(40, 2, 0.01) * np.repeat([1, 1.3], [25, 15]))
    rows += [replace(rows[-1], commit=commit(40), committed="2026-06-01T00:00:00+00:00", dirty=True)]
    found = arrange(rows)
    own = {found[0].name: steps.find([point.value for point in found[0].clean.points], 0.99)}
    figure = plotting.draw(found, own)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any(text.endswith("x at 0000025") and text.startswith("1.3") for text in texts)
    assert any(text.startswith("torch ") for text in texts)
    many = arrange([replace(ONE, experiment=str(number)) for number in range(25)])
    with pytest.raises(UserError, match="25 panels are too many"):
        plotting.draw(many, {})
    only_dirty = arrange([replace(ONE, dirty=True)])
    assert plotting.draw(only_dirty, {}).axes


def test_from_document_wants_every_field():
    own = ONE.document()
    assert from_document(json.loads(json.dumps(own))) == ONE
    del own["unit"]
    with pytest.raises(KeyError):
        from_document(own)
