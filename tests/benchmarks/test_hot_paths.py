"""What the harness does often or to much data, timed by pytest-benchmark: python -m pytest tests/benchmarks"""

import numpy as np
import pytest

from bench import events, forms, partition, plan, plugins, store
from bench.job import Job
from bench.spec import Federation, Spec
from tests.benchmarks.many_clients import write_job
from tests.test_reports import comparison, run_of

SAMPLES, CLIENTS, ROUNDS, CLASSES, BATCH = 50_000, 100, 100, 10, 20
SHAPE = (3, 32, 32)
LABELS = np.arange(SAMPLES, dtype=np.int64) % CLASSES
TRAIN = np.arange(SAMPLES, dtype=np.int32)


@pytest.mark.parametrize("kind", ["iid", "classes", "unequal", "dirichlet"])
def test_partition(benchmark, kind):
    settings = Federation(clients=CLIENTS, partition=kind)
    parts = benchmark(partition.partition, settings, TRAIN, LABELS, 0)
    assert sum(map(len, parts)) == SAMPLES


@pytest.mark.parametrize("privacy", [None, {"noise_multiplier": 1.0}], ids=["shuffled", "poisson"])
def test_plan(benchmark, privacy):
    spec = Spec.model_validate(
        {
            "model": {"name": "mlp"},
            "federation": {"clients": CLIENTS, "fraction": 0.1, "rounds": ROUNDS},
            "privacy": privacy,
        }
    )
    built = benchmark.pedantic(plan.build, (spec, SHAPE, CLASSES, LABELS, TRAIN), rounds=5)
    assert built.rounds == ROUNDS


@pytest.mark.parametrize("clients", [100, 1000, 10_000])
def test_plan_of_many_clients(benchmark, clients):
    """A tenth of them takes part in each of ten rounds; five samples a client."""
    federation = {"clients": clients, "fraction": 0.1, "rounds": 10}
    spec = Spec.model_validate({"model": {"name": "mlp"}, "federation": federation})
    train = TRAIN[: 5 * clients]
    built = benchmark.pedantic(plan.build, (spec, SHAPE, CLASSES, LABELS, train), rounds=5, warmup_rounds=1)
    assert len(built.arrays["slot_seeds"]) == clients


@pytest.mark.parametrize("clients", [100, 1000, 10_000])
def test_reading_a_round_of_many_clients(benchmark, clients, tmp_path):
    """What a worker does before each round, outside of its clock."""
    federation = {"clients": clients, "fraction": 1.0, "rounds": 2}
    spec = Spec.model_validate({"model": {"name": "mlp"}, "federation": federation})
    plan.build(spec, SHAPE, CLASSES, LABELS, TRAIN[: 5 * clients]).save(tmp_path / "plan")
    write_job(federation, tmp_path)
    assert len(benchmark(Job(str(tmp_path)).work, 2).clients) == clients


def test_digests(benchmark):
    spec = Spec.model_validate({"federation": {"clients": CLIENTS, "fraction": 0.1, "rounds": ROUNDS}})
    built = plan.build(spec, SHAPE, CLASSES, LABELS, TRAIN)
    assert set(benchmark(built.digests)) == {"partition", "cohorts", "batches", "weights"}


@pytest.fixture(scope="module")
def batches():
    return np.random.RandomState(0).permutation(2000).reshape(-1, BATCH)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("forms") / "packed.npy"
    np.save(path, np.random.RandomState(0).randint(0, 256, (2000, *SHAPE), np.uint8))
    return path


def fed(feed, batches) -> int:
    return sum(len(samples) for samples in feed(batches))


@pytest.mark.parametrize("mapped", [None, "r"], ids=["memory", "packed"])
def test_feeding_rows(benchmark, packed, batches, mapped):
    reader = forms.Rows(np.load(packed, mmap_mode=mapped))
    assert benchmark(fed, reader.feed, batches) == 2000


def test_feeding_files(benchmark, packed, batches):
    paths = [packed.with_name(f"{number}.npy") for number in range(2000)]
    for path, sample in zip(paths, np.load(packed), strict=True):
        np.save(path, sample)
    reader = forms.FileEach(paths, SHAPE, np.load)
    assert benchmark(fed, reader.feed, batches) == 2000


ROUND = events.Round(1, "memory", 0.345678901, 0.654321098, list(range(10)), 2**27, 2**27, 2**30)


def test_event_to_line(benchmark):
    assert benchmark(events.to_line, ROUND).endswith("\n")


def test_event_from_line(benchmark):
    assert benchmark(events.from_line, events.to_line(ROUND)) == ROUND


@pytest.fixture(scope="module")
def document():
    """Two backends, five repeats of 200 rounds each."""
    runs = [run_of(name, repeat) for repeat in range(1, 6) for name in ("torch", "tff")]
    for run in runs:
        one = run["rounds"][-1]
        run["rounds"] = [one | {"round": number, "warmup": number == 1} for number in range(1, 201)]
    return comparison(*runs)


def test_a_document_as_text(benchmark, document):
    assert benchmark(store.as_text, document).startswith("{")


@pytest.mark.parametrize("name", ["terminal", "markdown", "csv"])
def test_report(benchmark, document, name):
    module = plugins.load_module(plugins.find("reports", name))
    assert "torch" in benchmark.pedantic(module.render, (document,), rounds=5, warmup_rounds=1)
