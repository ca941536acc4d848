"""What privacy costs: noise, epsilon, accuracy and time of a comparison's cells, as plain rows."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.ratios import compared

Cell = Mapping[str, Any]
Run = Mapping[str, Any]
LR = "training.lr"


def is_private(comparison: Mapping[str, Any]) -> bool:
    """Tell whether privacy is what the cells are about: there are several, and some have it."""
    cells = comparison["cells"]
    return len(cells) > 1 and any(run["privacy"] for cell in cells for run in cell["runs"])


def summary(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a cell and backend that finished, of the cells that privacy is about; those without it first.

    `group` is what else the grid sets, but for the learning rate: clipped gradients want one of their own, and it costs
    no time. `accuracy` and `loss` are the final ones, a list with one a repeat; `price` is
    the ratio of a round's time to that of the same backend without privacy, where the grid has that cell: the same
    repeat and round of both, neighbours in time, with its bootstrap interval.
    """
    cells = comparison["cells"]
    private = [group(cell) for cell in cells if _is_private(cell)]
    own = [cell for cell in cells if group(cell) in private]
    rows = [row for cell in own for row in _rows(cell, _without_privacy(cell, cells))]
    return sorted(rows, key=lambda row: row["privacy"] is not None)


def _without_privacy(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    same = [other for other in cells if group(other) == group(cell)]
    return next((other for other in same if not _is_private(other)), None)


def _is_private(cell: Cell) -> bool:
    """By what it sets, too: a private run that failed has nothing to tell."""
    return any(key.startswith("privacy.") for key in cell["set"]) or any(run["privacy"] for run in cell["runs"])


def group(cell: Cell) -> dict[str, Any]:
    """What a cell's grid sets beside privacy and the learning rate."""
    apart = ("privacy.", LR)
    return {key: value for key, value in cell["set"].items() if not key.startswith(apart)}


def _rows(cell: Cell, plain: Cell | None) -> list[dict[str, Any]]:
    found = []
    for backend, runs in _finished(cell).items():
        baseline = _finished(plain).get(backend) if plain is not None and plain is not cell else None
        last = [run["evaluations"][-1] for run in runs]
        found.append(
            {
                "backend": backend,
                "group": group(cell),
                "task": cell["task"],
                "privacy": runs[0]["privacy"],
                "lr": cell["spec"]["training"]["lr"],
                "accuracy": [entry["accuracy"] for entry in last],
                "loss": [entry["loss"] for entry in last],
                "round_s": statistics.median(
                    entry["seconds"] for run in runs for entry in run["rounds"] if not entry["warmup"]
                ),
                "peak_rss_bytes": max(run["peak_rss_bytes"] for run in runs),
                "price": compared(runs, baseline, "round_s") if baseline else None,
            }
        )
    return found


def _finished(cell: Cell) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in cell["runs"]:
        if run["status"] == "done" and run["evaluations"]:
            found.setdefault(run["backend"], []).append(run)
    return found
