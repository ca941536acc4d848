"""The audit: its bound holds for mechanisms whose epsilon is known, and it finds a backend that leaks more."""

import json

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench import accountant, audit, guesses
from bench.audit import Finding, Settings
from bench.canaries import Canaries
from bench.display import Plain
from bench.errors import UserError
from bench.guesses import Guesses
from bench.privacy_commands import app
from tests.conftest import ROOT, refused

SMALL = 80  # canaries
FAKES = ROOT / "tests" / "fakes"


@pytest.mark.parametrize(
    ("canaries", "made", "delta", "published"),
    [(1000, Guesses(100, 75), 1e-4, 0.673), (100_000, Guesses(1510, 1439), 1e-5, 2.675)],
)
def test_the_bound_is_the_published_one(canaries, made, delta, published):
    """arXiv:2305.08846, appendix D and section 7, as printed there."""
    assert guesses.lower_bound(canaries, made, delta, 0.05) == pytest.approx(published, abs=1e-3)


def test_more_right_guesses_are_less_likely_and_more_privacy_loss_makes_them_likelier():
    by_right = [guesses.p_value(100, Guesses(50, right), 1.0, 1e-5) for right in range(51)]
    assert by_right == sorted(by_right, reverse=True)
    assert by_right[0] == pytest.approx(1)
    by_epsilon = [guesses.p_value(100, Guesses(50, 45), epsilon, 1e-5) for epsilon in np.linspace(0, 3, 30)]
    assert by_epsilon == sorted(by_epsilon)
    assert guesses.lower_bound(100, Guesses(50, 25), 1e-5, 0.05) == 0


@pytest.mark.parametrize("epsilon", [0.2, 1.0, 3.0])
def test_randomised_response_exceeds_its_epsilon_as_rarely_as_told_and_no_rarer(epsilon):
    """The mechanism for which the theorem is tight: its guesses are right with probability 1 / (1 + e^-epsilon)."""
    right = np.random.default_rng(0).binomial(200, 1 / (1 + np.exp(-epsilon)), 20_000)
    bounds = {each: guesses.lower_bound(200, Guesses(200, each), 0.0, 0.05) for each in set(right.tolist())}
    exceeding = np.mean([bounds[each] > epsilon for each in right.tolist()])
    assert 0.02 < exceeding < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(right))


def gaussian_bounds(noise: float, canaries: int, trials: int) -> list[float]:
    """Audit the sum of included canaries, of norm 1 and orthogonal, with Gaussian noise."""
    stream = np.random.default_rng(1)
    found = []
    for _ in range(trials):
        own = Canaries(stream.random(canaries) < 0.5, 1, 8)
        scores = own.included + stream.normal(scale=noise, size=canaries)
        found.append(guesses.bound([own.guesses(scores, share) for share in guesses.GUESSED], canaries, 1e-5).epsilon)
    return found


@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0, 20.0])
def test_a_gaussian_mechanism_stays_below_its_epsilon(noise):
    epsilon = accountant.spent(noise, accountant.Releases(1.0, 1), 1e-5).pld
    exceeding = np.mean([bound > epsilon for bound in gaussian_bounds(noise, 200, 200)])
    assert exceeding <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("noise", [2.0, 4.0])
def test_a_twentieth_of_the_noise_is_found_out(noise):
    epsilon = accountant.spent(noise, accountant.Releases(1.0, 1), 1e-5).pld
    assert min(gaussian_bounds(noise / 20, 200, 20)) > epsilon


def test_canaries_share_no_input_and_lists_say_which_are_in(tmp_path):
    canaries = Canaries.drawn(SMALL)
    folder = canaries.write(tmp_path / "canaries")
    images = canaries.images()
    assert (images > 0).sum(axis=0).max() == 1
    assert {int((image > 0).sum()) for image in images} == {canaries.lit}
    for name, is_in in (("train.csv", True), ("test.csv", False)):
        listed = [line.split(",") for line in (folder / name).read_text().split()]
        assert [int(path[:4]) for path, _ in listed] == np.flatnonzero(canaries.included == is_in).tolist()
        for path, _ in listed:
            read = cv2.imread(str(folder / path), cv2.IMREAD_GRAYSCALE)
            assert np.array_equal(read, images[int(path[:4])])


def test_coins_are_fair_and_independent_draws():
    share = np.mean([Canaries.drawn(100).included for _ in range(50)])
    assert abs(share - 0.5) < 6 * 0.5 / np.sqrt(5000)


def finding(tmp_path, **settings) -> Finding:
    """Audit the reference."""
    shown = Plain(Console(stderr=True, quiet=True))
    (found,) = audit.run(Settings(canaries=SMALL, **settings), ["reference"], tmp_path / "runs", shown)
    assert found.problem is None
    assert not list((tmp_path / "home" / "data").glob("xray-*"))
    return found


@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0])
def test_the_reference_stays_below_what_it_reports(tmp_path, home, noise):
    found = finding(tmp_path, noise_multiplier=noise)
    assert found.reported == pytest.approx(accountant.spent(noise, accountant.Releases(1.0, 3), 1e-5).pld)
    assert not found.is_violated
    assert found.bound.epsilon > 0 or noise > 1, "the attack is blind"


def test_without_noise_guesses_are_right(tmp_path, home):
    """But for those that had to be wrong because fewer were in, or out, than were guessed to be."""
    found = finding(tmp_path, noise_multiplier=0.0, rounds=1)
    assert found.bound.epsilon > 0.8 * guesses.ceiling(SMALL, 1, 1e-5)
    assert found.reported == np.inf
    assert not found.is_violated


@pytest.mark.parametrize("sampling", ["poisson", "shuffled"])
def test_small_batches_and_several_trainings(tmp_path, home, sampling):
    found = finding(tmp_path, noise_multiplier=1.0, sampling=sampling, batch_size=15, engine="fused", repeats=2)
    assert not found.is_violated
    assert found.bound.guesses.made in {2 * 2 * round(share * SMALL / 2) for share in guesses.GUESSED}


def test_a_backend_that_adds_less_noise_than_it_reports_is_found_out(bench):
    command = ("privacy", "audit", f"--backends=reference,{FAKES / 'too_little_noise.py'}", "--canaries=80")
    finished = bench(*command, "--json")
    assert finished.code == 1
    honest, fake = finished.document["backends"]
    assert honest["epsilon_reported"] == fake["epsilon_reported"]
    assert (honest["verdict"], honest["backend"]) == ("consistent", "reference")
    assert fake["verdict"] == "VIOLATED: the backend leaks more than it reports"
    assert fake["epsilon_at_least"] == pytest.approx(finished.document["most_that_can_be_shown"], rel=0.2)
    assert "parity probe: done" in finished.err


def test_the_table_says_what_a_low_bound_is_worth(bench):
    finished = bench("privacy", "audit", "--backends=reference", "--canaries=20", "--noise=1", "--rounds=1")
    assert finished.code == 0, finished.err
    assert "consistent" in finished.out
    assert "No proof of privacy, however low." in finished.out
    assert "What is reported above that can't be refuted here" in finished.out


def test_a_backend_that_is_not_private_is_not_audited(bench):
    finished = bench("privacy", "audit", f"--backends={FAKES / 'unsupported.py'}", "--canaries=20", "--json")
    assert finished.code == 1
    (only,) = finished.document["backends"]
    assert only["verdict"] == "not audited: skipped: this one only sings"
    assert (only["epsilon_reported"], only["epsilon_at_least"]) == (None, None)
    json.dumps(finished.document, allow_nan=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--noise=-1", "privacy.noise_multiplier = -1.0: must be"),
        ("--delta=0", "privacy.delta = 0.0: must be"),
        ("--max-grad-norm=0", "privacy.max_grad_norm = 0.0: must be"),
        ("--backends=reference,reference", "--backends: named twice: reference"),
        ("--backends=,", "--backends: name at least one"),
    ],
)
def test_bad_input_is_refused_in_one_clear_line(arguments, told):
    with pytest.raises(UserError) as error:
        CliRunner().invoke(app, ["audit", "--canaries=20", *arguments.split()], catch_exceptions=False)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_refuses_what_it_can_not_audit(bench):
    refused(bench("privacy", "audit", "--backends=nobody"), "nobody")
    assert bench("privacy", "audit", "--canaries=19").code == 2
