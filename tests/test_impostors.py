"""Backends that are wrong in one way each: the certificate has to catch every one."""

import pytest

from tests.conftest import ROOT

IMPOSTORS = sorted((ROOT / "tests" / "impostors").glob("*.py"))
SPEC = (
    "--set=training.momentum=0.8",
    "--set=federation.partition=unequal",
    "--set=federation.clients=4",
    "--set=data.samples=60",
    "--set=training.batch_size=7",
)


def certificate(bench, backends, *more):
    finished = bench("run", "--json", f"--backends={backends}", *SPEC, *more, tiny=True)
    return finished.code, finished.document["cells"][0]["parity"]["backends"]


@pytest.mark.parametrize("path", IMPOSTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("lr", [0.01, 0.00001])
def test_an_impostor_fails_the_certificate(bench, path, lr):
    code, verdicts = certificate(bench, path, f"--set=training.lr={lr}")
    assert code == 1
    assert verdicts[path.stem]["verdict"] == "fail"
    assert verdicts[path.stem]["first_difference"]["tensor"]


def test_an_honest_twin_passes(bench, tmp_path):
    twin = tmp_path / "twin.py"
    twin.write_text((ROOT / "backends" / "reference" / "adapter.py").read_text())
    code, verdicts = certificate(bench, twin)
    assert code == 0
    assert verdicts["twin"]["verdict"] == "pass"


PRIVATE = sorted((ROOT / "tests" / "impostors" / "private").glob("*.py"))


@pytest.mark.parametrize("path", PRIVATE, ids=lambda path: path.stem)
def test_a_private_impostor_fails_the_conformance_suite(bench, path):
    finished = bench("conformance", str(path), "--only", "private by example, stock")
    assert finished.code == 1
    assert "fail  private by example, stock" in finished.out
