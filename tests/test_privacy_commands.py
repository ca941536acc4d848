"""`bench privacy` as a user calls it: in this process, but for one call each way."""

import json

import pytest
from typer.testing import CliRunner

from bench.errors import UserError
from bench.privacy_commands import app
from bench.study import privacy as privacy_study
from tests.conftest import refused


def run(*arguments: str) -> str:
    """Return what it prints; raise what it raises."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*arguments: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} isn't JSON")

    return json.loads(run(*arguments, "--json"), parse_constant=refuse)


STUDIED = ("--samples", "1004", "--batch-size", "20", "--delta", "1e-4")


def test_epsilon_by_both_figures_with_the_assumption():
    told = run("epsilon", "--noise", "1.5", "--rate", "0.04", "--steps", "2250")
    assert "7.329" in told
    assert "6.769" in told
    assert "Poisson" in told
    assert "Neighbours: one example's gradients left out" in told


def test_samples_and_epochs_are_a_rate_and_steps():
    by_epochs = document("epsilon", "--noise", "1", *STUDIED, "--epochs", "40")
    assert (by_epochs["rate"], by_epochs["steps"]) == (20 / 1004, 40 * 51)
    assert by_epochs["epsilon"]["pld"] == pytest.approx(4.873, abs=1e-3)
    assert document("epsilon", "--noise", "1", *STUDIED, "--steps", "2040") == by_epochs


def test_a_batch_of_more_than_there_is_is_everything():
    assert document("epsilon", "--noise", "1", "--samples", "5", "--batch-size", "20", "--epochs", "2")["rate"] == 1


def test_shuffled_batches_are_one_release_an_epoch_without_amplification():
    found = document("epsilon", "--noise", "1", "--epochs", "44", "--delta", "1e-4", "--sampling", "shuffled")
    assert (found["rate"], found["epochs"]) == (1, 44)
    assert found["epsilon"]["pld"] == pytest.approx(45.88, abs=0.01)
    assert "zeroed out" in found["assumption"]
    for same in (("--epochs", "44"), ("--steps", str(44 * 51)), ("--steps", str(43 * 51 + 1))):
        assert document("epsilon", "--noise", "1", *STUDIED, *same, "--sampling", "shuffled") == found
    counted = document("epsilon", "--noise", "1", "--steps", "44", "--delta", "1e-4", "--sampling", "shuffled")
    assert counted == found


def test_infinity_is_a_string():
    found = document("epsilon", "--noise", "0", "--rate", "0.1", "--steps", "3")
    assert found["epsilon"] == {"rdp": "inf", "pld": "inf"}
    assert "infinite" in run("epsilon", "--noise", "0", "--rate", "0.1", "--steps", "3")


def test_tiny_noise_is_a_large_figure():
    found = document("epsilon", "--noise", "1e-6", "--rate", "0.1", "--steps", "1000")
    assert found["epsilon"]["pld"] > 1e12


def test_noise_keeps_to_its_target():
    found = document("noise", "--epsilon", "3", *STUDIED, "--epochs", "44")
    assert 2.99 < found["epsilon"]["pld"] <= 3
    noise = f"{found['noise_multiplier']:.4g}"
    assert noise in run("noise", "--epsilon", "3", *STUDIED, "--epochs", "44")


def test_steps_keep_to_their_target():
    found = document("steps", "--epsilon", "3", "--noise", "1.1", *STUDIED)
    assert 2.99 < found["epsilon"]["pld"] <= 3
    assert "epochs)" in run("steps", "--epsilon", "3", "--noise", "1.1", *STUDIED)
    assert document("steps", "--epsilon", "8", "--noise", "4", "--sampling", "shuffled")["epochs"] == 44


def test_deck_computes_the_published_epsilons():
    told = run("deck")
    for epsilon in ("7091.6", "1248.8", "268.0"):
        assert told.count(epsilon) == 2  # published and recomputed
    for reason in ("Sampling rate:", "Average:", "Conversion:", "Shuffled batches:"):
        assert reason in told
    rows = document("deck")["rows"]
    found = [row["epsilon_recomputed"] for row in rows]
    assert found == pytest.approx([7091.60, 1248.79, 267.99], abs=0.005)
    assert [row["shuffled"]["pld"] for row in rows] == pytest.approx([136.5, 45.88, 17.17], rel=1e-3)


def test_every_digit_of_the_published_epsilons_is_reproduced():
    for row in privacy_study.rows():
        assert round(row.recomputed, 1) == row.published
        assert row.poisson.pld < row.shuffled.pld < row.published


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("epsilon --noise -1 --rate 0.1 --steps 3", "noise multiplier = -1.0: must be finite and at least 0"),
        ("epsilon --noise nan --rate 0.1 --steps 3", "noise multiplier = nan"),
        ("epsilon --noise 1 --rate 0.1 --steps 3 --delta 0", "delta = 0.0: must be above 0 and below 1"),
        ("epsilon --noise 1 --rate 0.1 --steps 3 --delta 1.5", "delta = 1.5"),
        ("epsilon --noise 1 --rate 1.5 --steps 3", "rate = 1.5: must be above 0 and at most 1"),
        ("epsilon --noise 1 --rate 0.1 --steps -3", "steps = -3: must be a whole number"),
        ("epsilon --noise 1 --rate 0.1", "give --steps or --epochs"),
        ("epsilon --noise 1 --rate 0.1 --steps 3 --epochs 3", "given twice"),
        ("epsilon --noise 1 --rate 0.1 --epochs 3", "--epochs: needs --samples and --batch-size"),
        ("epsilon --noise 1 --steps 3", "the sampling rate is missing"),
        ("epsilon --noise 1 --samples 10 --steps 3", "--samples: needs --batch-size"),
        ("epsilon --noise 1 --batch-size 10 --steps 3", "--batch-size: needs --samples"),
        ("epsilon --noise 1 --rate 0.1 --samples 10 --batch-size 1 --steps 3", "not both"),
        ("epsilon --noise 1 --rate 0.1 --epochs 3 --sampling shuffled", "claim no amplification"),
        ("epsilon --noise 1 --sampling shuffled", "give --steps or --epochs"),
        ("noise --epsilon 0 --rate 0.1 --steps 3", "target epsilon = 0.0: must be finite and above 0"),
        ("noise --epsilon 1e-9 --rate 1 --steps 1000000000", "target epsilon 1e-09 can't be met"),
        ("steps --epsilon 0.1 --noise 0.3 --rate 0.1", "one step at noise multiplier 0.3 already spends"),
        ("steps --epsilon 1 --noise 0 --sampling shuffled", "one epoch at noise multiplier 0 already spends infinite"),
    ],
)
def test_bad_input_is_refused_in_one_clear_line(arguments, told):
    with pytest.raises(UserError) as error:
        run(*arguments.split())
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", ["epsilon --rate 0.1 --steps 3", "epsilon --noise 1 --samples 0 --steps 3"])
def test_options_that_lack_or_are_out_of_range_are_a_usage_error(arguments):
    assert CliRunner().invoke(app, arguments.split()).exit_code == 2


def test_the_command_is_there(bench):
    found = bench("privacy", "deck", "--json")
    assert found.code == 0, found.err
    assert len(found.document["rows"]) == 3
    refused(bench("privacy", "epsilon", "--noise", "1", "--rate", "0", "--steps", "1"), "rate = 0.0")


def test_a_delta_that_protects_nobody_is_told(bench):
    settings = ("--noise", "1", "--samples", "1000", "--batch-size", "50", "--epochs", "10")
    assert "delta 0.5 is not below 1 / 1000" in bench("privacy", "epsilon", *settings, "--delta", "0.5").out
    assert "is not below" not in bench("privacy", "epsilon", *settings, "--delta", "1e-4").out


def test_the_most_steps_that_are_looked_at_are_told_as_such(bench):
    out = bench("privacy", "steps", "--epsilon", "3", "--noise", "1e6", "--rate", "1e-6").out
    assert "1000000000000 or more" in out
