"""The README's commands with the real frameworks, in their real environments."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import record
from tests.conftest import REAL_DATA, ROOT, every_core, skip_without_its_python

PHASES = {"import_s", "open_s", "load_s", "first_round_s", "train_s", "evaluate_s"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> tuple[Path, dict]:
    """`bench run --backends torch,tff --json`, once, on all cores: with several threads, too, repeats are alike."""
    folder = tmp_path_factory.mktemp("quick")
    with every_core():
        done = subprocess.run(
            [sys.executable, "-m", "bench.cli", "run", "--backends", "torch,tff", "--json"],
            cwd=folder, capture_output=True, text=True, timeout=1800,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "runs").iterdir()
    return run, json.loads(done.stdout)


def test_the_main_job_ends_with_a_table_that_can_be_trusted(quick):
    _, comparison = quick
    (cell,) = comparison["cells"]
    assert comparison["schema"] == "bench.comparison/1"
    assert set(cell["digests"]) == {"data", "partition", "cohorts", "batches", "weights"}
    assert [run["backend"] for run in cell["runs"]] == ["torch", "tff", "torch", "tff"], "interleaved"
    for run in cell["runs"]:
        assert run["status"] == "done"
        assert set(run["phases"]) == PHASES
        assert all(value > 0 for value in run["phases"].values())
        assert [entry["round"] for entry in run["rounds"]] == list(range(1, 21))
        assert run["rounds"][0]["bytes_down"] == 2 * 4 * 1625539, "two clients, the deck model's float32 weights"
        assert run["versions"]["locked"]
        assert run["versions"]["released"]
        assert run["peak_rss_bytes"] > 2**27
    assert [verdict["verdict"] for verdict in cell["parity"]["backends"].values()] == ["pass", "pass"]
    assert all(len(verdict["max_abs_by_round"]) == 3 for verdict in cell["parity"]["backends"].values())
    ratio = next(entry for entry in cell["ratios"] if entry["metric"] == "round_s")
    assert ratio["low"] < ratio["ratio"] < ratio["high"]
    assert ratio["pairs"] == 38


def test_repeats_of_a_backend_are_bit_identical(quick):
    _, comparison = quick
    for backend in ("torch", "tff"):
        found = {run["weights_sha256"] for run in comparison["cells"][0]["runs"] if run["backend"] == backend}
        assert len(found) == 1


def test_the_run_folder_holds_the_same_in_every_format(quick, bench):
    folder, comparison = quick
    assert json.loads((folder / "comparison.json").read_text()) == comparison
    table = bench("report", str(folder), "--format=terminal").out
    for text in ("What it costs", "torch 2.13.0", "tensorflow-federated", "Certificate", "pass"):
        assert text in table
    assert "| final accuracy, % |" in (folder / "table.md").read_text()
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))
    assert len(rows) == 4 * 20
    assert rows[3]["accuracy"]
    assert not rows[2]["accuracy"]


def test_a_run_compares_with_itself_and_not_with_another_experiment(quick, bench, tmp_path):
    folder, _ = quick
    assert "torch (B)" in bench("compare", str(folder), str(folder)).out
    assert bench("run", "--backends=reference", tiny=True).code == 0
    (other,) = (tmp_path / "runs").iterdir()
    refused = bench("compare", str(folder), str(other))
    assert refused.code == 2
    assert "they differ in data, partition" in refused.err


@pytest.fixture(scope="module")
def loading(tmp_path_factory) -> tuple[Path, dict]:
    """`bench run loading`, once, on small films: every form and loader of both frameworks."""
    folder = tmp_path_factory.mktemp("loading")
    settings = ("data.samples=60", "data.film_size=[64]", "federation.rounds=4", "timing.repeats=1")
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", "run", "loading", "--json", *(f"--set={one}" for one in settings)],
        cwd=folder, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "runs").iterdir()
    return run, json.loads(done.stdout)


def test_every_form_and_loader_trains_to_the_same_weights(loading):
    _, comparison = loading
    runs = [run for cell in comparison["cells"] for run in cell["runs"]]
    assert {run["status"] for run in runs} == {"done"}
    for backend in ("torch", "tff"):
        trained = [run for run in runs if run["backend"] == backend and run["form"] != "image-native"]
        assert {run["form"] for run in trained} == {"memory", "packed", "npy", "image"}
        assert {(run["loader"], run["workers"]) for run in trained} == {
            ("gather", 0),
            ("framework", 0),
            ("framework", 2),
        }
        assert len({run["weights_sha256"] for run in trained}) == 1
    for cell in comparison["cells"]:
        assert [verdict["verdict"] for verdict in cell["parity"]["backends"].values()] == ["pass", "pass"]


def test_a_frameworks_own_decoder_is_timed_and_never_trained_on(loading):
    _, comparison = loading
    native = [arm for arm in comparison["loading"]["arms"] if arm["form"] == "image-native"]
    assert [arm["backend"] for arm in native] == ["torch", "tff"]
    assert all(arm["samples_per_s"] > 0 and arm["epoch_s"] is None for arm in native)


def test_loading_is_told_in_tables_and_a_picture(loading, bench):
    folder, comparison = loading
    arms = comparison["loading"]["arms"]
    assert all(arm["bytes_per_s"] == pytest.approx(arm["samples_per_s"] * 3 * 32 * 32) for arm in arms)
    assert {entry["backend"] for entry in comparison["loading"]["advice"]} == {"torch", "tff"}
    picture = cv2.imread(str(folder / "loading-chart.png"))
    assert picture.shape[1] > 1000
    assert len(np.unique(picture)) > 10
    table = bench("report", str(folder), "--format=terminal").out
    for text in ("Loading: films of 64 px, torch", "image / npy", "the study, published", "22.8x", "What to use here"):
        assert text in table


SMALL = ("data.samples=90", "data.image_size=16", "federation.rounds=3")


@pytest.mark.parametrize("engine", ["pfl", "flower"])
def test_engines_on_torch_train_with_the_masks_that_it_draws(engine, bench, tmp_path):
    """Dropout is in no certificate; all take a client's masks from the plan's seed."""
    finished = bench("run", f"--backends=torch,{engine}", "--repeats=1", "--json", *(f"--set={one}" for one in SMALL))
    assert finished.code == 0, finished.err
    (cell,) = finished.document["cells"]
    assert cell["spec"]["model"]["dropout"]
    torch, own = (record.final_weights(tmp_path, run) for run in cell["runs"])
    assert max(np.abs(torch[name] - own[name]).max() for name in torch) < 1e-5


def test_fedjax_draws_its_masks_from_the_plan(bench):
    """Dropout is in no certificate: each repeat draws the same masks, and they matter."""
    sets = [f"--set={one}" for one in (*SMALL, "model.dropout=[false,true]")]
    finished = bench("run", "--backends=fedjax", "--repeats=2", "--json", *sets)
    assert finished.code == 0, finished.err
    without, with_masks = ({run["weights_sha256"] for run in cell["runs"]} for cell in finished.document["cells"])
    assert len(without) == len(with_masks) == 1
    assert without != with_masks


def test_pfls_own_epsilons_agree(bench):
    private = ("privacy.unit=client", "privacy.noise_multiplier=1", "privacy.delta=1e-4", "federation.clients=5")
    sets = [f"--set={one}" for one in (*SMALL, *private)]
    finished = bench("run", "--backends=pfl", "--repeats=1", "--json", *sets)
    assert finished.code == 0, finished.err
    (run,) = finished.document["cells"][0]["runs"]
    assert [figure["name"] for figure in run["privacy"]["own"]] == ["pfl PLD", "pfl PRV"]
    assert run["privacy"]["disagreements"] == []


def test_three_generations_of_pysyft_compute_what_plain_torch_does(bench):
    """Beside current torch, on one plan: certified, and each with its overhead over plain torch of its environment."""
    sets = [f"--set={one}" for one in ("data.samples=90", "data.image_size=16", "federation.rounds=3")]
    asked = ["torch", "syft-0.2", "syft-0.5", "syft-0.9"]
    finished = bench("run", "--backends=" + ",".join(asked), "--repeats=1", "--json", *sets)
    skip_without_its_python(finished.err)
    assert finished.code == 0, finished.err
    (cell,) = finished.document["cells"]
    assert [run["backend"] for run in cell["runs"] if not run["beside"]] == asked
    plain = {f"{name}+plain": name for name in asked[1:]}
    beside = {run["backend"]: run["beside"] for run in cell["runs"] if run["beside"]}
    assert beside == plain | {"syft-0.9+mended": "syft-0.9"}
    assert set(cell["parity"]["backends"]) == {*asked, *beside}
    assert {verdict["verdict"] for verdict in cell["parity"]["backends"].values()} == {"pass"}
    weights = {run["backend"]: run["weights_sha256"] for run in cell["runs"]}
    for run in cell["runs"]:
        if run["baseline"]:
            assert weights[run["backend"]] == weights[run["baseline"]], "dropout's masks included"
    ratios = {(entry["a"], entry["b"]) for entry in cell["ratios"] if entry["metric"] == "round_s"}
    assert ratios == {*((name, f"{name}+plain") for name in asked[1:]), ("syft-0.9+mended", "syft-0.9+plain")}


def test_conformance_finds_an_impostor(bench):
    impostor = str(ROOT / "tests" / "impostors" / "weights_clients_equally.py")
    finished = bench("conformance", impostor, "--only=unequal clients")
    assert finished.code == 1
    assert "fail  unequal clients" in finished.out


def test_privacy_side_by_side(bench, tmp_path):
    """Both frameworks, both engines: certified, each framework's own figure beside, fused equal to stock."""
    settings = ("data.samples=90", "data.image_size=16", "federation.rounds=3", "privacy.noise_multiplier=[0,1]")
    sets = [f"--set={setting}" for setting in settings]
    finished = bench("run", "privacy", "--backends=torch,tff", "--repeats=1", "--json", *sets)
    assert finished.code == 0, finished.err
    cells = finished.document["cells"]
    assert len(cells) == 5
    own = {"torch": ["Opacus RDP", "Opacus PRV"], "tff": ["TFP statement"]}
    weights: dict[str, list] = {}
    for cell in cells:
        assert [one["verdict"] for one in cell["parity"]["backends"].values()] == ["pass", "pass"]
        for run in cell["runs"]:
            privacy = run["privacy"]
            if privacy is None:
                continue
            names = [figure["name"] for figure in privacy["own"]]
            assert names == (own[run["backend"]] if privacy["engine"] == "stock" else [])
            assert privacy["disagreements"] == []
            if privacy["noise_multiplier"] == 0:
                weights.setdefault(run["backend"], []).append(record.final_weights(tmp_path, run))
    for stock, fused in weights.values():
        assert max(np.abs(stock[name] - fused[name]).max() for name in stock) < 1e-6
    assert [row["price"] is None for row in finished.document["privacy"]] == [True] * 2 + [False] * 8
    (folder,) = (tmp_path / "runs").iterdir()
    assert cv2.imread(str(folder / "accuracy-epsilon.png")).shape[1] > 1000


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_certificate_catches_torch_compile(bench):
    """torch 2.13 on CPU loses the convolutions' gradients from batch 17 up; see docs/the-certificate.md."""
    finished = bench(
        "run", "--json", "--backends=torch", "--repeats=1", "--set=training.compile=true", "--set=federation.rounds=2"
    )
    verdict = finished.document["cells"][0]["parity"]["backends"]["torch"]
    assert finished.code == 1
    assert verdict["verdict"] == "fail"
    assert verdict["first_difference"]["tensor"].startswith("conv1.")


@pytest.mark.skipif(not (REAL_DATA / "xray").is_dir(), reason="the real x-rays are not on this machine")
def test_real_x_rays(bench):
    settings = ["data.dataset=xray", f"data.source={REAL_DATA / 'xray'}", "federation.rounds=30", "timing.repeats=1"]
    finished = bench("run", "--backends=torch,tff", "--json", *(f"--set={one}" for one in settings))
    assert finished.code == 0, finished.err
    (cell,) = finished.document["cells"]
    torch, tff = (run["evaluations"][-1]["accuracy"] for run in cell["runs"])
    assert abs(torch - tff) <= 0.03
    assert min(torch, tff) > 0.7


def test_the_wheel_works_without_the_checkout(tmp_path):
    """Built, installed into an empty environment, used from another folder."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    bench = tmp_path / "empty" / "bin" / "bench"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def call(*arguments):
        return subprocess.run(
            [bench, *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
        ).stdout

    listed = call("list")
    for name in ("quick", "torch", "tff", "synthetic-xray", "markdown"):
        assert name in listed
    table = call("run", "--backends", "torch", "--set", "federation.rounds=2", "--repeats", "1")
    assert "Certificate" in table


def test_the_worked_example_conforms(bench):
    """A third party's backend, one file: its environment is made from its header."""
    finished = bench("conformance", str(ROOT / "docs" / "examples" / "jax_backend.py"))
    assert finished.code == 0, finished.out
    assert "7 pass, 0 fail, 16 skipped" in finished.out
