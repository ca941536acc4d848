"""The bare scripts that the harness' cost is held against train the same: else the ratio would compare two things."""

from functools import partial

import pytest
from rich.console import Console

from tests.benchmarks import harness_cost


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
    settings = ["data.samples=60", "data.image_size=12", "federation.rounds=3"]
    (own,) = harness_cost.measure(backend, settings, 1, tmp_path, Console(stderr=True), train)
    assert own.same
    for side in (own.harness, own.bare):
        assert len(side.own) == len(side.waited) == 3
