"""Holds the epsilon that is reported against what can be found out: a lower bound, from canaries in one training.

A coin decides for each canary whether it is trained on; who sees the weights guesses the coins that it is surest of.
Under (epsilon, delta)-privacy so many guesses are rarely right: more of them, and epsilon is larger than that. How many
are in shows too, as what every sum is divided by; guesses go by rank, which that doesn't change.
"""

import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import plugins, privacy, record, runner, spec
from bench.canaries import Canaries, Floats
from bench.errors import UserError
from bench.guesses import CONFIDENCE, GUESSED, Bound, Guesses, bound, ceiling
from bench.jobs import Prepared

LEAST_CANARIES, MOST_CANARIES = 20, 2000

_LR = 0.01  # small: the gradient's direction is still the one that the initial weights tell


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
            folder, comparison = runner.run(
                experiment, backends, out or Path(temporary), display, fresh=True, cells=prepared, companions=False
            )
            trained = [_Trained(*one, folder) for one in zip(sets, prepared, comparison["cells"], strict=True)]
            labels = [own["backend"] for own in comparison["cells"][0]["runs"]]
            return [_finding(label, trained, settings.delta) for label in labels]
        finally:
            for one in prepared:
                shutil.rmtree(one.data.folder, ignore_errors=True)


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
