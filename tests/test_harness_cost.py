"""The bare scripts that the harness' cost is held against train the same: else the ratio would compare two things."""

from functools import partial

import pytest
from rich.console import Console

from bench import live_rounds
from bench.display import Plain
from tests.benchmarks import harness_cost

SETTINGS = ["data.samples=240", "data.image_size=12", "federation.rounds=3"]


@pytest.mark.parametrize(
    ("backend", "train"),
    [
        ("torch", harness_cost.in_turn),
        ("tff", harness_cost.in_turn),
        ("torch", harness_cost.together),
        ("tff", harness_cost.together),
        ("tff", partial(harness_cost.together, lent=harness_cost.LENT["tff"])),
        ("torch", partial(harness_cost.together, with_twin=True)),
    ],
)
def test_a_bare_script_ends_in_the_same_weights_to_the_bit(backend, train, tmp_path):
    (own,) = harness_cost.measure(backend, SETTINGS, 1, tmp_path, Console(stderr=True), train)
    assert own.same
    for side in (own.harness, own.bare):
        assert len(side.own) == len(side.waited) == 3


def test_what_tff_is_given_is_compared(tmp_path):
    def trained(name, script):
        job = live_rounds.job("quick", "tff", SETTINGS, tmp_path / name, Plain(Console(stderr=True)))
        return harness_cost.together(job, script, tmp_path / name / "bare", harness_cost.LENT["tff"])

    script = harness_cost.HERE / "bare_tff.py"
    other = tmp_path / "other.py"
    other.write_text(script.read_text().replace("labels[picked]", "labels[picked[::-1]]"))
    assert trained("same", script).alike
    assert not trained("other", other).alike
