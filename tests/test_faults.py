"""Backends that crash, hang, lie or leave: one helpful line each, the right exit code, the others' results kept."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY

FAKES = ROOT / "tests" / "fakes"
FAULTS = {
    "crash": "RuntimeError: out of cheese (round 2;",
    "killed": "killed by SIGKILL before it was done, after round 1",
    "truncated": "ended with exit code 0 before it was done, after round 1",
    "not_finite": "dense1.weight is not finite",
    "wrong_shapes": "weight dense1.weight has shape",
    "wrong_logits": "predict returned shape",
    "no_import": "No module named 'a_framework_that_is_not_there' (import;",
    "hang": "said nothing for 4 s and was ended after round 1",
}


def run_of(finished, backend):
    return next(run for run in finished.document["cells"][0]["runs"] if run["backend"] == backend)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_backend_fails_alone(bench, fault):
    path = str(FAKES / f"{fault}.py")
    finished = bench("run", "--json", "--set=timing.silence_s=4", f"--backends=reference,{path}", tiny=True)
    assert finished.code == 1
    assert run_of(finished, fault)["status"] == "failed"
    assert FAULTS[fault] in run_of(finished, fault)["reason"]
    assert run_of(finished, "reference")["status"] == "done"
    assert FAULTS[fault] in finished.err


def test_what_a_backend_prints_never_reaches_the_results(bench):
    finished = bench("run", "--json", f"--backends={FAKES / 'chatter.py'}", tiny=True)
    assert finished.code == 0
    assert run_of(finished, "chatter")["status"] == "done"


def test_unsupported_is_a_skip_with_its_reason(bench):
    path = str(FAKES / "unsupported.py")
    finished = bench("run", "--json", f"--backends=reference,{path}", tiny=True)
    assert finished.code == 1
    assert run_of(finished, "unsupported")["status"] == "skipped"
    assert run_of(finished, "unsupported")["reason"] == "this one only sings"
    assert bench("run", "--json", "--allow-skips", f"--backends=reference,{path}", tiny=True).code == 0


PRIVATE = "--set=privacy.noise_multiplier=1"


def test_privacy_that_a_backend_does_not_have_is_a_skip(bench):
    finished = bench("run", "--json", PRIVATE, "--set=privacy.unit=client", f"--backends={ONE_UNIT}", tiny=True)
    assert finished.code == 1
    run = run_of(finished, "one_unit")
    assert (run["status"], run["privacy"]) == ("skipped", None)
    assert run["reason"] == "privacy.unit = client: this backend has no such differential privacy"
    finished = bench("run", "--json", PRIVATE, "--set=privacy.engine=fused", f"--backends={ONE_UNIT}", tiny=True)
    assert run_of(finished, "one_unit")["reason"] == "privacy.engine = fused: this backend has stock for unit example"


ONE_UNIT = FAKES / "one_unit.py"
LIES = {
    "tells_of_no_noise": "privacy was asked for, and the backend added no noise",
    "tells_of_other_noise": "noise_multiplier was 2.0, not 1.0",
    "misses_a_step": "noise was added in steps",
}


@pytest.mark.parametrize("lie", LIES)
def test_noise_that_is_not_what_was_asked_for_is_a_failure(bench, lie):
    finished = bench("run", "--json", PRIVATE, f"--backends={FAKES / lie}.py", tiny=True)
    assert finished.code == 1
    assert LIES[lie] in run_of(finished, lie)["reason"]
    assert run_of(finished, lie)["privacy"] is None


def test_accountants_that_disagree_end_the_run_with_an_error(bench):
    finished = bench("run", PRIVATE, f"--backends={FAKES / 'claims_too_little.py'}", tiny=True)
    assert finished.code == 1
    assert "claims_too_little: A cheap accountant says epsilon 0.1, and fedbench's accountant" in finished.err
    assert "ACCOUNTANTS DISAGREE: A cheap accountant" in finished.out


def test_a_seed_of_the_noise_is_told_as_what_it_is(bench):
    seeded = ("--set=privacy.noise_seed=5", PRIVATE, "--backends=reference")
    finished = bench("run", *seeded, tiny=True)
    assert "NOT PRIVATE: noise_seed 5 is for tests" in finished.out
    runs = [
        bench("run", "--json", *own, tiny=True).document["cells"][0]["runs"][0]
        for own in (seeded, seeded[1:], seeded[1:])
    ]
    assert len({run["weights_sha256"] for run in runs}) == 3, "without a seed no noise comes twice"
    assert runs[0]["privacy"]["noise_seed"] == 5


def test_no_child_survives(bench, tmp_path: Path):
    finished = bench("run", "--json", f"--backends={FAKES / 'orphan.py'}", tiny=True)
    assert finished.code == 0
    children = [int(path.read_text()) for path in tmp_path.glob("runs/*/task-1/*/orphan.pid")]
    assert len(children) == 2
    assert not any(alive(pid) for pid in children)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(folder: Path, fake: str) -> subprocess.Popen[str]:
    """Start a run of the reference and a fake, in the background."""
    settings = [f"--set={one}" for one in TINY]
    command = [sys.executable, "-m", "bench.cli", "run", *settings, f"--backends=reference,{FAKES / fake}"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def stuck_worker(folder: Path, fake: str) -> int:
    """Wait until the fake's probe has done its first round; return the worker's process id."""
    stuck = wait_for(folder, f"runs/*/task-1/{fake}-probe/events.jsonl", '["Round"')
    return json.loads(stuck.read_text().splitlines()[0])[1]["pid"]


def test_a_killed_run_leaves_no_process_and_resumes_to_the_same_digests(bench, tmp_path: Path):
    process = start(tmp_path, "hang_once.py")
    worker = stuck_worker(tmp_path, "hang_once")
    process.kill()
    process.communicate()
    wait_until(lambda: not alive(worker))
    (folder,) = (tmp_path / "runs").iterdir()
    done = folder / "task-1" / "reference-probe" / "result.json"
    before = done.stat().st_mtime_ns
    timed = folder / "task-1" / "hang_once-1"  # would hang once as well
    timed.mkdir()
    (timed / "tried").touch()
    finished = bench("run", "--json", f"--backends=reference,{FAKES / 'hang_once.py'}", tiny=True)
    assert finished.code == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]
    assert done.stat().st_mtime_ns == before
    untouched = bench("run", "--json", "--out=elsewhere", "--backends=reference", tiny=True)
    cells = [one.document["cells"][0] for one in (finished, untouched)]
    assert cells[0]["digests"] == cells[1]["digests"]
    assert cells[0]["runs"][0]["weights_sha256"] == cells[1]["runs"][0]["weights_sha256"]


def wait_for(folder: Path, pattern: str, text: str) -> Path:
    found: list[Path] = []

    def there() -> bool:
        found[:] = [path for path in folder.glob(pattern) if text in path.read_text()]
        return bool(found)

    wait_until(there)
    return found[0]


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def test_an_unfinished_run_goes_on_and_a_finished_job_is_not_run_again(bench, tmp_path: Path):
    command = ("run", "--json", "--backends=reference")
    first = bench(*command, tiny=True)
    (folder,) = (tmp_path / "runs").iterdir()
    for name in ("record.json", "comparison.json", "task-1/reference-1/result.json"):
        (folder / name).unlink()
    probe = folder / "task-1" / "reference-probe" / "result.json"
    before = probe.stat().st_mtime_ns
    second = bench(*command, tiny=True)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]
    assert probe.stat().st_mtime_ns == before
    cells = [finished.document["cells"][0] for finished in (first, second)]
    assert cells[0]["digests"] == cells[1]["digests"]
    assert cells[0]["runs"][0]["weights_sha256"] == cells[1]["runs"][0]["weights_sha256"]
    assert bench(*command, tiny=True).code == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2, "a finished run is measured anew, in a folder of its own"


def test_a_mended_backend_is_run_again(bench, tmp_path: Path):
    """The jobs that its faulty version finished are not taken for the mended one's."""
    mine = tmp_path / "mine.py"
    text = (FAKES / "crash.py").read_text().replace("../backends", str(ROOT / "backends"))
    mine.write_text(text.replace("work.number == 2", "work.number == 3"))
    command = ("run", "--json", "--backends=./mine.py", "--set=federation.rounds=4")
    assert bench(*command, tiny=True).code == 1
    mine.write_text(text.replace("work.number == 2", "False"))
    finished = bench(*command, tiny=True)
    assert finished.code == 0
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert finished.document["cells"][0]["parity"]["backends"]["mine"]["verdict"] == "pass"


def test_an_altered_result_is_not_trusted(bench, tmp_path: Path):
    command = ("run", "--json", "--backends=reference")
    bench(*command, tiny=True)
    (folder,) = (tmp_path / "runs").iterdir()
    record = folder / "record.json"
    record.write_text(record.read_text().replace('"accuracy": 0', '"accuracy": 1', 1))
    finished = bench("report", str(folder))
    assert finished.code == 2
    assert "checksum" in finished.err


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path: Path):
    process = start(tmp_path, "hang.py")
    worker = stuck_worker(tmp_path, "hang")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in told
    wait_until(lambda: not alive(worker))
