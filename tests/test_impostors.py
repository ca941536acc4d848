"""Backends that are wrong in one way each: the certificate has to catch every one."""

import pytest

from bench import conformance as suite
from bench.plan import poisson_cohort
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


PRIVATE = {
    "clips_the_batch": ("example, stock: clipping", "of what the reference moved"),
    "clips_the_sum": ("client: clipping", "of what the reference moved"),
    "divides_by_the_cohort": ("client: clipping", "of what the reference moved"),
    "divides_by_the_draw": ("example, stock: clipping", "of what the reference moved"),
    "forgets_to_clip": ("example, stock: clipping", "of what the reference moved"),
    "leaves_the_last_layer_bare": ("example, stock: noise", "dense2.weight has 0.0"),
    "noises_each_client": ("client: noise", "times the noise that was asked for"),
    "noises_too_little": ("example, stock: noise", "conv1.weight has 0."),
    "seeds_its_noise": ("example, stock: twice the noise", "the noise is that of 'private by example, stock: noise'"),
    "shares_its_noise": ("example, stock: noise", "times the noise that was asked for"),
    "skips_empty_batches": ("example, stock: clipping", "of what the reference moved"),
    "uses_noise_twice": ("example, stock: noise", "have the same noise"),
    "weighs_by_the_draw": ("example, stock: clipping", "of what the reference moved"),
    "weighs_members_by_examples": ("client: clipping", "of what the reference moved"),
}


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_impostor_fails_the_case_that_is_for_it(bench, name):
    case, why = PRIVATE[name]
    kind = "client: " if case.startswith("client") else "example, stock: "
    parts = ("clipping",) if case.endswith("clipping") else ("clipping", "noise", "twice")
    only = [f"--only=private by {kind}{part}" for part in parts]
    finished = bench("conformance", str(ROOT / "tests" / "impostors" / "private" / f"{name}.py"), *only)
    assert finished.code == 1
    (line,) = [line for line in finished.out.splitlines() if line.startswith(f"fail  private by {case}:")]
    assert why in line


def test_every_private_impostor_is_tried():
    assert {path.stem for path in (ROOT / "tests" / "impostors" / "private").glob("*.py")} == set(PRIVATE)


def test_a_backend_that_goes_on_from_other_weights_fails_the_interrupted_case(bench):
    finished = bench("conformance", str(ROOT / "tests" / "fakes" / "keeps_rounded_weights.py"), "--only=interrupted")
    assert finished.code == 1
    assert "pass  unequal clients" in finished.out
    assert "fail  interrupted: the final weights depend on an interruption" in finished.out
    assert "interrupted on purpose, goes on after round 2" in finished.err


def test_cohorts_of_the_conformance_suite_are_empty_small_and_large():
    """Only so do clipping, weights and divisors of a cohort show."""
    (cell,) = suite.experiment(["private by client: clipping"]).cells
    federation = cell.spec.federation
    sizes = [len(poisson_cohort(federation, number, cell.spec.seed)) for number in range(1, federation.rounds + 1)]
    assert sorted(sizes) == [0, 2, 3]
    assert federation.cohort_size == 2
