"""What a plan spends: counted by hand, against dp-accounting, and against what a framework says of itself."""

import itertools
import json
import math

import dp_accounting
import numpy as np
import pytest
from dp_accounting import pld
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import plan, privacy, record, spec
from bench.accountant import Releases
from bench.errors import UserError

LABELS = np.arange(90) % 3
SAMPLES = np.arange(90, dtype=np.int32)


def planned(*given_settings: str) -> tuple[spec.Spec, plan.Plan]:
    own = spec.build({"model": {"name": "mlp"}}, given_settings).cells[0].spec
    return own, plan.build(own, (1, 4, 4), 3, LABELS, SAMPLES)


def arrays(built: plan.Plan, slot: int) -> list[np.ndarray]:
    """The batches of one slot."""
    first, last = built.arrays["slot_batches"][slot : slot + 2]
    offsets = built.arrays["batch_offsets"][first : last + 1]
    return [built.arrays["batch_samples"][a:b] for a, b in itertools.pairwise(offsets)]


clients, sizes, seeds = st.integers(1, 6), st.integers(1, 40), st.integers(0, 50)
partitions = st.sampled_from(["iid", "unequal", "dirichlet"])


@settings(max_examples=25, deadline=None)
@given(clients, sizes, st.integers(1, 3), partitions, seeds)
def test_releases_are_the_steps_that_the_plan_holds(count, size, epochs, kind, seed):
    own, built = planned(
        "privacy.noise_multiplier=1", f"federation.clients={count}", f"training.batch_size={size}",
        f"federation.local_epochs={epochs}", f"federation.partition={kind}", f"seed={seed}", "federation.rounds=4",
        "federation.drop_rate=0.3",
    )  # fmt: skip
    steps = dict.fromkeys(range(count), 0)
    for slot, client in enumerate(built.arrays["cohort_clients"]):
        steps[int(client)] += len(arrays(built, slot))
    held = np.diff(built.arrays["part_offsets"])
    expected = [Releases(min(1.0, size / held[client]), steps[client]) for client in range(count)]
    assert privacy.releases(own, built) == expected


@settings(max_examples=8, deadline=None)
@given(st.floats(0.6, 4), st.integers(5, 30), st.integers(2, 12), seeds)
@example(1.0, 5, 2, 1)  # a client takes no part
def test_a_runs_epsilon_is_dp_accountings(noise, size, rounds, seed):
    own, built = planned(
        f"privacy.noise_multiplier={noise}", f"training.batch_size={size}", f"federation.rounds={rounds}",
        f"seed={seed}", "privacy.delta=1e-4", "federation.partition=unequal",
    )  # fmt: skip
    entry = privacy.entry(own, built, noise, [])
    by_hand = []
    for held, client in zip(np.diff(built.arrays["part_offsets"]), range(3), strict=True):
        taken_part = int((built.arrays["cohort_clients"] == client).sum())
        if not taken_part:  # spends nothing, and dp-accounting composes nothing no times
            continue
        accountant = pld.PLDAccountant()
        event = dp_accounting.PoissonSampledDpEvent(min(1.0, size / held), dp_accounting.GaussianDpEvent(noise))
        accountant.compose(event, taken_part * math.ceil(held / size))
        by_hand.append(accountant.get_epsilon(1e-4))
    assert entry["epsilon_pld"] == pytest.approx(max(by_hand), rel=0.01)
    assert entry["epsilon_pld"] <= entry["epsilon_rdp"]


def test_shuffled_batches_are_one_release_an_epoch_without_amplification():
    own, built = planned(
        "privacy.noise_multiplier=1", "privacy.sampling=shuffled", "federation.local_epochs=2", "federation.rounds=5"
    )
    taken_part = np.bincount(built.arrays["cohort_clients"], minlength=3)
    assert privacy.releases(own, built) == [Releases(1.0, 2 * int(rounds)) for rounds in taken_part]
    assert "no amplification" in privacy.entry(own, built, 1.0, [])["assumption"]


def test_at_client_level_rounds_and_the_cohorts_rate_count():
    own, built = planned("privacy.noise_multiplier=1", "privacy.unit=client", "federation.clients=10")
    assert privacy.releases(own, built) == [Releases(0.7, 10)]


def test_a_target_is_met_and_not_by_much():
    own, built = planned("privacy.target_epsilon=2.5", "privacy.delta=1e-4")
    noise = privacy.noise_multiplier(own, built)
    assert 2.4 < privacy.entry(own, built, noise, [])["epsilon_pld"] <= 2.5


def test_a_target_that_no_noise_meets_is_refused():
    own, built = planned("privacy.target_epsilon=1e-12", "privacy.delta=1e-15")
    with pytest.raises(UserError, match="target epsilon 1e-12 can't be met"):
        privacy.noise_multiplier(own, built)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3])
def test_next_to_no_noise_is_an_honest_figure_in_strict_json(noise):
    own, built = planned(f"privacy.noise_multiplier={noise}")
    entry = privacy.entry(own, built, noise, [])
    json.dumps(entry, allow_nan=False)
    assert float(entry["epsilon_pld"]) > 1e3


def figure(epsilon, accountant="pld", orders=None):
    return {"name": "Theirs", "accountant": accountant, "sampling": "poisson", "epsilon": epsilon, "orders": orders}


def test_a_framework_that_counts_otherwise_is_an_error_that_is_shown():
    own, built = planned("privacy.noise_multiplier=1", "privacy.delta=1e-4")
    ours = privacy.entry(own, built, 1.0, [])["epsilon_pld"]
    for off, told in ((0.9, 1), (1.0, 0), (1.1, 1)):
        entry = privacy.entry(own, built, 1.0, [figure(off * ours)])
        assert len(entry["disagreements"]) == told
    run = {"backend": "theirs", "status": "done", "privacy": entry, "repeat": 1, "weights_sha256": None}
    cell = {"name": "", "set": {}, "spec": own.model_dump(mode="json"), "task": 1, "runs": [run]}
    cell["parity"] = {"backends": {}}
    (problem,) = record.problems({"cells": [cell]}, allow_skips=False)
    assert "theirs: Theirs says epsilon" in problem


def test_a_figure_that_a_framework_cannot_compute_is_no_disagreement():
    own, built = planned("privacy.noise_multiplier=1")
    assert privacy.entry(own, built, 1.0, [figure(None)])["disagreements"] == []


@settings(max_examples=30, deadline=None)
@given(clients, sizes, st.integers(1, 3), seeds)
def test_poisson_batches_are_draws_of_what_a_client_holds(count, size, epochs, seed):
    _, built = planned(
        "privacy.noise_multiplier=1", f"federation.clients={count}", f"training.batch_size={size}",
        f"federation.local_epochs={epochs}", f"seed={seed}",
    )  # fmt: skip
    offsets = built.arrays["part_offsets"]
    for slot, client in enumerate(built.arrays["cohort_clients"]):
        held = set(built.arrays["part_samples"][offsets[client] : offsets[client + 1]])
        batches = arrays(built, slot)
        assert len(batches) == epochs * math.ceil(len(held) / size)
        assert built.arrays["slot_examples"][slot] == epochs * len(held), "a draw must not show in the weights"
        for batch in batches:
            assert set(batch) <= held
            assert len(set(batch)) == len(batch)


def test_poisson_batches_have_the_rate_and_vary_as_they_should():
    _, built = planned(
        "privacy.noise_multiplier=1", "federation.clients=1", "training.batch_size=9", "federation.rounds=300"
    )
    drawn = np.diff(built.arrays["batch_offsets"])
    assert drawn.mean() == pytest.approx(9, abs=0.25)
    assert drawn.var() == pytest.approx(90 * 0.1 * 0.9, rel=0.1)
    each = np.bincount(built.arrays["batch_samples"], minlength=90)
    assert each.std() == pytest.approx(math.sqrt(3000 * 0.1 * 0.9), rel=0.25), "samples join independently"


def test_poisson_cohorts_may_be_empty_and_the_probe_waits_for_somebody():
    _, built = planned(
        "privacy.noise_multiplier=1", "privacy.unit=client", "federation.clients=30", "federation.clients_per_round=1",
        "federation.rounds=200",
    )  # fmt: skip
    sizes_ = np.diff(built.arrays["cohort_offsets"])
    assert sizes_.mean() == pytest.approx(1, abs=0.25)
    assert (sizes_ == 0).mean() == pytest.approx(math.exp(-1), abs=0.1)
    probed = np.diff(plan.probe(built).arrays["cohort_offsets"])
    assert (probed > 0).sum() == plan.PROBE_ROUNDS


def test_the_probe_keeps_what_a_client_weighs():
    _, built = planned("privacy.noise_multiplier=1", "training.batch_size=1", "federation.partition=unequal")
    slots = len(plan.probe(built).arrays["slot_examples"])
    assert np.array_equal(plan.probe(built).arrays["slot_examples"], built.arrays["slot_examples"][:slots])


def test_seeded_noise_protects_nobody():
    own, built = planned("privacy.noise_multiplier=1", "privacy.noise_seed=5", "privacy.delta=1e-4")
    entry = privacy.entry(own, built, 1.0, [])
    assert entry["epsilon_pld"] == entry["epsilon_rdp"] == "inf"
    assert "NOT PRIVATE" in entry["warnings"][0]


def test_a_delta_that_allows_giving_an_example_away_is_told():
    own, built = planned("privacy.noise_multiplier=1", "privacy.delta=0.1")
    assert privacy.entry(own, built, 1.0, [])["warnings"] == [
        "delta 0.1 is not below 1 / 30: giving away one example would pass too"
    ]
