"""The fixture `training_round` in a project's own pytest run."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT, TINY

pytest_plugins = ["pytester"]
SETTINGS = [*TINY, "federation.rounds=6"]


TEST = """
def test_{number}(training_round):
    seconds = training_round({call})
    assert all(second > 0 for second in seconds)
    print("rounds:", len(seconds))
"""


@pytest.fixture
def project(pytester):
    """Run tests that call `training_round`, each with one of these arguments."""

    def run(*calls: str, options: tuple[str, ...] = ()):
        tests = [TEST.format(number=number, call=call) for number, call in enumerate(calls)]
        pytester.makepyfile(f"SETTINGS = {SETTINGS!r}\n" + "".join(tests))
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options, timeout=120)

    return run


def measured(pytester, project, call: str) -> dict:
    assert project(call, options=("--benchmark-json=out.json",)).ret == 0
    (own,) = json.loads((pytester.path / "out.json").read_text())["benchmarks"]
    return own


def test_a_round_of_the_worker_is_a_round_of_the_benchmark(pytester, project):
    own = measured(pytester, project, "'quick', 'reference', settings=SETTINGS")
    assert (own["stats"]["rounds"], own["stats"]["iterations"]) == (4, 1)
    told = own["extra_info"]
    assert (told["experiment"], told["backend"], told["warmup_rounds"]) == ("quick", "reference", 1)
    assert len(told["round_s"]) == 5
    assert set(told["digests"]) == {"data", "partition", "cohorts", "batches", "weights"}
    assert told["versions"]["framework"] == "numpy"
    assert all(waited >= second for waited, second in zip(own["stats"]["data"], told["round_s"][1:], strict=True))


def test_so_many_rounds_are_timed_as_are_asked_for(pytester, project):
    own = measured(pytester, project, "'quick', 'reference', settings=SETTINGS, rounds=2, warmup_rounds=2")
    assert own["stats"]["rounds"] == 2
    assert len(own["extra_info"]["round_s"]) == 4


def test_a_disabled_benchmark_trains_one_round(project):
    finished = project("'quick', 'reference', settings=SETTINGS", options=("--benchmark-disable", "-s"))
    finished.stdout.fnmatch_lines("*rounds: 1*")


FAULTS = {
    "'quick', 'reference', settings=SETTINGS, rounds=5": (
        "training_round: federation.rounds = 6: 1 to warm up and 5 to time need 7 at least*"
    ),
    "'quick', 'reference', settings=SETTINGS, rounds=0": "training_round: rounds = 0: must be at least 1",
    "'quick', 'reference', settings=SETTINGS, warmup_rounds=-1": (
        "training_round: warmup_rounds = -1: must be at least 0"
    ),
    "'quick', 'nothing', settings=SETTINGS": "training_round: unknown backend 'nothing': there are *",
    "'nothing', 'reference'": "training_round: unknown experiment 'nothing'; there are: *",
    "'quick', 'reference', settings=['federation.round=3']": "training_round: *federation.round: no such setting; did*",
    "'quick', 'reference', settings=['seed=[1,2]']": "training_round: experiment quick has 2 cells, and one is timed*",
    f"'quick', '{ROOT}/tests/fakes/crash.py', settings=SETTINGS": (
        "training_round: crash failed: RuntimeError: out of cheese (round 2; log: *"
    ),
    f"'quick', '{ROOT}/tests/fakes/no_import.py', settings=SETTINGS": (
        "training_round: no_import failed: *No module named 'a_framework_that_is_not_there' (import; log: *"
    ),
    f"'quick', '{ROOT}/tests/fakes/unsupported.py', settings=SETTINGS": (
        "training_round: unsupported skipped: this one only sings"
    ),
}


def test_what_cannot_be_timed_is_a_failure_in_one_line(project):
    finished = project(*FAULTS)
    finished.assert_outcomes(failed=len(FAULTS))
    finished.stdout.fnmatch_lines(list(FAULTS.values()))
    for told in ("Traceback", "During handling"):
        assert told not in finished.stdout.str()


def test_without_pytest_benchmark_it_says_what_is_missing(project):
    finished = project("'quick', 'reference'", options=("-p", "no:benchmark"))
    assert finished.ret == 1
    finished.stdout.fnmatch_lines("training_round needs pytest-benchmark: pip install 'pytest-benchmark>=4'")


def test_pytest_starts_without_anything_heavy(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_nothing(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("fedbench")
            assert not {"numpy", "rich.console", "pydantic", "cv2", "bench.runner"} & set(sys.modules)
        """
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:benchmark", "-p", "no:hypothesispytest", str(pytester.path)]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
