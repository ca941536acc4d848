"""The plan: partition, cohorts, batches and weights are fixed, whole and the same everywhere."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench import draws, model, plan, spec
from bench.errors import UserError
from bench.job import Job
from bench.partition import apportion, partition

LABELS = np.arange(120) % 3
GOLDEN = {
    "partition": "a00bb5ba61ee",
    "cohorts": "4ead1001a754",
    "batches": "730ea38b3347",
    "weights": "81071c5f5868",
}
GOLDEN_KEYS = [11150486266064664661, 13974895798974006196]


def federation(**keys) -> spec.Federation:
    return spec.Federation(**keys)


def split(settings_, labels=LABELS, seed=0, order=None):
    samples = np.arange(len(labels), dtype=np.int32)
    return partition(settings_, samples if order is None else samples[order], labels, seed)


kinds = st.sampled_from(["iid", "classes", "unequal", "dirichlet"])


@settings(max_examples=60, deadline=None)
@given(kinds, st.integers(2, 12), st.integers(1, 3), st.floats(0.05, 10), st.integers(0, 99), st.integers(40, 120))
def test_a_partition_is_disjoint_complete_and_leaves_nobody_empty(kind, clients, held, alpha, seed, count):
    labels = draws.shuffled(seed, "test", np.arange(count)) % 3
    own = federation(clients=clients, partition=kind, classes_per_client=held, alpha=alpha)
    try:
        parts = split(own, labels, seed)
    except UserError:
        assume(False)
    assert len(parts) == clients
    assert all(len(part) for part in parts)
    assert sorted(np.concatenate(parts)) == list(range(count))


@settings(max_examples=30, deadline=None)
@given(kinds, st.integers(0, 99), st.randoms(use_true_random=False))
def test_a_partition_does_not_depend_on_the_order_of_the_samples(kind, seed, random):
    order = list(range(len(LABELS)))
    random.shuffle(order)
    own = federation(clients=5, partition=kind)
    for one, other in zip(split(own, seed=seed), split(own, seed=seed, order=order), strict=True):
        assert np.array_equal(one, other)


@given(st.integers(3, 12), st.integers(1, 3))
def test_classes_are_split_to_within_one_among_their_holders(clients, held):
    parts = split(federation(clients=clients, partition="classes", classes_per_client=held))
    shares = [[int((LABELS[part] == label).sum()) for part in parts] for label in range(3)]
    for own in shares:
        holding = [share for share in own if share]
        assert max(holding) - min(holding) <= 1
    assert all(sum(own[client] > 0 for own in shares) == held for client in range(clients))


@given(st.integers(0, 1000), st.lists(st.floats(0.01, 100), min_size=1, max_size=50))
def test_apportioning_gives_away_everything_and_nearly_in_proportion(total, shares):
    sizes = apportion(total, np.array(shares))
    assert sizes.sum() == total
    assert (np.abs(sizes - total * np.array(shares) / sum(shares)) < 1 + 1e-5).all()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"clients": 121}, "there are only 120 training samples"),
        ({"clients": 2, "partition": "classes", "classes_per_client": 1}, "too few to hold all 3 classes"),
        ({"clients": 3, "partition": "classes", "classes_per_client": 4}, "must be at most 3"),
        ({"clients": 100, "partition": "classes", "classes_per_client": 3}, "every holder needs at least one"),
    ],
)
def test_a_federation_that_cannot_be_served_is_refused(keys, told):
    with pytest.raises(UserError, match=told):
        split(federation(**keys))


@given(st.integers(1, 40), st.floats(0.01, 1), st.floats(0, 0.95), st.integers(1, 50))
def test_a_cohort_has_the_right_size_and_is_never_empty(clients, fraction, drop_rate, number):
    own = federation(clients=clients, fraction=fraction, drop_rate=drop_rate)
    members = plan.cohort(own, number, seed=0)
    assert 1 <= len(members) <= own.cohort_size
    assert list(members) == sorted(set(members))
    if drop_rate == 0:
        assert len(members) == max(1, round(fraction * clients))


def test_drop_outs_come_at_their_rate():
    own = federation(clients=100, fraction=1.0, drop_rate=0.1)
    staying = sum(len(plan.cohort(own, number, 0)) for number in range(1, 101))
    assert 8850 < staying < 9150  # 9,000 expected, five standard deviations


def built(*texts: str) -> plan.Plan:
    own = spec.build({}, ["data.image_size=8", "model.name=mlp", *texts]).cells[0].spec
    return plan.build(own, (3, 8, 8), 3, LABELS, np.arange(100, dtype=np.int32))


def slots(made: plan.Plan):
    """Yield (round, client, batches) for every slot."""
    arrays = made.arrays
    for number in range(made.rounds):
        for slot in range(*arrays["cohort_offsets"][number : number + 2]):
            batches = range(*arrays["slot_batches"][slot : slot + 2])
            yield number + 1, int(arrays["cohort_clients"][slot]), [batch_of(arrays, batch) for batch in batches]


def batch_of(arrays, batch):
    return arrays["batch_samples"][slice(*arrays["batch_offsets"][batch : batch + 2])]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 3), st.sampled_from(["iid", "unequal", "classes"]))
def test_a_client_sees_each_of_its_samples_once_an_epoch(size, epochs, kind):
    made = built(f"training.batch_size={size}", f"federation.local_epochs={epochs}", f"federation.partition={kind}")
    offsets = made.arrays["part_offsets"]
    for _, client, batches in slots(made):
        held = sorted(made.arrays["part_samples"][offsets[client] : offsets[client + 1]])
        per_epoch = -(-len(held) // size)
        assert len(batches) == epochs * per_epoch
        for epoch in range(epochs):
            own = batches[epoch * per_epoch : (epoch + 1) * per_epoch]
            assert sorted(np.concatenate(own)) == held
            assert all(len(batch) == size for batch in own[:-1])


def slot_by_slot(own: spec.Spec, parts, cohorts):
    """What `plan.build` makes of a partition and cohorts, a slot at a time and as plainly as can be."""
    size, epochs, is_drawn = own.training.batch_size, own.federation.local_epochs, own.privacy is not None
    batches, counts, examples, seeds = [], [], [], []
    for number, members in enumerate(cohorts, start=1):
        for client in members:
            held = np.sort(parts[client])
            steps = -(-len(held) // size)
            made = []
            for epoch in range(epochs):
                if not is_drawn:
                    order = held[np.argsort(draws.keys(own.seed, "batches", number, epoch, held), kind="stable")]
                    made += [order[start : start + size] for start in range(0, len(order), size)]
            for step in range(steps * epochs if is_drawn else 0):
                chance = draws.uniforms(own.seed, "poisson", number, step, held)
                made.append(held[chance < min(1.0, size / len(held))])
            batches += made
            counts.append(len(made))
            examples.append(len(held) * epochs)
            seeds.append(int(draws.keys(own.seed, "slot", number, client)) >> 1)
    return {
        "slot_batches": np.cumsum([0, *counts]),
        "batch_samples": np.concatenate([np.empty(0, np.int32), *batches]),
        "batch_offsets": np.cumsum([0, *map(len, batches)]),
        "slot_examples": np.array(examples, np.int64),
        "slot_seeds": np.array(seeds, np.int64),
    }


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["iid", "classes", "unequal", "dirichlet"]),
    clients=st.integers(1, 12),
    epochs=st.integers(1, 3),
    size=st.integers(1, 40),
    unit=st.sampled_from([None, "example", "client"]),
    drop_rate=st.sampled_from([0.0, 0.6]),
    seed=st.integers(0, 99),
    together=st.sampled_from([1, 300, plan.DRAWN_TOGETHER]),
)
def test_a_plan_is_what_it_is_slot_by_slot(kind, clients, epochs, size, unit, drop_rate, seed, together):
    own = spec.Spec.model_validate(
        {
            "model": {"name": "mlp"},
            "federation": {
                "clients": clients, "fraction": 0.4, "rounds": 4, "local_epochs": epochs, "partition": kind,
                "drop_rate": drop_rate, "alpha": 0.1, "classes_per_client": 3,
            },
            "training": {"batch_size": size},
            "privacy": {"unit": unit, "noise_multiplier": 1.0} if unit else None,
            "seed": seed,
        }
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "DRAWN_TOGETHER", together)
        made = plan.build(own, (3, 8, 8), 3, LABELS, np.arange(100, dtype=np.int32))
    parts = np.split(made.arrays["part_samples"], made.arrays["part_offsets"][1:-1])
    cohorts = np.split(made.arrays["cohort_clients"], made.arrays["cohort_offsets"][1:-1])
    plain = slot_by_slot(own if unit == "example" else own.model_copy(update={"privacy": None}), parts, cohorts)
    for name, array in plain.items():
        assert made.arrays[name].dtype == array.dtype, name
        assert np.array_equal(made.arrays[name], array), name


def test_a_worker_maps_the_plan_and_copies_no_batch(tmp_path):
    made = built("federation.clients=20", "federation.rounds=5")
    made.save(tmp_path / "plan")
    for name in ("packed", "labels", "test"):
        np.save(tmp_path / f"{name}.npy", np.zeros(1, np.int64))
    for name in ("images", "npy"):
        (tmp_path / f"{name}.json").write_text("[]")
    paths = {name: str(tmp_path / f"{name}.npy") for name in ("packed", "labels", "test")}
    paths |= {name: str(tmp_path / f"{name}.json") for name in ("images", "npy")}
    nothing = dict.fromkeys(("adapter", "needs", "variant", "threads", "device", "privacy", "cache", "turns", "resume"))
    nothing |= dict.fromkeys(("strategy", "way"))
    nothing |= dict.fromkeys(("evaluate_every", "save_every", "passes", "checkpoint_s", "slowdown"), 0)
    told = nothing | {
        "training": {"batch_size": 20, "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "compile": False},
        "loading": {"form": "memory", "loader": "gather", "workers": 0},
        "data": paths | {"classes": ["a"], "shape": [3, 8, 8], "pixels": ""},
        "plan": str(tmp_path / "plan"), "rounds": 5, "restarts": {}, "seed": 0,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(told))
    job = Job(str(tmp_path))
    assert all(isinstance(array.base, np.memmap) for array in job._plan.values())
    planned = list(slots(made))
    read = [(number, client) for number in range(1, 6) for client in job.work(number).clients]
    assert [(number, client.id) for number, client in read] == [(number, client) for number, client, _ in planned]
    assert [client.examples for _, client in read] == made.arrays["slot_examples"].tolist()
    assert [client.seed for _, client in read] == made.arrays["slot_seeds"].tolist()
    held = np.diff(made.arrays["part_offsets"])
    for (_, client), (_, number, batches) in zip(read, planned, strict=True):
        assert [batch.tolist() for batch in client.batches] == [batch.tolist() for batch in batches]
        assert all(np.shares_memory(batch, job._plan["batch_samples"]) for batch in client.batches)
        assert client.divisors == [len(batch) for batch in batches]
        assert (client.held, client.sampling_rate) == (held[number], min(20, held[number]) / held[number])


def test_a_plan_in_which_nobody_ever_takes_part_has_no_batches():
    made = built(
        "federation.clients=50", "federation.clients_per_round=1", "federation.rounds=2", "seed=3",
        "privacy.unit=client", "privacy.noise_multiplier=1", "federation.drop_rate=0.999999",
    )  # fmt: skip
    assert len(made.arrays["cohort_clients"]) == 0
    assert made.arrays["slot_batches"].tolist() == made.arrays["batch_offsets"].tolist() == [0]
    assert {name: made.arrays[name].dtype.str for name in ("batch_samples", "slot_examples", "slot_seeds")} == {
        "batch_samples": "<i4", "slot_examples": "<i8", "slot_seeds": "<i8",
    }  # fmt: skip


@given(st.lists(st.sampled_from(["b", "a", "B", "ab", "\u00e9", ""]), min_size=1, max_size=40))
def test_groups_hold_their_own_samples_in_the_order_of_their_names(groups):
    names = sorted(set(groups))
    own = federation(clients=len(names), partition="groups")
    parts = partition(own, np.arange(len(groups), dtype=np.int32)[::-1], np.zeros(len(groups), np.int64), 0, groups)
    assert [part.tolist() for part in parts] == [
        [index for index, group in enumerate(groups) if group == name] for name in names
    ]
    assert all(part.dtype == np.int32 for part in parts)


def test_batches_are_shuffled_anew_for_every_round_and_epoch():
    made = built("federation.clients=1", "federation.local_epochs=2", "training.batch_size=100")
    orders = {tuple(batch) for _, _, batches in slots(made) for batch in batches}
    assert len(orders) == 20


def test_the_digests_are_the_same_on_every_machine():
    """Golden values: a change here means that old results no longer compare with new ones."""
    made = built("federation.partition=dirichlet", "federation.drop_rate=0.1")
    assert {name: value[:12] for name, value in made.digests().items()} == GOLDEN


def test_a_later_round_does_not_depend_on_how_many_came_before():
    few, many = built("federation.rounds=3"), built("federation.rounds=9")
    assert [list(map(list, batches)) for _, _, batches in slots(few)] == [
        list(map(list, batches)) for number, _, batches in slots(many) if number <= 3
    ]


def test_the_probe_keeps_batch_size_last_batch_and_proportions():
    own = spec.build({}, ["training.batch_size=20", "federation.partition=unequal"]).cells[0].spec
    labels = np.arange(4000) % 3
    whole = plan.build(own, (3, 32, 32), 3, labels, np.arange(4000, dtype=np.int32))
    cut = plan.probe(whole)
    assert cut.rounds == plan.PROBE_ROUNDS
    assert not any(layer["kind"] == "dropout" for layer in cut.layers)
    for (_, client, full), (_, same, few) in zip(slots(whole), slots(cut), strict=False):
        assert client == same
        assert len(few) < len(full)
        assert all(len(batch) == 20 for batch in few[:-1])
        assert np.array_equal(few[-1], full[-1])
    sizes = {client: sum(map(len, batches)) for _, client, batches in slots(cut)}
    assert len(set(sizes.values())) == len(sizes)
    assert max(sizes.values()) <= plan.PROBE_SAMPLES + 20


def test_weights_have_the_layout_and_the_range_of_their_fan_in():
    layers = model.layers(spec.Model(batch_norm=True), (3, 32, 32), 3)
    weights = model.initial_weights(layers, seed=1)
    assert {name: array.shape for name, array in weights.items()} == dict(model.layout(layers))
    assert weights["dense1.weight"].shape == (128, 64 * 14 * 14)
    assert np.abs(weights["dense1.weight"]).max() <= 12544**-0.5
    assert weights["norm1.variance"].tolist() == [1.0] * 32
    assert sum(array.size for name, array in weights.items() if "norm" not in name) == 1625539


def test_draws_are_uniform_and_golden():
    drawn = draws.uniforms(7, "test", np.arange(100_000))
    assert abs(drawn.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
    assert [int(key) for key in draws.keys(0, "test", np.arange(2))] == GOLDEN_KEYS
