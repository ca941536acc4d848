"""What a plan's noise spends: whose data were released how often, and the epsilon that follows.

Accounting stands here, outside the backends, from the plan alone, so that it is the same for all of them; what a
backend's framework says of itself is put beside it and has to agree.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench import accountant
from bench.accountant import Releases
from bench.plan import Plan, sampling_rate
from bench.spec import Privacy, Spec

# How far a framework's figure may be from ours: PRV's own error bound is 0.01.
RELATIVE, ABSOLUTE = 0.01, 0.02

_SECRET = (
    "by a draw that nobody else knows (here it follows from the spec's seed: the figure is that of a training whose"
    " draws are secret)"
)
ASSUMPTIONS = {
    ("example", "poisson"): f"each example joins each batch of its client by itself (Poisson), {_SECRET}; neighbours:"
    " one example's gradients left out, how many examples a client holds being known; the maximum over clients, whose"
    " data are disjoint",
    ("example", "shuffled"): "an example is in one batch a local epoch, and the order is known: no amplification;"
    " neighbours: one example's gradient zeroed out; the maximum over clients, whose data are disjoint",
    ("client", "poisson"): f"each client joins each round by itself (Poisson), {_SECRET}; neighbours: one client's"
    " updates left out, how many clients there are being known; the server is trusted with the updates",
    ("client", "shuffled"): "cohorts of a fixed size, known to all: no amplification; neighbours: one client's update"
    " zeroed out; the server is trusted with the updates",
}


def releases(spec: Spec, plan: Plan, sampling: str | None = None) -> list[Releases]:
    """Return what is released of each unit's data in all rounds; of every client, or of anyone in Poisson cohorts.

    `sampling` asks for what another way of drawing the same number of batches would release.
    """
    privacy = _privacy(spec)
    sampling = sampling or privacy.sampling
    federation = spec.federation
    if privacy.unit == "client" and sampling == "poisson":
        return [Releases(federation.cohort_size / federation.clients, federation.rounds)]
    taken_part = np.bincount(plan.arrays["cohort_clients"], minlength=federation.clients)
    if privacy.unit == "client":
        return [Releases(1.0, int(rounds)) for rounds in taken_part]
    if sampling == "shuffled":
        return [Releases(1.0, int(rounds) * federation.local_epochs) for rounds in taken_part]
    size = spec.training.batch_size
    return [
        Releases(sampling_rate(size, int(held)), int(rounds) * federation.local_epochs * math.ceil(held / size))
        for held, rounds in zip(np.diff(plan.arrays["part_offsets"]), taken_part, strict=True)
    ]


def noise_multiplier(spec: Spec, plan: Plan) -> float:
    """Return the noise multiplier: as given, or the smallest that keeps to target_epsilon.

    Raises UserError where no noise can.
    """
    privacy = _privacy(spec)
    if privacy.noise_multiplier is not None:
        return privacy.noise_multiplier
    assert privacy.target_epsilon is not None
    return accountant.noise_for(privacy.target_epsilon, releases(spec, plan), privacy.delta)


def noise_deviation(spec: Spec, plan: Plan, noise: float) -> float:
    """Return the standard deviation that all the noise has in each final weight.

    Noise is added up over steps, momentum carrying it on, over clients by their weights, and over rounds. What it
    changes in later gradients isn't in it; clipping keeps that small. Without weight decay.
    """
    privacy, training = _privacy(spec), spec.training
    one_sum = noise * privacy.max_grad_norm
    if privacy.unit == "client":
        return one_sum / spec.federation.cohort_size * math.sqrt(spec.federation.rounds)
    variance = 0.0
    arrays = plan.arrays
    holds = np.diff(arrays["part_offsets"])
    for start, stop in itertools.pairwise(arrays["cohort_offsets"]):
        weights = arrays["slot_examples"][start:stop]
        for slot, weight in zip(range(start, stop), weights, strict=True):
            first, last = arrays["slot_batches"][slot : slot + 2]
            held = int(holds[arrays["cohort_clients"][slot]])
            drawn = np.diff(arrays["batch_offsets"][first : last + 1])
            divisors = min(training.batch_size, held) if privacy.sampling == "poisson" else drawn
            steps_left = np.arange(last - first, 0, -1)
            carried = (1 - training.momentum**steps_left) / (1 - training.momentum)
            own = ((training.lr * one_sum * carried / divisors) ** 2).sum()
            variance += own * (weight / weights.sum()) ** 2
    return math.sqrt(variance)


def entry(spec: Spec, plan: Plan, noise: float, own: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """Return what one run spent, for the comparison; `own` are the framework's own figures (`bench.backend.Figure`).

    Noise from a seed that the spec tells protects nobody: epsilon is infinite then.
    """
    privacy = _privacy(spec)
    spent = accountant.largest(noise, releases(spec, plan), privacy.delta)
    if privacy.noise_seed is not None:
        spent = accountant.Spent(math.inf, math.inf)
    figures = [dict(figure) for figure in own or ()]
    return {
        "unit": privacy.unit,
        "engine": privacy.engine,
        "sampling": privacy.sampling,
        "noise_multiplier": noise,
        "target_epsilon": privacy.target_epsilon,
        "max_grad_norm": privacy.max_grad_norm,
        "delta": privacy.delta,
        "noise_seed": privacy.noise_seed,
        "epsilon_rdp": plain(spent.rdp),
        "epsilon_pld": plain(spent.pld),
        "own": [
            {"name": figure["name"], "sampling": figure["sampling"], "epsilon": plain(figure["epsilon"])}
            for figure in figures
        ],
        "disagreements": [text for figure in figures if (text := _disagreement(spec, plan, noise, figure))],
        "assumption": ASSUMPTIONS[privacy.unit, privacy.sampling],
        "warnings": _warnings(spec, plan),
    }


def _warnings(spec: Spec, plan: Plan) -> list[str]:
    privacy = _privacy(spec)
    found = []
    if privacy.noise_seed is not None:
        found.append(f"NOT PRIVATE: noise_seed {privacy.noise_seed} is for tests; whoever knows it takes the noise off")
    by_client = privacy.unit == "client"
    units = spec.federation.clients if by_client else int(np.diff(plan.arrays["part_offsets"]).max())
    return [*found, *delta_warnings(privacy.delta, units, privacy.unit)]


def delta_warnings(delta: float, units: int, unit: str) -> list[str]:
    """Say so where `delta` allows what nobody would call private, of so many examples or clients."""
    return [f"delta {delta:g} is not below 1 / {units}: giving away one {unit} would pass too"] * (delta >= 1 / units)


def plain(epsilon: float | None) -> float | str | None:
    """Return epsilon as JSON can tell it: infinity by its name. `float` reads it back."""
    return "inf" if epsilon == math.inf else epsilon


def _disagreement(spec: Spec, plan: Plan, noise: float, figure: Mapping[str, Any]) -> str | None:
    """Say where the framework's figure is not what ours is under the assumption that it makes."""
    if figure["epsilon"] is None:
        return None
    everyone, delta = releases(spec, plan, figure["sampling"]), _privacy(spec).delta
    if figure["accountant"] == "pld":
        ours = accountant.largest(noise, everyone, delta).pld
    else:
        ours = accountant.largest_at(noise, everyone, delta, figure["orders"])
    if agree(ours, figure["epsilon"]):
        return None
    return f"{figure['name']} says epsilon {figure['epsilon']:.4g}, and fedbench's accountant {ours:.4g} for the same"


def agree(ours: float, own: float) -> bool:
    """Tell whether two figures that should be the same are."""
    if math.isinf(ours) or math.isinf(own):
        return ours == own
    return abs(ours - own) <= RELATIVE * ours + ABSOLUTE


def _privacy(spec: Spec) -> Privacy:
    assert spec.privacy is not None
    return spec.privacy
