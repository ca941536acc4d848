"""How unstable the early rounds are, as a number."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cells import finished
from bench.layout import ABSENT, Table

EARLY = 0.5  # share of a run's evaluations that are early
LEAST = 3  # evaluations, fewer tell nothing


def falls(accuracies: Sequence[float]) -> list[float]:
    """Return how far accuracy fell from each early evaluation to the next, 0 where it rose; nothing of too few."""
    early = accuracies[: max(LEAST, round(EARLY * len(accuracies)))]
    if len(early) < LEAST:
        return []
    return [max(0.0, before - after) for before, after in itertools.pairwise(early)]


def table(cells: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return the mean and the largest early fall by cell and backend, in percentage points."""
    backends: dict[str, None] = {}
    rows = []
    for cell in cells:
        own: dict[str, list[list[float]]] = {}
        for backend, runs in finished(cell).items():
            backends[backend] = None
            fallen = [falls([100 * entry["accuracy"] for entry in run["evaluations"]]) for run in runs]
            if any(fallen):
                own[backend] = [fell for fell in fallen if fell]
        if own:
            rows.append((cell["name"] or "this run", own))
    if not rows:
        return None
    body = tuple((name, *(_text(own.get(backend)) for backend in backends)) for name, own in rows)
    notes = (
        "The mean fall of accuracy from one evaluation to the next, a rise counting as none, over the first half of the"
        " evaluations, at least three, in percentage points; the largest fall in brackets. Means over repeats. 0 is a"
        " curve that never falls.",
    )
    return Table("Stability of the early rounds", ("cell", *backends), body, notes)


def _text(repeats: Sequence[Sequence[float]] | None) -> str:
    if not repeats:
        return ABSENT
    mean = statistics.mean(statistics.mean(own) for own in repeats)
    return f"{mean:.1f} ({statistics.mean(max(own) for own in repeats):.1f})"
