"""Thousands of clients in one round: what is added up so often must not round away what was learned."""

from pathlib import Path

import pytest

from bench import jobs, plan, plugins, runner
from bench.spec import Cell
from tests.benchmarks import parts_by_clients
from tests.test_turns import Silent

CLIENTS = 3000


@pytest.fixture
def verdict(tmp_path: Path) -> dict:
    """Torch's certificate with everyone in each round."""
    spec, shown = parts_by_clients.spec_of(CLIENTS, 2), Silent()
    samples = parts_by_clients.made_up(tmp_path / "data", CLIENTS)
    built = plan.build(spec, samples.shape, len(samples.classes), samples.labels, samples.train)
    cell = jobs.Prepared(Cell({}, spec), samples, built, {"data": samples.digest} | built.digests())
    reference = runner.contender(jobs.REFERENCE, plugins.find("backends", jobs.REFERENCE), None, None, shown)
    backends = runner.contenders(["torch"], shown, companions=False)
    (task,) = jobs.tasks([cell], backends, reference, tmp_path / "task")
    verdicts, _ = runner.certify(task, shown)
    return verdicts["torch"]


def test_the_mean_of_thousands_of_clients_is_as_near_as_that_of_a_few(verdict):
    assert verdict["verdict"] == "pass"
    assert max(verdict["relative_by_round"]) < 1e-4
