"""`bench run privacy` as a person sees it, on the reference: tables, picture, spreadsheet."""

import csv
import json
from pathlib import Path

import cv2
import pytest

SMALL = (
    "--set=data.samples=40",
    "--set=data.image_size=8",
    "--set=model.name=mlp",
    "--set=federation.rounds=3",
    "--set=training.batch_size=5",
)


@pytest.fixture
def ran(bench, tmp_path):
    """Run the experiment and return what was printed, and the run folder."""

    def run(*more: str) -> tuple[str, Path]:
        finished = bench("run", "privacy", "--backends=reference", *SMALL, *more)
        assert finished.code == 0, finished.err
        return finished.out, sorted((tmp_path / "runs").iterdir())[-1]

    return run


def test_noise_accuracy_epsilon_and_price_are_told_by_engine(ran, bench):
    out, folder = ran()
    words = " ".join(out.split())
    for text in (
        "Privacy: reference",
        "The price of privacy: reference",
        "stock 0.500 0.1",
        "fused 2.00 0.1",
    ):
        assert text in words
    assert "The study's table beside yours" in out
    assert "7,091.6" in out
    assert "Certificate [engine fused, lr 0.1]" in out
    document = json.loads((folder / "comparison.json").read_text(), parse_constant=pytest.fail)
    rows = document["privacy"]
    assert [row["privacy"] and row["privacy"]["engine"] for row in rows] == [None, *["stock"] * 3, *["fused"] * 3]
    assert rows[0]["price"] is None
    assert all(row["price"]["pairs"] == 4 for row in rows[1:]), "two repeats of two rounds after the warm-up"
    epsilons = [row["privacy"]["epsilon_pld"] for row in rows[1:4]]
    assert epsilons == sorted(epsilons, reverse=True), "less noise, more epsilon"
    picture = cv2.imread(str(folder / "accuracy-epsilon.png"))
    assert picture.shape[1] > 1000
    table = list(csv.DictReader((folder / "table.csv").open()))
    assert {row["noise_multiplier"] for row in table} == {"", "0.5", "1.0", "2.0"}
    assert {row["epsilon_pld"] for row in table if row["engine"] == "stock"} == {str(own) for own in epsilons}
    assert "Privacy: reference (B)" in bench("compare", str(folder), str(folder)).out


def test_a_grid_beside_privacy_compares_each_cell_with_its_own(ran):
    out, folder = ran("--set=federation.clients=[2,3]", "--set=privacy.noise_multiplier=1", "--set=timing.repeats=1")
    assert "Privacy: reference [clients 2]" in out
    assert "Privacy: reference [clients 3]" in out
    rows = json.loads((folder / "comparison.json").read_text())["privacy"]
    assert [row["price"] is None for row in rows] == [True, True, False, False, False, False]


def test_without_noise_epsilon_is_infinite_and_no_picture_is_drawn(ran, bench):
    out, folder = ran("--set=privacy.noise_multiplier=0", "--set=privacy.engine=stock", "--set=timing.repeats=1")
    assert "infinite" in out
    assert not (folder / "accuracy-epsilon.png").exists()
    json.loads((folder / "comparison.json").read_text(), parse_constant=pytest.fail)
    finished = bench("report", str(folder), "--format", "accuracy-epsilon")
    assert finished.code == 2
    assert "no grid of privacy with a finite epsilon" in finished.err


def test_a_single_private_run_has_its_epsilon_in_the_table_of_costs(bench):
    out = bench("run", "--backends=reference", "--set=privacy.target_epsilon=4", tiny=True).out
    words = " ".join(out.split())
    assert "privacy: engine, unit stock, example" in words
    assert "epsilon, PLD 4.00" in words or "epsilon, PLD 3.99" in words
    assert "neighbours: one example's gradients left out" in words


def test_a_client_level_run_is_told_as_such(bench):
    settings = ("--set=privacy.unit=client", "--set=privacy.noise_multiplier=1", "--set=privacy.sampling=shuffled")
    words = " ".join(bench("run", "--backends=reference", *settings, tiny=True).out.split())
    assert "stock, client, shuffled" in words
    assert "each client's update clipped to an L2 norm of 1" in words
    assert "no amplification" in words


def test_a_grid_without_a_cell_without_privacy_keeps_its_costs(bench):
    out = bench("run", "--backends=reference", "--set=privacy.noise_multiplier=[1,2]", tiny=True).out
    assert "What it costs [noise_multiplier 1]" in out
    assert "The price of privacy" not in out


def test_the_experiment_takes_any_setting_of_privacy(ran, bench):
    few = ("--set=timing.repeats=1", "--set=privacy.engine=stock")
    out, _ = ran("--set=privacy.target_epsilon=[3,6]", *few)
    assert "The study's table" not in out, "none of its noises are here"
    out, _ = ran("--set=privacy.unit=client", "--set=privacy.noise_multiplier=1", *few)
    assert "each client's update clipped" in " ".join(out.split())


def test_a_dry_run_tells_what_would_be_spent(bench):
    settings = ("--set=privacy.target_epsilon=4", "--set=privacy.delta=1e-4")
    out = bench("run", "--dry-run", "--backends=reference", *settings, tiny=True).out
    assert "delta 0.0001: epsilon 4.00 by PLD" in out
    settings = ("--set=privacy.noise_multiplier=1", "--set=privacy.noise_seed=1")
    out = bench("run", "--dry-run", "--backends=reference", *settings, tiny=True).out
    assert "epsilon infinite by PLD" in out
    assert "NOT PRIVATE" in out


def test_settings_that_differ_are_told_apart(ran):
    grid = ("--set=privacy.max_grad_norm=[0.5,1]", "--set=privacy.noise_multiplier=1", "--set=privacy.engine=stock")
    out, _ = ran(*grid, "--set=timing.repeats=1")
    words = " ".join(out.split())
    assert "stock, max_grad_norm 0.5 1.00" in words
    assert "stock, max_grad_norm 1 1.00" in words
    assert "The study's table" not in out, "which of the two would it be?"
