"""The cells of a comparison that are one cross-validation, and what each backend predicted over all its folds."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.cells import finished

Cell = Mapping[str, Any]
Run = Mapping[str, Any]
Predictions = dict[int, tuple[int, int]]  # sample -> its class, and what was predicted


@dataclass(frozen=True)
class Pool:
    """Cells that differ in their fold alone.

    split: how what is held out was chosen, in words; axes: which ones are looked at, where the data set has axes;
    words: what else tells this pool from the others; family: the same for pools that differ in their axes alone;
    names: of the classes; folds: how many there should be.
    """

    split: str
    axes: str | None
    words: str
    family: str
    names: tuple[str, ...]
    folds: int
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        """What tells this pool from the others of its split."""
        return ", ".join(part for part in (self.axes, self.words) if part) or "all"

    def backends(self) -> list[str]:
        """The backends that finished at least one fold."""
        return list(dict.fromkeys(name for cell in self.cells for name in _predicted(cell)))

    def runs(self, backend: str) -> list[Run]:
        """The first finished run of each fold: a sample counts once."""
        return [run for cell in self.cells if (run := _predicted(cell).get(backend))]

    def predictions(self, backend: str) -> Predictions:
        """What a backend predicted of each sample when its fold was held out."""
        found: Predictions = {}
        for cell in self.cells:
            run = _predicted(cell).get(backend)
            if run:
                own = cell["held_out"]
                pairs = zip(own["classes"], run["predicted"], strict=True)
                found.update(zip(own["samples"], pairs, strict=True))
        return found

    def groups(self) -> dict[int, int]:
        """Which group, such as a person, each sample is of, where groups are held out whole."""
        own = [cell["held_out"] for cell in self.cells if "groups" in cell.get("held_out", {})]
        return {one: group for held in own for one, group in zip(held["samples"], held["groups"], strict=True)}

    def by_fold(self, backend: str) -> list[float]:
        """The accuracy in each finished fold."""
        return [run["evaluations"][-1]["accuracy"] for run in self.runs(backend)]

    def train_s(self, backend: str) -> float:
        """Seconds of all rounds of a fold's training, the first among them: the folds' median."""
        return statistics.median(sum(entry["seconds"] for entry in run["rounds"]) for run in self.runs(backend))

    def median(self, backend: str, key: str) -> float | None:
        """The folds' median of what a run measured, such as sample_s."""
        values = [run[key] for run in self.runs(backend) if run.get(key) is not None]
        return statistics.median(values) if values else None


def is_fold(cell: Cell) -> bool:
    """Whether a cell is one fold of several."""
    return bool(cell["spec"].get("data", {}).get("folds"))


def pools(comparison: Mapping[str, Any]) -> list[Pool]:
    """Return the cross-validations, in the order of their first cells."""
    found: dict[str, list[Cell]] = {}
    for cell in comparison["cells"]:
        if is_fold(cell):
            found.setdefault(_without(cell, "fold"), []).append(cell)
    return [_pool(cells, comparison, list(found.values())) for cells in found.values()]


def splits(found: Sequence[Pool]) -> dict[str, list[Pool]]:
    """Return the pools by how what is held out was chosen: those are never mixed."""
    told: dict[str, list[Pool]] = {}
    for pool in found:
        told.setdefault(pool.split, []).append(pool)
    return told


def right(predictions: Predictions) -> int:
    """How many were predicted as they are."""
    return sum(truth == predicted for truth, predicted in predictions.values())


def _pool(cells: Sequence[Cell], comparison: Mapping[str, Any], everybody: Sequence[Sequence[Cell]]) -> Pool:
    first = cells[0]
    data = first["spec"]["data"]
    split = f"{data['groups']} held out" if data.get("groups") else "shuffled"
    several = {
        key
        for key, _ in first["set"].items()
        if key not in ("data.fold", "data.axes", "data.groups", "data.folds")
        and len({json.dumps(own[0]["set"].get(key)) for own in everybody if _split(own[0]) == _split(first)}) > 1
    }
    partition = (comparison.get("partitions") or {}).get(first["digests"].get("partition"), {})
    held = {own for cell in cells for own in cell.get("held_out", {}).get("classes", ())}
    names = partition.get("classes") or [str(number) for number in range(max(held, default=-1) + 1)]
    return Pool(
        split,
        data.get("axes"),
        ", ".join(f"{key.split('.')[-1]} {first['set'][key]}" for key in first["set"] if key in several),
        _without(first, "fold", "axes"),
        tuple(names),
        data["folds"],
        tuple(cells),
    )


def _split(cell: Cell) -> str | None:
    own: str | None = cell["spec"]["data"].get("groups")
    return own


def _without(cell: Cell, *keys: str) -> str:
    data = {key: value for key, value in cell["spec"]["data"].items() if key not in keys}
    return json.dumps({**cell["spec"], "data": data}, sort_keys=True)


def _predicted(cell: Cell) -> dict[str, Run]:
    """By backend, the first run that told what it predicted; runs of earlier versions told no such thing."""
    found = {name: next((run for run in runs if run.get("predicted")), None) for name, runs in finished(cell).items()}
    return {name: run for name, run in found.items() if run is not None and "held_out" in cell}
