"""How much a job computes, in FLOPs, from its spec alone: what estimates of time scale by.

Expected values, not the plan's own: they hold before there is any data, and estimates are no finer.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench import model, plan, plugins
from bench.errors import UserError
from bench.jobs import REFERENCE, Job
from bench.spec import Spec

BACKWARD_TOO = 3  # a training step costs about three forward passes: one forward, two for the gradients
CLASSES = 3  # where the data aren't known yet; the last layer hardly counts


@dataclass(frozen=True)
class Samples:
    """How many samples there are to train on and held out, and of how many classes."""

    train: int
    held_out: int
    classes: int = CLASSES


@dataclass(frozen=True)
class Piece:
    """What a job is to an estimate: which backend trains which spec on how many samples."""

    label: str
    spec: Spec
    samples: Samples
    is_probe: bool = False

    @classmethod
    def of(cls, job: Job) -> "Piece":
        """Return what a job amounts to."""
        data = job.cell.data
        samples = Samples(len(data.train), len(data.test), len(data.classes))
        return cls(job.contender.label, job.cell.cell.spec, samples, job.repeat == 0)

    @property
    def is_trained(self) -> bool:
        """Whether it trains at all; a framework's own decoding is only timed."""
        return self.spec.data.form != "image-native"

    @property
    def rounds(self) -> int:
        """How many rounds it trains, about: a probe passes over rounds without anybody."""
        if not self.is_trained:
            return 0
        if self.is_centralised:
            return 1
        rounds = self.spec.federation.rounds
        return min(plan.PROBE_ROUNDS, rounds) if self.is_probe else rounds

    @property
    def is_centralised(self) -> bool:
        """Whether it learns without federation; a file given by path isn't known by its label alone."""
        return _is_centralised(self.label)

    @property
    def slot(self) -> float:
        """FLOPs of a client's part in a round."""
        settings = self.spec.federation
        trained = self.samples.train / settings.clients * settings.local_epochs
        if self.is_probe:
            trained = min(trained, float(plan.PROBE_SAMPLES))
        return max(1.0, BACKWARD_TOO * self._forward * trained)

    @property
    def round(self) -> float:
        """FLOPs of a round."""
        settings = self.spec.federation
        return self.slot * max(1.0, settings.cohort_size * (1 - settings.drop_rate))

    @property
    def evaluations(self) -> float:
        """FLOPs of all evaluations."""
        if self.is_probe or not self.is_trained:
            return 0.0
        return math.ceil(self.rounds / self.spec.timing.evaluate_every) * self.samples.held_out * self._forward

    @property
    def _forward(self) -> float:
        return forward(*network(self.spec, self.samples.classes))


def network(spec: Spec, classes: int) -> tuple[list[dict[str, Any]], tuple[int, int, int]]:
    """Return the model's layers and the shape (channel, height, width) of its inputs."""
    shape = (spec.data.channels, spec.data.image_size, spec.data.image_size)
    return model.layers(spec.model, shape, classes), shape


def forward(layers: Iterable[Mapping[str, Any]], shape: tuple[int, ...]) -> float:
    """Return the FLOPs of a forward pass of one sample: two for each multiply-add of convolutions and dense layers."""
    total = 0
    for layer in layers:
        if layer["kind"] == "conv":
            side = layer["kernel"] - 1
            shape = (layer["out"], shape[1] - side, shape[2] - side)
            total += 2 * math.prod(shape) * layer["in"] * layer["kernel"] ** 2
        elif layer["kind"] == "pool":
            shape = (shape[0], shape[1] // layer["size"], shape[2] // layer["size"])
        elif layer["kind"] == "dense":
            total += 2 * layer["in"] * layer["out"]
    return float(total)


@cache
def _is_centralised(label: str) -> bool:
    try:
        return plugins.requested(label)[0].header.centralised
    except UserError:
        return False


def pieces(cells: Iterable[tuple[Spec, Samples]], labels: Iterable[str]) -> list[Piece]:
    """Return what a whole run amounts to: each task's probes, the reference's among them, and every repeat."""
    labels = list(labels)
    tasks: dict[str, list[tuple[Spec, Samples]]] = {}
    for spec, samples in cells:
        tasks.setdefault(spec.task, []).append((spec, samples))
    found = []
    for own in tasks.values():
        first = next((pair for pair in own if pair[0].data.form != "image-native"), None)
        probed = [label for label in labels if not _is_centralised(label)]
        if first and probed:
            found += [Piece(label, *first, is_probe=True) for label in dict.fromkeys([REFERENCE, *probed])]
        found += [
            Piece(label, spec, samples) for spec, samples in own for label in labels for _ in range(spec.timing.repeats)
        ]
    return found
