"""A shorter, faithful version of an experiment: fewer rounds on fewer samples, everything else as it is."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.spec import Cell, Spec

TIMED_ROUNDS = 4  # at least, after the warm-up
SAMPLES = 60  # at least
SAMPLES_A_CLIENT = 3  # at least, so that every holder of a class has a sample of it


def scaled(cells: "Sequence[Cell]", factor: float, kept: set[str]) -> "list[Cell]":
    """Return the cells with rounds, rounds between evaluations, and samples times `factor`, in (0, 1].

    None gets so few that nothing is measured, or that a client holds nothing; settings in `kept` stay. Cells that
    have the same number of samples keep doing so: they share their data.
    """
    if not 0 < factor <= 1:
        raise UserError(f"--scale {factor:g}: must be above 0 and at most 1, such as 0.1")
    most_clients: dict[int | None, int] = {}
    for cell in cells:
        samples = cell.spec.data.samples
        most_clients[samples] = max(most_clients.get(samples, 0), cell.spec.federation.clients)
    return [_scaled(cell, factor, most_clients[cell.spec.data.samples], kept) for cell in cells]


def _scaled(cell: "Cell", factor: float, clients: int, kept: set[str]) -> "Cell":
    spec = cell.spec
    rounds = _times(spec.federation.rounds, factor, spec.timing.warmup_rounds + TIMED_ROUNDS)
    wanted = {
        "federation.rounds": (spec.federation.rounds, rounds),
        "timing.evaluate_every": (spec.timing.evaluate_every, _times(spec.timing.evaluate_every, factor, 1)),
    }
    if spec.data.samples is not None:
        least = math.ceil(SAMPLES_A_CLIENT * clients / (1 - spec.data.holdout))
        wanted["data.samples"] = (spec.data.samples, _times(spec.data.samples, factor, max(SAMPLES, least)))
    changed = {key: pair for key, pair in wanted.items() if key not in kept and pair[0] != pair[1]}
    values = {key: new for key, (_, new) in changed.items()}
    settings = {key: values.get(key, value) for key, value in cell.settings.items()}
    return replace(cell, settings=settings, spec=_changed(spec, values), scaled=changed)


def _times(value: int, factor: float, least: int) -> int:
    return min(value, max(round(value * factor), least))


def _changed(spec: "Spec", values: dict[str, int]) -> "Spec":
    sections = {key.partition(".")[0] for key in values}
    own = {
        section: getattr(spec, section).model_copy(
            update={key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        )
        for section in sections
    }
    return spec.model_copy(update=own)
