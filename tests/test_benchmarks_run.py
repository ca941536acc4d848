"""The benchmarks of `tests/benchmarks` still run; what they measure is for those who ask for it."""

import re
import subprocess
import sys

from tests.conftest import ROOT


def test_every_benchmark_runs_once():
    command = [sys.executable, "-m", "pytest", "tests/benchmarks", "--benchmark-disable", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1]), done.stdout


def test_they_are_no_part_of_the_suite():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert "tests/benchmarks/" not in done.stdout
    assert "tests/test_benchmarks_run.py" in done.stdout
