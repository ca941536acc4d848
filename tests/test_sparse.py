"""The gradients that torch+sparse makes by loops of its own are torch's, whatever the sizes."""

import json
import os
import subprocess

import pytest

from bench import environments, plugins
from tests.conftest import ROOT

SCRIPT = ROOT / "tests" / "pooled_gradients.py"

CASES = {
    "the study's": (3, 32, 30, 64, 3, 2, 0.7),
    "rows of a single float, the last row and column dropped": (2, 1, 8, 3, 1, 3, 0.5),
    "rows of all widths of vectors": (2, 21, 9, 2, 3, 2, 0.5),
    "rows longer than registers, an even kernel, windows that are whole images": (1, 70, 6, 4, 2, 5, 1.0),
    "one that is its own window": (2, 5, 7, 3, 3, 1, 0.3),
    "no gradient at all": (2, 4, 8, 3, 3, 2, 0.0),
}


@pytest.fixture(scope="module")
def found():
    torch = environments.ensure(plugins.find("backends", "torch"), report=lambda text: None)
    done = subprocess.run(
        [str(torch.python), str(SCRIPT)],
        input=json.dumps(list(CASES.values())),
        env={**os.environ, "PYTHONPATH": str(ROOT / "backends")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_they_are_those_of_float64_but_for_rounding_and_the_same_bits_again(case, found):
    assert max(found[case]["off"]) < 1e-5
    assert found[case]["again"]
