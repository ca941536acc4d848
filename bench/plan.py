"""Spec + data -> Plan: everything that could differ between backends, fixed once, as arrays with digests.

The arrays (`bench.job` reads them again inside the worker):

- `part_samples` int32, `part_offsets` int64 (clients + 1): the samples of each client
- `cohort_clients` int32, `cohort_offsets` int64 (rounds + 1): who takes part in which round. A *slot* is one
  client's part in one round: an entry of `cohort_clients`
- `slot_batches` int64 (slots + 1): the first batch of each slot
- `batch_samples` int32, `batch_offsets` int64 (batches + 1): the samples of each batch, in order
- `slot_examples` int64 (slots): what each slot weighs in the average
- `slot_seeds` int64 (slots): for what a framework must draw itself, such as dropout masks

With privacy and Poisson sampling the batches (unit client: the cohorts) are drawn as the amplification theorems want
them: each example joins each batch independently with the same probability (Abadi et al. 2016, section 3.1; clients:
McMahan et al. 2018, algorithm 1). Batches of all sizes come out, empty ones too, and so that a draw shows in nothing
but its own sum, a client weighs what it holds and not what was drawn.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import draws, model, partition
from bench.spec import Federation, Spec

Array = npt.NDArray[Any]

DRAWN_TOGETHER = 2**20  # draws of a Poisson round at once: bounds the memory
PROBE_ROUNDS = 3
PROBE_SAMPLES = 240  # a client's, about: enough batches for momentum to show, few enough for float64


@dataclass(frozen=True)
class Plan:
    """What every backend trains on, in the same order."""

    layers: list[dict[str, Any]]
    weights: model.Weights
    arrays: Mapping[str, Array]
    drawn: bool = False  # whether batches are Poisson draws of what a client holds

    @property
    def rounds(self) -> int:
        """How many rounds are planned."""
        return len(self.arrays["cohort_offsets"]) - 1

    def epoch(self) -> list[npt.NDArray[np.int32]]:
        """Return the batches of the first round, one slot after another."""
        slots = int(self.arrays["cohort_offsets"][1])
        batches = int(self.arrays["slot_batches"][slots])
        offsets = self.arrays["batch_offsets"][: batches + 1]
        return np.split(self.arrays["batch_samples"][: offsets[-1]], offsets[1:-1])

    def digests(self) -> dict[str, str]:
        """Return the sha256 of the partition, the cohorts, the batches and the weights."""
        groups = {  # what a slot weighs follows from these
            "partition": ("part_samples", "part_offsets"),
            "cohorts": ("cohort_clients", "cohort_offsets"),
            "batches": ("slot_batches", "batch_samples", "batch_offsets", "slot_seeds"),
        }
        found = {name: digest({key: self.arrays[key] for key in keys}) for name, keys in groups.items()}
        return found | {"weights": digest(self.weights)}

    def save(self, folder: Path) -> None:
        """Write the arrays, a file each, and the layers."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self.arrays.items():
            np.save(folder / f"{name}.npy", array)
        with (folder / "weights.npz").open("wb") as file:
            np.savez(file, **self.weights)  # type: ignore[arg-type]
        (folder / "layers.json").write_text(json.dumps(self.layers))


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the sha256 of named arrays: names, dtypes, shapes and little-endian bytes."""
    state = hashlib.sha256()
    for name, array in arrays.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        state.update(f"{name} {little.dtype.str} {little.shape} ".encode())
        state.update(little.data)
    return state.hexdigest()


def build(
    spec: Spec,
    shape: tuple[int, ...],
    classes: int,
    labels: npt.NDArray[np.int64],
    train: npt.NDArray[np.int32],
    groups: Sequence[str | None] | None = None,
) -> Plan:
    """Plan `spec` over samples of `shape` (channel, height, width): `train` int32 (n,) indexes `labels` and `groups`.

    `groups` tells whose each sample is, for the partition of that name.
    """
    layers = model.layers(spec.model, shape, classes)
    parts = partition.partition(spec.federation, train, labels, spec.seed, groups)
    draw = poisson_cohort if _is_drawn(spec, "client") else cohort
    cohorts = [draw(spec.federation, number, spec.seed) for number in range(1, spec.federation.rounds + 1)]
    arrays: dict[str, Array] = {
        "part_samples": np.concatenate(parts).astype(np.int32),
        "part_offsets": _offsets([len(part) for part in parts]),
        "cohort_clients": np.concatenate(cohorts).astype(np.int32),
        "cohort_offsets": _offsets([len(members) for members in cohorts]),
    }
    drawn = _is_drawn(spec, "example")
    arrays.update(_poisson_batches(spec, parts, cohorts) if drawn else _batches(spec, parts, cohorts))
    return Plan(layers, model.initial_weights(layers, spec.seed), arrays, drawn)


def _is_drawn(spec: Spec, unit: str) -> bool:
    privacy = spec.privacy
    return privacy is not None and (privacy.unit, privacy.sampling) == (unit, "poisson")


def cohort(settings: Federation, number: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the clients of round `number` (from 1), ascending, less those that drop out.

    At least one stays: a round without anybody would train nothing.
    """
    everyone = np.arange(settings.clients)
    selected = draws.shuffled(seed, "cohort", everyone, number)[: settings.cohort_size]
    chance = draws.uniforms(seed, "drop", number, selected)
    staying = selected[chance >= settings.drop_rate]
    return np.sort(staying if len(staying) else selected[[np.argmax(chance)]])


def poisson_cohort(settings: Federation, number: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the clients of round `number` (from 1), ascending, each drawn by itself; perhaps nobody.

    The probability is the cohort's share of all clients. Those that drop out only make it smaller.
    """
    everyone = np.arange(settings.clients)
    selected = draws.uniforms(seed, "cohort", number, everyone) < settings.cohort_size / settings.clients
    staying = draws.uniforms(seed, "drop", number, everyone) >= settings.drop_rate
    return everyone[selected & staying]


def _batches(spec: Spec, parts: partition.Parts, cohorts: list[npt.NDArray[np.int64]]) -> dict[str, Array]:
    size, epochs = spec.training.batch_size, spec.federation.local_epochs
    held = _held(parts, cohorts)
    steps = -(-held // size)
    batch_sizes = np.full(int(steps.sum()) * epochs, size, np.int64)
    batch_sizes[np.cumsum(np.repeat(steps, epochs)) - 1] = np.repeat(held - (steps - 1) * size, epochs)
    samples = np.empty(int(held.sum()) * epochs, np.int32)
    filled = 0
    for number, members in enumerate(cohorts, start=1):
        if len(members):
            order = _round_order(spec.seed, number, [parts[client] for client in members], epochs)
            samples[filled : filled + len(order)] = order
            filled += len(order)
    return {
        "slot_batches": _offsets(steps * epochs),
        "batch_samples": samples,
        "batch_offsets": _offsets(batch_sizes),
        "slot_examples": held * epochs,
        "slot_seeds": _slot_seeds(spec.seed, cohorts),
    }


def _poisson_batches(spec: Spec, parts: partition.Parts, cohorts: list[npt.NDArray[np.int64]]) -> dict[str, Array]:
    """ceil(n / batch size) batches a local epoch, each sample in each of them with probability batch size / n."""
    size, epochs = spec.training.batch_size, spec.federation.local_epochs
    held = _held(parts, cohorts)
    samples: list[Array] = []
    batch_sizes: list[Array] = []
    for number, members in enumerate(cohorts, start=1):
        most = max((len(parts[client]) for client in members), default=1)
        together = max(1, DRAWN_TOGETHER // (most * math.ceil(most / size) * epochs))
        for start in range(0, len(members), together):
            own = [np.sort(parts[client]) for client in members[start : start + together]]
            drawn, sizes = _poisson_draws(spec, number, own)
            samples.append(drawn)
            batch_sizes.append(sizes)
    return {
        "slot_batches": _offsets(-(-held // size) * epochs),
        "batch_samples": _joined(samples, np.int32),
        "batch_offsets": _offsets(_joined(batch_sizes, np.int64)),
        "slot_examples": held * epochs,
        "slot_seeds": _slot_seeds(spec.seed, cohorts),
    }


def _poisson_draws(spec: Spec, number: int, parts: partition.Parts) -> tuple[Array, Array]:
    """The samples of the parts' batches in round `number`, part after part, and the batches' sizes.

    All are drawn as if each had as many steps as the longest; what is too much is masked.
    """
    size = spec.training.batch_size
    lengths = np.array([len(part) for part in parts])
    steps = -(-lengths // size) * spec.federation.local_epochs
    rates = np.array([sampling_rate(size, length) for length in lengths.tolist()])
    held, owner = np.concatenate(parts), np.repeat(np.arange(len(parts)), lengths)
    step = np.arange(steps.max())[:, None]
    joins = draws.uniforms(spec.seed, "poisson", number, step, held) < rates[owner]
    joins &= step < steps[owner]
    joined = np.nonzero(joins)[1]
    counts = np.add.reduceat(joins, _offsets(lengths)[:-1], axis=1, dtype=np.int64)
    by_part = np.argsort(owner[joined], kind="stable")
    return held[joined[by_part]], counts.T[(step < steps).T]


def _held(parts: partition.Parts, cohorts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """How many samples the client of each slot holds."""
    return np.array([len(part) for part in parts], np.int64)[np.concatenate(cohorts)]


def sampling_rate(batch_size: int, held: int) -> float:
    """Return the probability that a sample joins a batch, of a client that holds so many."""
    return min(1.0, batch_size / held)


def _slot_seeds(seed: int, cohorts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    rounds = np.repeat(np.arange(1, len(cohorts) + 1), [len(members) for members in cohorts])
    return (draws.keys(seed, "slot", rounds, np.concatenate(cohorts)) >> np.uint64(1)).astype(np.int64)


def _joined(pieces: list[Array], kind: type) -> Array:
    return np.concatenate(pieces or [np.empty(0, kind)]).astype(kind, copy=False)


def _round_order(seed: int, number: int, parts: partition.Parts, epochs: int) -> Array:
    """Every member's samples, epoch after epoch, each epoch shuffled anew; members one after another."""
    held = np.tile(np.concatenate(parts), epochs)
    slot = np.tile(np.repeat(np.arange(len(parts)), [len(part) for part in parts]), epochs)
    epoch = np.repeat(np.arange(epochs), len(held) // epochs)
    order: Array = held[np.lexsort((draws.keys(seed, "batches", number, epoch, held), epoch, slot))]
    return order


def _offsets(sizes: Array | list[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def probe(plan: Plan) -> Plan:
    """Cut a plan down for the parity probe: its first rounds, large clients to a few hundred samples.

    Rounds in which nobody takes part are passed through, not counted.

    Whole batches go, so that the batch size stays the run's own, and a client's last batch stays, because
    it is the odd one. All clients are cut by the same factor: who weighs more still does. Dropout is off.
    """
    cohorts = plan.arrays["cohort_offsets"][: probe_rounds(plan) + 1]
    slot_batches, batch_offsets = plan.arrays["slot_batches"], plan.arrays["batch_offsets"]
    slots = range(int(cohorts[-1]))
    sizes = np.diff(batch_offsets[slot_batches[: len(slots) + 1]])
    factor = min(1.0, PROBE_SAMPLES / int(sizes.max(initial=1)))
    kept: list[int] = []
    counts = []
    for slot in slots:
        batches = range(int(slot_batches[slot]), int(slot_batches[slot + 1]))
        count = math.ceil(len(batches) * factor)
        kept += [*batches[: count - 1], batches[-1]]
        counts.append(count)
    pieces = [plan.arrays["batch_samples"][batch_offsets[batch] : batch_offsets[batch + 1]] for batch in kept]
    cuts = _offsets(counts)
    trained = [sum(len(piece) for piece in pieces[start:stop]) for start, stop in itertools.pairwise(cuts)]
    arrays = {
        "part_samples": plan.arrays["part_samples"],
        "part_offsets": plan.arrays["part_offsets"],
        "cohort_clients": plan.arrays["cohort_clients"][: cohorts[-1]],
        "cohort_offsets": cohorts,
        "slot_batches": cuts,
        "batch_samples": _joined(pieces, np.int32),
        "batch_offsets": _offsets([len(piece) for piece in pieces]),
        "slot_examples": plan.arrays["slot_examples"][: cohorts[-1]] if plan.drawn else np.array(trained, np.int64),
        "slot_seeds": plan.arrays["slot_seeds"][: cohorts[-1]],
    }
    layers = [layer for layer in plan.layers if layer["kind"] != "dropout"]
    return Plan(layers, plan.weights, arrays, plan.drawn)


def centralised(plan: Plan) -> Plan:
    """Return the plan of a method without federation: one round of all clients, each with one batch of all it holds."""
    offsets = plan.arrays["part_offsets"]
    clients = np.arange(len(offsets) - 1)
    arrays = {
        "part_samples": plan.arrays["part_samples"],
        "part_offsets": offsets,
        "cohort_clients": clients.astype(np.int32),
        "cohort_offsets": _offsets([len(clients)]),
        "slot_batches": _offsets([1] * len(clients)),
        "batch_samples": plan.arrays["part_samples"],
        "batch_offsets": offsets,
        "slot_examples": np.diff(offsets),
        "slot_seeds": np.zeros(len(clients), np.int64),
    }
    return Plan(plan.layers, plan.weights, arrays)


def probe_rounds(plan: Plan) -> int:
    """Return how many rounds the probe of a plan has."""
    taken = np.cumsum(np.diff(plan.arrays["cohort_offsets"]) > 0)
    return min(int(np.searchsorted(taken, PROBE_ROUNDS)) + 1, plan.rounds)
