"""torch's fast strategy end to end: certified, by name beside eager, the same weights from every repeat."""

import pytest
from rich.console import Console

from tests.benchmarks import never_slower
from tests.conftest import ROOT

FAKES = ROOT / "tests" / "fakes"

# Images of 15 a side: of what is pooled, 11 a side, a last row and column are left over.
SETS = ("data.samples=90", "data.image_size=15", "federation.rounds=3", "federation.clients=5", "model.dropout=false")


@pytest.fixture
def run(bench):
    def call(*arguments):
        return bench("run", "--json", *(f"--set={one}" for one in SETS), *arguments)

    return call


def test_every_way_is_certified_and_gives_the_same_weights_each_time(run):
    """The race included: its repeats take the way of the process that raced."""
    labels = ["torch", "torch+fast", "torch+lean", "torch+crew", "torch+sparse"]
    finished = run("--backends=" + ",".join(labels), "--repeats=2", "--set=timing.threads=2")
    assert finished.code == 0, finished.err
    (cell,) = finished.document["cells"]
    assert {name: verdict["verdict"] for name, verdict in cell["parity"]["backends"].items()} == dict.fromkeys(
        labels, "pass"
    )
    runs = {label: [entry for entry in cell["runs"] if entry["backend"] == label] for label in labels}
    ways = {label: {entry["way"] for entry in own} for label, own in runs.items()}
    weights = {label: {entry["weights_sha256"] for entry in own} for label, own in runs.items()}
    assert ways["torch"] == {None}
    assert all(ways[f"torch+{way}"] == {way} for way in ("lean", "crew", "sparse"))
    assert len(ways["torch+fast"]) == 1 and ways["torch+fast"] <= {"eager", "lean", "crew", "sparse"}
    assert [len(found) for found in weights.values()] == [1] * len(labels)
    raced = ways["torch+fast"].pop()
    assert weights["torch+fast"] == weights["torch" if raced == "eager" else f"torch+{raced}"]


def test_the_strategy_of_a_spec_is_the_variant_s(run):
    finished = run("--backends=torch,tff", "--repeats=1", "--set=timing.strategy=fast", "--allow-skips")
    assert finished.code == 0, finished.err
    torch, tff = finished.document["cells"][0]["runs"]
    assert torch["way"] in ("eager", "lean", "crew", "sparse")
    assert tff["status"] == "skipped" and "timing.strategy = fast" in tff["reason"]


@pytest.mark.parametrize(
    "setting", ["privacy.noise_multiplier=1", "training.compile=true", "data.loader=framework", "timing.cache=cold"]
)
def test_what_only_the_eager_loop_does_is_skipped_with_the_reason(run, setting):
    finished = run("--backends=torch+fast", "--repeats=1", f"--set={setting}", "--allow-skips")
    assert finished.code == 0, finished.err
    (own,) = finished.document["cells"][0]["runs"]
    assert own["status"] == "skipped" and "timing.strategy = fast" in own["reason"]


def test_a_device_s_memory_is_told(bench):
    finished = bench("run", "--out=runs", f"--backends=reference,{FAKES / 'has_a_device.py'}", tiny=True)
    assert finished.code == 0, finished.err
    (row,) = [line for line in finished.out.splitlines() if "peak GPU memory" in line]
    assert row.split()[3:] == ["-", "3.00", "MiB"]


def test_cuda_where_a_gpu_is_and_a_reason_where_none_is(run):
    finished = run("--backends=torch,torch+fast", "--repeats=1", "--set=timing.device=cuda", "--allow-skips")
    assert finished.code == 0, finished.err
    eager, fast = finished.document["cells"][0]["runs"]
    assert fast["status"] == "skipped" and "timing.device = cuda" in fast["reason"]
    if eager["status"] == "skipped":
        assert eager["reason"] == "timing.device = cuda: torch finds no CUDA device here"
    else:
        assert eager["peak_device_bytes"] > 0
        assert finished.document["cells"][0]["parity"]["backends"]["torch"]["verdict"] == "pass"


def test_the_benchmark_of_fast_beside_eager_tells_the_way_and_counts_all_but_two_rounds(tmp_path):
    found = never_slower.measure(("mlp", 3, 20), 4, tmp_path, Console(stderr=True))
    assert found.way in {"eager", "lean", "crew"}
    assert found.ratio["pairs"] == 2
