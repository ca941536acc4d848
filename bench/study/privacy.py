"""The study's published epsilons computed once more, and what its training really spent.

The settings are data, reports/_study/published.toml; every number here follows from them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bench import accountant, renyi
from bench.accountant import Releases, Spent
from bench.study.published import published


@dataclass(frozen=True)
class Study:
    """Settings and results; sequences with a figure for each noise multiplier go in its order."""

    noise_multipliers: tuple[float, ...]
    epsilons: tuple[float, ...]
    accuracies: tuple[float, ...]  # %
    rounds: int
    client_fraction: float
    batch_size: int
    max_grad_norm: float
    orders: tuple[float, ...]
    sampling_rate_given: float
    delta: float
    samples_by_client: int
    rounds_by_client: tuple[int, ...]

    @property
    def steps_a_round(self) -> int:
        return math.ceil(self.samples_by_client / self.batch_size)

    @property
    def sampling_rate(self) -> float:
        """How likely an example is to be in a batch."""
        return self.batch_size / self.samples_by_client

    @property
    def most_rounds(self) -> int:
        """Of the client that took part most often. The clients' examples are disjoint, so its examples lose most."""
        return max(self.rounds_by_client)


@dataclass(frozen=True)
class Row:
    """One noise multiplier: as published, the same computed again, and what it should have been."""

    noise_multiplier: float
    accuracy: float  # %, published
    published: float
    recomputed: float
    poisson: Spent  # had each batch been a Poisson draw
    shuffled: Spent  # as the batches were


@cache
def study() -> Study:
    entries = published("privacy")
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()}
    return Study(**frozen)


def rows() -> list[Row]:
    """Return a row a noise multiplier."""
    own = study()
    return [
        Row(noise, accuracy, published, published_way(noise), poisson(noise), shuffled(noise))
        for noise, accuracy, published in zip(own.noise_multipliers, own.accuracies, own.epsilons, strict=True)
    ]


def published_way(noise_multiplier: float) -> float:
    """Return epsilon as the study has it: the client fraction as sampling rate, the mean over its clients."""
    own = study()
    return _old_epsilon(noise_multiplier, own.sampling_rate_given, own.rounds_by_client)


def poisson(noise_multiplier: float) -> Spent:
    """Return what the client that took part most often would have spent, with its batches Poisson draws."""
    own = study()
    releases = Releases(own.sampling_rate, own.most_rounds * own.steps_a_round)
    return accountant.spent(noise_multiplier, releases, own.delta)


def shuffled(noise_multiplier: float) -> Spent:
    """Return what it spent with shuffled batches, each example in one batch a round: a release a round, no more."""
    own = study()
    return accountant.spent(noise_multiplier, Releases(1.0, own.most_rounds), own.delta)


def reasons() -> list[str]:
    """Return why the published epsilons aren't what was spent, one gap after the other, with what each is worth."""
    own = study()
    noises = own.noise_multipliers
    clients = own.rounds_by_client
    rate = own.sampling_rate
    batches = own.most_rounds * own.steps_a_round
    right_rate = [_old_epsilon(noise, rate, clients) for noise in noises]
    maximum = [_old_epsilon(noise, rate, [own.most_rounds]) for noise in noises]
    by_poisson, by_shuffled = [poisson(noise) for noise in noises], [shuffled(noise) for noise in noises]
    return [
        f"Sampling rate: the engine was given {own.sampling_rate_given:g}, the share of clients that take part in a"
        f" round. What counts is how likely an example is to be in a batch, {own.batch_size} / {own.samples_by_client}"
        f" = {rate:.4f}. With that and nothing else changed: {_each(right_rate)}.",
        f"Average: the mean of clients with {_words(clients)} rounds. Their examples are disjoint, so an example loses"
        f" what its own client spent, and the promise to everyone is the largest, of {own.most_rounds} rounds of"
        f" {own.steps_a_round} steps: {_each(maximum)}.",
        "Conversion: from Renyi DP by ln(1/delta) / (order - 1) at"
        f" {len(own.orders)} whole orders from {min(own.orders):g}. The tighter one of 2020 at {len(renyi.ORDERS)}"
        f" orders from {min(renyi.ORDERS):.2f}: {_each([one.rdp for one in by_poisson])}. By privacy loss"
        f" distributions: {_each([one.pld for one in by_poisson])}.",
        f"Shuffled batches: all of this takes each of the {batches} batches for a Poisson draw. The study shuffled:"
        " each example is in exactly one batch of a local epoch, which hides nothing that can be counted on. That is"
        f" {own.most_rounds} Gaussian releases without amplification (neighbours: one example's gradient zeroed out):"
        f" RDP {_each([one.rdp for one in by_shuffled])}, PLD {_each([one.pld for one in by_shuffled])}.",
    ]


def document() -> dict[str, Any]:
    """Return all of it as plain values, for JSON."""
    own = study()
    table = [
        {
            "noise_multiplier": row.noise_multiplier,
            "accuracy_published": row.accuracy,
            "epsilon_published": row.published,
            "epsilon_recomputed": row.recomputed,
            "poisson": {"rdp": row.poisson.rdp, "pld": row.poisson.pld},
            "shuffled": {"rdp": row.shuffled.rdp, "pld": row.shuffled.pld},
        }
        for row in rows()
    ]
    settings = {
        "delta": own.delta,
        "sampling_rate_given": own.sampling_rate_given,
        "sampling_rate": own.sampling_rate,
        "steps_a_round": own.steps_a_round,
        "rounds_by_client": list(own.rounds_by_client),
        "orders": list(own.orders),
        "max_grad_norm": own.max_grad_norm,
    }
    return {"settings": settings, "rows": table, "reasons": reasons()}


def _old_epsilon(noise_multiplier: float, rate: float, rounds: Sequence[int]) -> float:
    """The mean over clients of the smallest of rdp + ln(1/delta) / (order - 1) (Mironov 2017, proposition 3)."""
    own = study()
    one = renyi.divergences(noise_multiplier, rate, own.orders)
    rest = math.log(1 / own.delta) / (np.array(own.orders) - 1)
    return float(np.mean([np.min(count * own.steps_a_round * one + rest) for count in rounds]))


def _each(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.4g}" for value in values)


def _words(values: Sequence[int]) -> str:
    return " and ".join(map(str, values))
