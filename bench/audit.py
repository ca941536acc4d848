"""Holds the epsilon that is reported against what can be found out: a lower bound, from canaries in one training.

Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run" (arXiv:2305.08846). A coin each decides
which canaries are trained on; who sees the weights guesses the coins of those it is surest of. Under (epsilon,
delta)-privacy so many guesses are rarely right: more of them, and epsilon is larger than that.

A canary lights inputs that no other lights. In `mlp` the gradient of these inputs' weights comes from it alone, so what
moved them is the noise and, where it was in, its own clipped gradient. How many are in shows too, as what every sum is
divided by; guesses go by rank, which that doesn't change.
"""

import csv
import math
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench import plugins, privacy, record, runner, spec
from bench.errors import UserError
from bench.jobs import Prepared

CONFIDENCE = 0.95  # of one backend's bound
LEAST_CANARIES, MOST_CANARIES = 20, 2000
# Shares of the canaries that are guessed, the surest. All are tried, and Bonferroni's correction pays for it.
GUESSED = (0.25, 0.5, 0.8)

_CLASSES = ("even", "odd")
_LIT = 48  # inputs a canary: the weights of its own then have 0.93 of its gradient's norm
_MOST_SIDE = 112  # pixels; each example's gradient has 32 numbers a pixel
_LR = 0.01  # small: the gradient's direction is still the one that the initial weights tell

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Weights = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Settings:
    """What is audited: `rounds` of training on `canaries`, `repeats` times over, in the words of `bench.spec`.

    `batch_size` None takes all that are in into every batch, without amplification: the strongest audit. Gradients
    have norms of about 2, so that a small `max_grad_norm` shows missing clipping too.
    """

    noise_multiplier: float
    max_grad_norm: float = 0.1
    canaries: int = 200
    rounds: int = 3
    sampling: str = "poisson"
    engine: str = "stock"
    delta: float = 1e-5
    batch_size: int | None = None
    repeats: int = 1


@dataclass(frozen=True)
class Guesses:
    """How many guesses were made, and how many of them were right."""

    made: int
    right: int


@dataclass(frozen=True)
class Bound:
    """Epsilon is at least this, and the guesses that tell so."""

    epsilon: float
    guesses: Guesses


@dataclass(frozen=True)
class Finding:
    """What a backend reports and what could be shown; `problem` says why there is nothing, if so."""

    backend: str
    reported: float | None = None
    bound: Bound | None = None
    problem: str | None = None

    @property
    def is_violated(self) -> bool:
        """Whether it leaks more than it reports."""
        return self.bound is not None and self.reported is not None and self.bound.epsilon > self.reported


def run(settings: Settings, backends: Sequence[str], out: Path | None, display: runner.Display) -> list[Finding]:
    """Train on canaries with every backend and judge what it reports. The run folder stays where `out` is given.

    Several repeats are judged as one mechanism, which is as private as each of them: every coin is in one only.
    Raises UserError for settings that the spec refuses and unknown backends.
    """
    if not LEAST_CANARIES <= settings.canaries <= MOST_CANARIES:
        raise UserError(f"canaries = {settings.canaries}: must be from {LEAST_CANARIES} to {MOST_CANARIES}")
    for backend in backends:
        plugins.requested(backend)
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as temporary:
        sets = [Canaries.drawn(settings.canaries) for _ in range(settings.repeats)]
        cells = [_cell(settings, own, number, Path(temporary)) for number, own in enumerate(sets, start=1)]
        experiment = spec.Experiment("audit", "Is more leaked than is reported?", tuple(cells))
        prepared = runner.prepare(experiment, display)
        try:
            folder, comparison = runner.run(experiment, backends, out or Path(temporary), display, fresh=True)
            trained = [_Trained(*one, folder) for one in zip(sets, prepared, comparison["cells"], strict=True)]
            labels = [own["backend"] for own in comparison["cells"][0]["runs"]]
            return [_finding(label, trained, settings.delta) for label in labels]
        finally:
            for one in prepared:
                shutil.rmtree(one.data.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class Canaries:
    """Images that light `lit` inputs each, of their own; `included` bool (m,) says which are trained on.

    Greyscale, so that input number p is pixel p, row by row; classes alternate.
    """

    included: Bools
    lit: int
    side: int

    @classmethod
    def drawn(cls, count: int) -> "Canaries":
        """Toss a fair coin for each, of the operating system's randomness.

        Again where all fall on one side, which can be neither trained nor tested: 1 in 2^(count - 1), which is far
        below what the bound's confidence leaves open.
        """
        lit = max(1, min(_LIT, _MOST_SIDE**2 // count))
        side = max(8, math.ceil(math.sqrt(lit * count)))
        while True:
            included = np.array([secrets.randbits(1) for _ in range(count)], bool)
            if 0 < included.sum() < count:
                return cls(included, lit, side)

    def __len__(self) -> int:
        return len(self.included)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Return each one's class."""
        return np.arange(len(self)) % len(_CLASSES)

    def images(self) -> npt.NDArray[np.uint8]:
        """Return them as uint8 (m, side, side)."""
        inputs = np.zeros((len(self), self.side**2), np.uint8)
        for number, own in enumerate(inputs):
            own[number * self.lit : (number + 1) * self.lit] = 255
        return inputs.reshape(-1, self.side, self.side)

    def write(self, folder: Path) -> Path:
        """Write image files, train.csv with those included and test.csv with the others; return the folder."""
        folder.mkdir()
        lists: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
        for number, (image, is_in) in enumerate(zip(self.images(), self.included, strict=True)):
            name = f"{number:04}.png"
            (folder / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
            lists[bool(is_in)].append((name, _CLASSES[self.labels[number]]))
        for is_in, lines in lists.items():
            with (folder / ("train.csv" if is_in else "test.csv")).open("w", newline="") as file:
                csv.writer(file).writerows(lines)
        return folder

    def scores(self, before: Weights, after: Weights) -> Floats:
        """Return how far training moved each one's own weights where its gradient would, float64 (m,).

        `before` and `after` are canonical weights of `mlp`. The direction is that of the initial weights; a higher
        score speaks for having been in. Nothing else is used, least of all the coins or the plan's batches.
        """
        weights = {name: array.astype(np.float64) for name, array in before.items()}
        moved = self._own(after["dense1.weight"].astype(np.float64) - weights["dense1.weight"])
        hidden = self._own(weights["dense1.weight"]) + weights["dense1.bias"]
        logits = np.maximum(hidden, 0) @ weights["dense2.weight"].T + weights["dense2.bias"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        residual = odds / odds.sum(axis=1, keepdims=True) - np.eye(len(_CLASSES))[self.labels]
        gradient = (residual @ weights["dense2.weight"]) * (hidden > 0)
        length = np.linalg.norm(gradient, axis=1)
        return np.asarray(-(moved * gradient).sum(axis=1) / np.where(length, length, 1))

    def guesses(self, scores: Floats, share: float) -> Guesses:
        """Guess that those of the highest scores were in and those of the lowest out, a share of all, half each."""
        each = max(1, round(share * len(self) / 2))
        order = np.argsort(scores)
        return Guesses(2 * each, int((~self.included[order[:each]]).sum() + self.included[order[-each:]].sum()))

    def _own(self, weights: Floats) -> Floats:
        """Sum dense1's weights (units, inputs) over each one's own inputs, (m, units)."""
        own = weights[:, : len(self) * self.lit]
        return own.reshape(len(own), len(self), self.lit).sum(axis=2).T


def bound(candidates: Sequence[Guesses], canaries: int, delta: float) -> Bound:
    """Return the largest lower bound on epsilon that the candidates, all of one audit, give with `CONFIDENCE`.

    Several candidates share the risk of being wrong (Bonferroni).
    """
    level = (1 - CONFIDENCE) / len(candidates)
    found = [Bound(lower_bound(canaries, one, delta, level), one) for one in candidates]
    return max(found, key=lambda one: one.epsilon)


def ceiling(canaries: int, repeats: int, delta: float) -> float:
    """Return the most that an audit can show: the bound where every guess is right."""
    made = [2 * max(1, round(share * canaries / 2)) * repeats for share in GUESSED]
    return bound([Guesses(count, count) for count in made], canaries * repeats, delta).epsilon


def lower_bound(canaries: int, guesses: Guesses, delta: float, level: float) -> float:
    """Return the largest epsilon at which so many right guesses have a `p_value` below `level`; 0 if there is none.

    By bisection, from below (arXiv:2305.08846, appendix D, get_eps_audit).
    """

    def is_refuted(epsilon: float) -> bool:
        return p_value(canaries, guesses, epsilon, delta) < level

    low, high = 0.0, 1.0
    if not is_refuted(low):
        return low
    while is_refuted(high):
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if is_refuted(middle) else (low, middle)
    return low


def p_value(canaries: int, guesses: Guesses, epsilon: float, delta: float) -> float:
    """Return at most how likely as many right guesses are, of so many canaries, under (epsilon, delta)-privacy.

    arXiv:2305.08846, theorem 5.2, as computed in its appendix D: P[W >= v] + 2 m delta max_i P[v > W >= v - i] / i,
    where W, binomial, counts right guesses of randomised response, each right with probability 1 / (1 + e^-epsilon).
    """
    chances = _binomial(guesses.made, epsilon)
    just_below = np.cumsum(chances[: guesses.right][::-1]) / np.arange(1, guesses.right + 1)
    exceeding = float(chances[guesses.right :].sum())
    return min(1.0, exceeding + 2 * canaries * delta * float(just_below.max(initial=0.0)))


def _binomial(count: int, epsilon: float) -> Floats:
    """The chances of 0..count, each draw counting with probability 1 / (1 + e^-epsilon)."""
    factorials = np.cumsum(np.log(np.maximum(np.arange(count + 1), 1)))
    right = np.arange(count + 1)
    odds = -epsilon * (count - right) - count * math.log1p(math.exp(-epsilon))
    return np.asarray(np.exp(factorials[-1] - factorials - factorials[::-1] + odds))


def _cell(settings: Settings, canaries: Canaries, number: int, folder: Path) -> spec.Cell:
    table = {
        "data": {
            "dataset": "xray",
            "source": str(canaries.write(folder / f"canaries-{number}")),
            "image_size": canaries.side,
            "channels": 1,
        },
        "model": {"name": "mlp", "dropout": False},
        "federation": {"clients": 1, "fraction": 1.0, "rounds": settings.rounds},
        "training": {"batch_size": settings.batch_size or settings.canaries, "lr": _LR},
        "privacy": {
            "noise_multiplier": settings.noise_multiplier,
            "max_grad_norm": settings.max_grad_norm,
            "sampling": settings.sampling,
            "engine": settings.engine,
            "delta": settings.delta,
        },
        "timing": {"warmup_rounds": 0, "evaluate_every": settings.rounds},
        "seed": secrets.randbelow(2**63),  # Poisson draws that anybody knows would amplify nothing
    }
    own = {"training": number} if settings.repeats > 1 else {}
    return spec.Cell(own, spec.build(table).cells[0].spec)


@dataclass(frozen=True, eq=False)
class _Trained:
    """Canaries that every backend was trained on once."""

    canaries: Canaries
    prepared: Prepared
    cell: Mapping[str, Any]
    folder: Path

    def run_of(self, backend: str) -> Mapping[str, Any]:
        return next(own for own in self.cell["runs"] if own["backend"] == backend)

    def scores(self, backend: str) -> Floats:
        final = record.final_weights(self.folder / f"task-{self.cell['task']}", self.run_of(backend))
        return self.canaries.scores(self.prepared.plan.weights, final)


def _finding(backend: str, trained: Sequence[_Trained], delta: float) -> Finding:
    runs = [one.run_of(backend) for one in trained]
    for own in runs:
        if own["status"] != "done":
            return Finding(backend, problem=f"{own['status']}: {own['reason']}")
        if own["privacy"] is None or own["weights_sha256"] is None:
            return Finding(backend, problem="it reports no privacy or has no weights")
    scored = [(one.canaries, one.scores(backend)) for one in trained]
    candidates = [_together([own.guesses(scores, share) for own, scores in scored]) for share in GUESSED]
    canaries = sum(len(own) for own, _ in scored)
    reported = max(float(own["privacy"]["epsilon_pld"]) for own in runs)
    return Finding(backend, reported, bound(candidates, canaries, delta))


def _together(several: Sequence[Guesses]) -> Guesses:
    return Guesses(sum(one.made for one in several), sum(one.right for one in several))


def document(settings: Settings, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the audit as plain JSON."""
    return {
        "settings": {name: getattr(settings, name) for name in Settings.__dataclass_fields__},
        "confidence": CONFIDENCE,
        "most_that_can_be_shown": ceiling(settings.canaries, settings.repeats, settings.delta),
        "backends": [
            {
                "backend": one.backend,
                "epsilon_reported": privacy.plain(one.reported),
                "epsilon_at_least": one.bound and one.bound.epsilon,
                "guesses": one.bound and one.bound.guesses.made,
                "right": one.bound and one.bound.guesses.right,
                "verdict": verdict(one),
            }
            for one in findings
        ],
    }


def verdict(finding: Finding) -> str:
    """Return in words whether a backend leaks more than it reports."""
    if finding.problem is not None:
        return f"not audited: {finding.problem}"
    return "VIOLATED: the backend leaks more than it reports" if finding.is_violated else "consistent"
