"""Interrupted jobs go on after the last intact checkpoint, to the same bits, and train nothing twice before it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import checkpoints, events, plugins, ratios, record, store
from bench.jobs import Contender
from bench.spec import Data, Timing
from bench.table import shortened, tables
from tests.conftest import ROOT, TINY
from tests.test_faults import FAKES, alive, run_of, wait_for, wait_until
from tests.test_reports import comparison
from tests.test_reports import run_of as report_of

NAME = "hang_in_round_six"
FAKE = str(FAKES / f"{NAME}.py")
OFTEN = ("federation.rounds=8", "timing.save_every=2", "timing.checkpoint_s=1e-6")
PRIVATE = ("privacy.noise_multiplier=1", "privacy.noise_seed=5")


def interrupted(folder: Path, *more: str, backend: str = FAKE, whom: str = "run") -> Path:
    """Kill a run, or its worker alone, while the backend hangs in round 6; return the job's folder."""
    settings = [f"--set={one}" for one in (*TINY, *OFTEN, *more)]
    command = [sys.executable, "-m", "bench.cli", "run", *settings, f"--backends={backend}"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        last = '["Round", {"number": 5' if PRIVATE[1] in more else '["Checkpoint", {"round": 5'
        job = wait_for(folder, "runs/*/task-1/*-1/events.jsonl", last).parent
        worker = json.loads((job / "events.jsonl").read_text().splitlines()[0])[1]["pid"]
        if whom == "worker":
            os.kill(worker, signal.SIGKILL)
            assert process.wait(60) == 1
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not alive(worker))
    (folder / "runs" / "go-on").touch()
    return job


def run_again(bench, *more: str, backend: str = FAKE, out: str = "runs") -> dict[str, Any]:
    """Run the same command, or the same into another folder, and return its only timed run."""
    settings = [f"--set={one}" for one in (*OFTEN, *more)]
    finished = bench("run", "--json", *settings, f"--backends={backend}", f"--out={out}", tiny=True)
    assert finished.code == 0, finished.err
    return run_of(finished, Path(backend).stem)


def trained(job: Path) -> list[int]:
    return [int(line) for line in (job / "trained").read_text().split()]


@pytest.mark.parametrize("whom", ["run", "worker"])
def test_a_killed_job_goes_on_after_its_checkpoint_to_the_same_bits(bench, tmp_path: Path, whom):
    job = interrupted(tmp_path, whom=whom)
    assert sorted(path.name for path in job.glob("checkpoint-*")) == ["checkpoint-000004.npz", "checkpoint-000005.npz"]
    run = run_again(bench)
    assert [path.name for path in (tmp_path / "runs").glob("quick-*")] == [job.parents[1].name]
    assert trained(job) == [1, 2, 3, 4, 5, 6, 7, 8], "no round before the checkpoint is trained again"
    assert run["resumed_after"] == [5]
    assert [entry["round"] for entry in run["rounds"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [entry["round"] for entry in run["rounds"] if entry["warmup"]] == [1, 6]
    assert not list(job.glob("checkpoint-*")), "a job that is done needs none"
    lines = [json.loads(line) for line in (job / "events.jsonl").read_text().splitlines()]
    assert [fields["round"] for name, fields in lines if name == "Saved"] == [2, 4, 6, 8]

    untouched = run_again(bench)
    assert untouched["resumed_after"] == []
    assert untouched["weights_sha256"] == run["weights_sha256"]
    assert untouched["evaluations"] == run["evaluations"]


@pytest.mark.parametrize(("spoiled", "last"), [((5,), 4), ((4, 5), 0)])
def test_spoiled_checkpoints_are_not_trusted(bench, tmp_path: Path, spoiled, last):
    job = interrupted(tmp_path)
    for number in spoiled:
        path = job / f"checkpoint-{number:06d}.npz"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    with (job / "events.jsonl").open("a") as file:
        file.write('["Round", {"number": 6, "fo')  # torn by the kill
    run = run_again(bench)
    assert run["resumed_after"] == ([last] if last else [])
    assert trained(job) == [1, 2, 3, 4, 5, *range(last + 1, 9)]
    assert [entry["round"] for entry in run["rounds"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert run["weights_sha256"] == run_again(bench, backend="reference", out="elsewhere")["weights_sha256"]


def test_a_changed_adapter_begins_anew(bench, tmp_path: Path):
    mine = tmp_path / "mine.py"
    mine.write_text(Path(FAKE).read_text().replace("../backends", str(ROOT / "backends")))
    job = interrupted(tmp_path, backend="./mine.py")
    mine.write_text(mine.read_text() + "# mended\n")
    assert run_again(bench, backend="./mine.py")["resumed_after"] == []
    assert trained(job) == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("unit", ["example", "client"])
def test_a_private_job_goes_on_and_spends_what_an_untouched_one_does(bench, tmp_path: Path, unit):
    settings = ("privacy.noise_multiplier=1", f"privacy.unit={unit}")
    job = interrupted(tmp_path, *settings)
    run = run_again(bench, *settings)
    assert (run["resumed_after"], run["status"]) == ([5], "done")
    assert trained(job) == [1, 2, 3, 4, 5, 6, 7, 8]
    untouched = run_again(bench, *settings, backend="reference", out="elsewhere")
    assert untouched["resumed_after"] == []
    assert untouched["privacy"] == run["privacy"]


def test_noise_from_a_seed_begins_anew_since_it_would_come_twice(bench, tmp_path: Path):
    job = interrupted(tmp_path, *PRIVATE)
    assert not list(job.glob("checkpoint-*"))
    run = run_again(bench, *PRIVATE)
    assert (run["resumed_after"], run["status"]) == ([], "done")
    assert trained(job) == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7, 8]


def test_a_job_that_times_loading_keeps_what_was_timed(bench, tmp_path: Path):
    settings = ("timing.loading_passes=3", "federation.clients=1", "federation.clients_per_round=1")
    job = interrupted(tmp_path, *settings)
    run = run_again(bench, *settings)
    assert run["resumed_after"] == [5]
    assert [entry["number"] for entry in run["loading"]] == [1, 2, 3], "in the first process only"
    assert trained(job) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_backend_that_takes_no_weights_back_begins_anew(bench, tmp_path: Path):
    fake = str(FAKES / "takes_no_weights_back.py")
    job = interrupted(tmp_path, backend=fake)
    finished = bench("run", "--json", *(f"--set={one}" for one in OFTEN), f"--backends={fake}", tiny=True)
    assert finished.code == 0
    assert "can't go on from its checkpoint, begins anew: NotImplementedError: no way back" in finished.err
    assert run_of(finished, "takes_no_weights_back")["resumed_after"] == []
    assert trained(job) == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7, 8]


def test_without_checkpoints_there_are_none(bench, tmp_path: Path):
    bench("run", "--json", "--set=timing.checkpoint_s=0", "--backends=reference", tiny=True)
    (job,) = tmp_path.glob("runs/*/task-1/reference-1")
    assert "Checkpoint" not in (job / "events.jsonl").read_text()


def a_round(number: int) -> events.Round:
    return events.Round(number, "memory", float(number), 1.0, [0], 8, 8, 1000)


def a_process(*numbers: int) -> list[Any]:
    """What a process says that trains these rounds."""
    own = [events.Started(1, "3.11", 1), events.Phase("import", 10.0 * numbers[0], 1.0, 10)]
    return own + [event for number in numbers for event in (a_round(number), events.Evaluation(number, 0.5, 1.0, 0.1))]


def entry(seen: list[Any], warmup_rounds: int = 1) -> dict[str, Any]:
    contender = Contender("reference", plugins.find("backends", "reference"), None, None)
    timing = Timing(warmup_rounds=warmup_rounds)
    return record.run_entry(contender, 1, Data(), timing, "done", None, seen, None)


def test_every_process_warms_up_and_phases_are_the_first_ones():
    own = entry([*a_process(1, 2, 3, 4), *a_process(5, 6), *a_process(7, 8, 9)], warmup_rounds=2)
    assert own["resumed_after"] == [4, 6]
    assert [one["round"] for one in own["rounds"] if one["warmup"]] == [1, 2, 5, 6, 7, 8]
    assert own["phases"]["import_s"] == 10.0
    assert own["phases"]["first_round_s"] == 1.0
    assert own["phases"]["train_s"] == pytest.approx(7 * (3.0 + 4.0 + 9.0) / 3), "as many rounds as an untouched run"
    assert [one["round"] for one in own["evaluations"]] == list(range(1, 10))
    assert entry(a_process(1, 2, 3))["resumed_after"] == []
    cold = entry([*a_process(1, 2), *a_process(3, 4)], warmup_rounds=0)
    assert [one["round"] for one in cold["rounds"] if one["warmup"]] == [3], "a later process compiles anew"


def test_a_later_process_s_first_evaluation_counts_as_the_others_do():
    def process(first: int, *seconds: float) -> list[Any]:
        own = [events.Evaluation(first + index, 0.5, 1.0, value) for index, value in enumerate(seconds)]
        return [events.Started(1, "3.11", 1), *own]

    assert entry([*process(1, 9.0, 1.0, 2.0)])["phases"]["evaluate_s"] == 12.0
    resumed = entry([*process(1, 9.0, 1.0), *process(3, 8.0, 3.0)])
    assert resumed["phases"]["evaluate_s"] == 9.0 + 1.0 + 3.0 + 2.0
    assert entry([*process(1, 9.0), *process(2, 8.0)])["phases"]["evaluate_s"] == 18.0


def test_rounds_are_paired_by_number_and_only_where_neither_warms_up():
    resumed = report_of("b", 1)
    resumed["rounds"] = [{**one, "seconds": 2.0 * one["seconds"], "warmup": n != 3} for n, one in
                         enumerate(resumed["rounds"], start=1)]  # fmt: skip
    found = {one["metric"]: one for one in ratios.ratios([report_of("a", 1), resumed])}
    assert (found["round_s"]["pairs"], found["round_s"]["ratio"]) == (1, pytest.approx(2.0))


def test_a_table_tells_that_a_run_was_interrupted():
    notes = tables(comparison(report_of("a", 1), report_of("b", 1, resumed_after=[2])))[0].notes
    told = "b, repeat 1: went on after round 2 in a new process, from its weights; its first round there kept apart"
    assert [note for note in notes if "went on" in note] == [f"{told} as well."]
    assert "the first 1 round kept apart" in notes[0]


def test_a_large_grid_tells_it_too():
    many = comparison(report_of("a", 1), report_of("b", 1, resumed_after=[2, 5]))
    many["cells"] = [{**many["cells"][0], "name": f"clients {number}"} for number in range(1, 6)]
    (table,) = [table for table in shortened(many) if table.title == "Interrupted and gone on with"]
    assert table.rows[0] == ("b", "clients 1", "1", "2 and 5")
    assert len(table.rows) == 5


def test_events_are_taken_as_far_as_they_can_be_read(tmp_path: Path):
    content = b"weights"
    (tmp_path / "checkpoint-000002.npz").write_bytes(content)
    kept = [*a_process(1, 2), events.Checkpoint(2, "checkpoint-000002.npz", hashlib.sha256(content).hexdigest())]
    gone = [a_round(3), events.Checkpoint(3, "checkpoint-000003.npz", "0" * 64)]
    text = "".join(map(events.to_line, [*kept, *gone]))
    (tmp_path / "events.jsonl").write_bytes(text.encode()[:-9])
    assert checkpoints.earlier(tmp_path, "k") == (), "of nobody knows which key"
    store.write_json(tmp_path / "begun.json", {"key": "k"})
    assert checkpoints.earlier(tmp_path, "k") == tuple(kept)
    assert checkpoints.earlier(tmp_path, "another") == ()
    (tmp_path / "events.jsonl").write_bytes(b"\xff\x00" + text.encode())
    assert checkpoints.earlier(tmp_path, "k") == ()
