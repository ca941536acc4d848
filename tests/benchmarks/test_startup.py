"""What a command costs before it does anything: a whole process, from start to end."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command", ["--help", "list", "run --help", "check --help", "gesture --help", "history --help"]
)
def test_startup(benchmark, command):
    whole = [sys.executable, "-m", "bench.cli", *command.split()]
    done = benchmark.pedantic(
        subprocess.run, (whole,), {"capture_output": True, "check": True}, rounds=5, warmup_rounds=1
    )
    assert done.stdout
