"""What `bench conformance` needn't run, and what it runs side by side: the verdicts are those of every job alone."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import environments, events, plugins
from bench.foregone import Foregone
from bench.jobs import Job, Task
from bench.process import Outcome
from tests import grids
from tests.test_faults import FAKES, alive, wait_until

PRIVATE = {"privacy.noise_multiplier": [1, 2], "privacy.unit": ["example", "client"]}
READY = environments.built(plugins.find("backends", "reference"))


def jobs_of(label: str, tasks: list[Task]) -> list[Job]:
    """A backend's jobs, the probes first, in an environment that is there."""
    found = [job for job in grids.everything(tasks) if job.contender.label == label]
    return [replace(job, contender=replace(job.contender, environment=READY)) for job in found]


def skipped(asked: dict | None) -> Outcome:
    return Outcome("skipped", "it can't", (events.Skipped("it can't", asked),))


@pytest.fixture
def private() -> tuple[Foregone, list[Job], list[Job]]:
    """What is foregone of a backend; its jobs, by example and by client; the reference's."""
    tasks = grids.tasks(PRIVATE | {"timing.repeats": 1}, ("mine", "reference"))
    cells = [cell for task in tasks for cell in task.cells]
    return Foregone("mine", cells), jobs_of("mine", tasks), jobs_of("reference", tasks)


def unit(job: Job) -> str:
    assert job.cell.cell.spec.privacy is not None
    return job.cell.cell.spec.privacy.unit


def test_what_is_refused_is_refused_of_all_that_ask_for_it(private):
    foregone, mine, reference = private
    foregone.learn(next(job for job in mine if unit(job) == "client"), skipped({"privacy": {"unit": "client"}}))
    for job in [*mine, *reference]:
        found = foregone.outcome(job)
        assert (found is not None and found.reason == "it can't") == (unit(job) == "client")


def test_what_is_refused_without_telling_why_is_asked_of_every_other_job(private):
    foregone, mine, _ = private
    foregone.learn(mine[0], skipped(None))
    assert [foregone.outcome(job) is not None for job in mine] == [True] + [False] * (len(mine) - 1)


def test_what_the_reference_refuses_is_asked_of_the_backend(private):
    foregone, mine, reference = private
    foregone.learn(reference[0], skipped({"privacy": {"unit": unit(reference[0])}}))
    assert not any(foregone.outcome(job) for job in mine)


def test_a_backend_that_is_not_here_leaves_the_reference_nothing_to_do(private):
    foregone, mine, reference = private
    absent = replace(mine[0], contender=replace(mine[0].contender, environment=None))
    foregone.learn(absent, Outcome("skipped", "no such Python", ()))
    assert {foregone.outcome(job) for job in [*mine, *reference]} == {Outcome("skipped", "no such Python", ())}


def test_the_reference_repeats_one_cell_of_those_that_train_the_same(private):
    foregone, mine, reference = private
    assert not any(foregone.outcome(job) for job in mine)
    repeats = [job for job in reference if job.repeat]
    assert len(repeats) == 4
    run = [job for job in repeats if foregone.outcome(job) is None]
    assert sorted(map(unit, run)) == ["client", "example"]
    assert not any(foregone.outcome(job) for job in reference if not job.repeat)


ONLY = ("--only=fused", "--only=by client", "--only=own loader")


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_backend_is_asked_once_for_what_it_does_not_have(bench, tmp_path: Path, at_once: int):
    one_unit = str(FAKES / "one_unit.py")
    finished = bench("conformance", one_unit, *ONLY, "--out=runs", f"--jobs={at_once}")
    assert finished.code == 0, finished.out
    assert "1 pass, 0 fail, 9 skipped" in finished.out
    assert finished.out.count("privacy.engine = fused: this backend has stock for unit example") == 4
    assert finished.out.count("privacy.unit = client: this backend has no such") == 4
    started = [path.parent.name for path in tmp_path.glob("runs/*/task-*/*/stderr.log")]
    trained = [name for name in started if name.endswith(("reference-1", "one_unit-1"))]
    assert sorted(trained) == ["1-one_unit-1", "1-reference-1", "2-one_unit-1"], "the second to be told of the loader"
    if at_once == 1:  # side by side two may ask before either is answered
        assert started.count("one_unit-probe") == started.count("reference-probe") == 3


def test_side_by_side_each_is_interrupted_and_judged_as_it_is_alone(bench):
    finished = bench("conformance", str(FAKES / "keeps_rounded_weights.py"), "--only=interrupted", "--jobs=2")
    assert finished.code == 1
    assert [line.partition(" the final")[0] for line in finished.out.splitlines()] == [
        "pass  unequal clients, momentum, odd batches",
        "fail  interrupted:",
        "pass  private by example, stock: clipping",
        "pass  private by example, stock: noise, interrupted",
        "pass  private by client: clipping",
        "pass  private by client: noise, interrupted",
        "5 pass, 1 fail, 0 skipped",
    ]
    assert finished.err.count("interrupted on purpose, goes on after round 2") == 3
    assert "jobs: " in finished.err


def test_ctrl_c_ends_what_runs_side_by_side(tmp_path: Path):
    command = ("conformance", str(FAKES / "hang.py"), "--only=several", "--only=no convolution", "--out=runs", "-j2")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cli", *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )

    def stuck() -> list[Path]:
        told = tmp_path.glob("runs/*/task-*/hang-probe/events.jsonl")
        return [path for path in told if '["Round"' in path.read_text()]

    wait_until(lambda: len(stuck()) == 2)
    workers = [json.loads(path.read_text().splitlines()[0])[1]["pid"] for path in stuck()]
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told
    wait_until(lambda: not any(map(alive, workers)))


def test_no_jobs_are_refused(bench):
    finished = bench("conformance", "reference", "--jobs=0")
    assert (finished.code, finished.err.strip()) == (2, "bench: --jobs 0: must be at least 1")
