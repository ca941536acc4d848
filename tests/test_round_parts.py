"""The benchmarks that take a round apart: what they train and how they reckon, not what comes out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench import live_rounds
from bench.display import Plain
from bench.errors import UserError
from tests.benchmarks import parts_by_clients, round_parts
from tests.test_plan import batch_of, built

positive = st.floats(1e-3, 1e3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 4), st.integers(2, 8), st.sampled_from(["iid", "unequal", "classes"]))
def test_a_thinned_plan_has_the_same_cohorts_and_so_many_steps_on_a_sample_of_each_client(steps, clients, kind):
    whole = built(f"federation.clients={clients}", f"federation.partition={kind}", "training.batch_size=7")
    thin = round_parts.thinned(whole, steps)
    assert {name for name in whole.arrays if whole.arrays[name] is not thin.arrays[name]} == {
        "slot_batches", "batch_samples", "batch_offsets", "slot_examples",
    }  # fmt: skip
    assert {name: array.dtype for name, array in thin.arrays.items()} == {
        name: array.dtype for name, array in whole.arrays.items()
    }
    for slot in range(len(whole.arrays["slot_seeds"])):
        (first, *_), own = (
            [batch_of(one.arrays, batch) for batch in range(*one.arrays["slot_batches"][slot : slot + 2])]
            for one in (whole, thin)
        )
        assert [list(batch) for batch in own] == [[first[0]]] * steps
        assert thin.arrays["slot_examples"][slot] == max(1, steps)


@given(positive, positive, positive, positive, positive, st.sampled_from([(0, 3), (1, 3), (2, 5)]), st.integers(2, 6))
def test_the_parts_of_a_round_that_is_made_of_them_are_found(compute, feed, aggregation, harness, step, steps, count):
    own = np.full(count, compute + feed + aggregation)
    few, more = (np.full(count, aggregation + number * step) for number in steps)
    group = round_parts.Group(np.array([own + harness, own, few, more]), np.full(3, feed), ())
    expected = {"compute": compute, "feed": feed, "aggregation": aggregation, "harness": harness}
    scale = max(own[0] + harness, more[0])
    found = round_parts.seconds([group, group], steps)
    assert list(found.values()) == pytest.approx([expected[name] for name in found], abs=1e-9 * scale)


def test_shares_add_up_and_lie_within_their_intervals():
    stream = np.random.RandomState(0)
    own = 1.0 + 0.01 * stream.rand(2, 20)
    groups = [
        round_parts.Group(np.array([one + 0.005, one, one * 0.3, one * 0.5]), np.array([0.02, 0.03]), ()) for one in own
    ]
    found = round_parts.shares(groups, (1, 3))
    assert sum(share for share, _, _ in found.values()) == pytest.approx(1)
    assert all(low <= share <= high for share, low, high in found.values())
    assert round_parts.verdict(found["harness"]) == "yes"
    assert found["aggregation"][0] == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize(
    ("share", "told"),
    [((0.005, 0.004, 0.006), "yes"), ((0.01, 0.005, 0.02), "can't be told"), ((0.03, 0.02, 0.04), "no")],
)
def test_the_harness_share_is_below_what_is_allowed_only_where_its_whole_interval_is(share, told):
    assert round_parts.verdict(share) == told


@pytest.mark.parametrize("text", ["3,1", "1,1", "-1,3", "1", "a,b"])
def test_steps_that_no_line_runs_through_are_refused(text):
    with pytest.raises(ValueError):
        round_parts.two_steps(text)


@given(st.floats(0.1, 2), positive, st.lists(st.integers(1, 10**5), min_size=2, max_size=5, unique=True))
def test_the_slope_of_a_power_is_its_exponent(exponent, factor, clients):
    found = parts_by_clients.slopes({one: factor * one**exponent for one in clients})
    assert found == pytest.approx((exponent, exponent), abs=1e-6)


def test_seconds_that_noise_made_negative_have_no_slope():
    assert all(map(np.isnan, parts_by_clients.slopes({10: -0.1, 100: 1.0})))


def test_a_round_of_torch_is_taken_apart(tmp_path):
    small = ["data.samples=60", "data.image_size=12", "federation.rounds=4", "timing.threads=1"]
    job = live_rounds.job("quick", "torch", small, tmp_path, Plain(Console(stderr=True)))
    for steps in ((0, 3), (1, 3)):
        group = round_parts.measure(job, steps)
        assert group.rounds.shape == (4, 2)
        assert (group.rounds[0] > group.rounds[1]).all()
        assert (group.rounds > 0).all()
        assert (group.feed > 0).all()
        assert [len(event.cohort) for event in group.said] == [2, 2, 2]
    told = round_parts.table({"torch": [group]}, (1, 3))
    assert [row[0] for row in told.rows] == ["compute", "feed", "aggregation", "harness", "a round"]


@pytest.mark.parametrize(
    ("setting", "told"), [("federation.rounds=2", "at least 3"), ("privacy.noise_multiplier=1", "leave")]
)
def test_what_cannot_be_taken_apart_is_refused(setting, told, tmp_path):
    small = ["data.samples=60", "data.image_size=12", "federation.rounds=4"]
    job = live_rounds.job("quick", "torch", [*small, setting], tmp_path, Plain(Console(stderr=True)))
    with pytest.raises(UserError, match=told):
        round_parts.measure(job, (1, 3))


def test_numbers_of_clients_are_measured_told_and_drawn():
    found = {clients: parts_by_clients.measured("torch", clients, 2, 4) for clients in (3, 12)}
    assert [row[0] for row in parts_by_clients.table("torch", found).rows] == ["3", "12"]
    assert found[12]["events of a round"] > found[3]["events of a round"] > 0
    assert found[12]["comparison.json"] > found[3]["comparison.json"]
    lines = [line for axes in parts_by_clients.picture({"torch": found}).axes for line in axes.get_lines()]
    assert {tuple(line.get_xdata()) for line in lines} == {(3, 12)}
