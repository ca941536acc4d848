"""What privacy costs: noise, epsilon, accuracy and time of a comparison's cells, as plain rows."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.crossval.pools import is_fold
from bench.ratios import compared

Cell = Mapping[str, Any]
Run = Mapping[str, Any]
LR = "training.lr"


def is_private(comparison: Mapping[str, Any]) -> bool:
    """Tell whether privacy is what the cells are about: there are several, not mere folds, and some have it."""
    cells = [cell for cell in comparison["cells"] if not is_fold(cell)]
    return len(cells) > 1 and any(run["privacy"] for cell in cells for run in cell["runs"])


def summary(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a cell and backend that finished, of the cells that privacy is about; those without it first.

    Folds have none: what they spent is told together, by `bench.crossval.spending`.
    `group` is what else the grid sets, but for the learning rate: clipped gradients want one of their own, and it costs
    no time. `accuracy` and `loss` are the final ones, a list with one a repeat; `price` is
    the ratio of a round's time to that of the same backend without privacy, where the grid has that cell: the same
    repeat and round of both, neighbours in time, with its bootstrap interval.
    """
    cells = comparison["cells"]
    private = [index for index, cell in enumerate(cells) if _is_private(cell) and not is_fold(cell)]
    plain = {index: without_privacy(cells[index], cells) for index in private}
    groups = {index: group(cells[own]) for own, index in plain.items() if index is not None}
    groups |= {index: group(cells[index]) for index in plain}
    rows = [
        row
        for index in sorted(groups)
        for row in _rows(index, cells[index], groups[index], _cell(cells, plain.get(index)))
    ]
    return sorted(rows, key=lambda row: row["privacy"] is not None)


def without_privacy(cell: Cell, cells: Sequence[Cell]) -> int | None:
    """Return the index of the cell that trains the same without privacy; its learning rate may be another."""
    for index, other in enumerate(cells):
        if not _is_private(other) and _apart_from_privacy(other) == _apart_from_privacy(cell):
            return index
    return None


def _apart_from_privacy(cell: Cell) -> dict[str, Any]:
    training = {key: value for key, value in cell["spec"]["training"].items() if f"training.{key}" != LR}
    return dict(cell["spec"]) | {"privacy": None, "training": training}


def _cell(cells: Sequence[Cell], index: int | None) -> Cell | None:
    return None if index is None else cells[index]


def _is_private(cell: Cell) -> bool:
    """By what it sets, too: a private run that failed has nothing to tell."""
    return any(key.startswith("privacy.") for key in cell["set"]) or any(run["privacy"] for run in cell["runs"])


def group(cell: Cell) -> dict[str, Any]:
    """What a cell's grid sets beside privacy and the learning rate."""
    apart = ("privacy.", LR)
    return {key: value for key, value in cell["set"].items() if not key.startswith(apart)}


def _rows(index: int, cell: Cell, own_group: Mapping[str, Any], plain: Cell | None) -> list[dict[str, Any]]:
    found = []
    for backend, runs in _finished(cell).items():
        baseline = _finished(plain).get(backend) if plain is not None else None
        last = [run["evaluations"][-1] for run in runs]
        found.append(
            {
                "backend": backend,
                "cell": index,
                "group": dict(own_group),
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
