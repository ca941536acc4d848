"""The sketch, compiled by this machine's compiler against a model of the Arduino, is understood by the reader."""

import shutil
import subprocess

import pytest

from bench.gesture.stream import Assembler, Tally
from tests.conftest import ROOT

SKETCH = ROOT / "firmware" / "mpu6050" / "mpu6050.ino"


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_what_the_sketch_sends_is_what_the_reader_reads(tmp_path):
    source = tmp_path / "main.cpp"
    source.write_text(f'#include "Arduino.h"\n#include "{SKETCH}"\nint main() {{ setup(); for (;;) loop(); }}\n')
    program = tmp_path / "sketch"
    subprocess.run(
        [
            "g++",
            "-std=c++11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I",
            str(ROOT / "tests" / "arduino"),
            source,
            "-o",
            program,
        ],
        check=True,
        timeout=120,
    )
    said = subprocess.run([program], capture_output=True, check=True, timeout=30).stdout
    tally, remarks = Tally(), []
    samples = list(Assembler(tally, remarks.append).feed(said, 0.0))
    assert remarks == ["MPU6050, 100 Hz, 2 g, 250 deg/s"]
    assert tally == Tally(samples=300, lost=6)  # each 50th read failed, and the counter tells
    assert samples[0][:3] == (0.0, 0, (-2.0, 32767 / 16384, 1.0, 1.0, -1.0, 0.0))
    assert samples[-1].counter == 305
