"""Whose memory and CPU seconds count: those of the process group, living children included, and nobody else's."""

import subprocess
import sys

import pytest

from bench import meter
from tests.conftest import ROOT

TAKEN = 200 * 2**20  # bytes
SCRIPT = """
import subprocess, sys
sys.path.insert(0, {root!r})
from bench.meter import Meter
child = subprocess.Popen(
    [sys.executable, "-c", "taken = b'x' * {taken}; print(flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session={apart},
)
child.stdout.readline()
print(Meter().read().peak_rss_bytes)
child.communicate(b"\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere living children can't be looked at")
@pytest.mark.parametrize("apart", [False, True])
def test_a_living_child_counts_unless_it_left_the_group(apart):
    script = SCRIPT.format(root=str(ROOT), taken=TAKEN, apart=apart)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, start_new_session=True
    )
    assert (int(done.stdout) > TAKEN) is not apart


def test_time_passes_and_cpu_seconds_are_never_taken_back():
    mark = meter.Meter()
    first, second = mark.read(), mark.read()
    assert 0 <= first.seconds <= second.seconds
    assert 0 <= first.cpu_seconds <= second.cpu_seconds
