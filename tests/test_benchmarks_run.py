"""The benchmarks of `tests/benchmarks` still run; what they measure is for those who ask for it."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def test_every_benchmark_runs_once():
    command = [sys.executable, "-m", "pytest", "tests/benchmarks", "--benchmark-disable", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1]), done.stdout


def test_they_are_no_part_of_the_suite():
    others = "--ignore-glob=tests/test_*.py"  # the rest of the suite, whose imports take their time
    command = [sys.executable, "-m", "pytest", "--collect-only", others, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout
