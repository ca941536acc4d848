"""The study's accuracies by setting and round, and the cells of a run that have the same settings."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.cells import finished
from bench.study.published import published

Cell = Mapping[str, Any]
Curve = Mapping[int, float]  # round -> accuracy in percent

FRAMEWORKS = {"PyTorch": "torch", "TensorFlow": "tff"}  # as the study calls them -> the backend of today
FAULTS = ("softmax_in_model", "dropout_always_on")


@dataclass(frozen=True)
class Column:
    """One setting of the study, and its figures by framework."""

    name: str
    clients: int
    cohort: int
    partition: str
    classes_per_client: int | None
    batch_norm: bool
    figures: Mapping[str, Curve]


@dataclass(frozen=True)
class Published:
    """One table of the study; `inferred` are the rounds whose labels were lost."""

    name: str
    title: str
    rounds: tuple[int, ...]
    inferred: tuple[int, ...]
    columns: tuple[Column, ...]

    @property
    def frameworks(self) -> list[str]:
        """Those that have figures."""
        return [name for name in FRAMEWORKS if any(name in column.figures for column in self.columns)]

    def column(self, name: str) -> Column:
        """Return the setting of that name."""
        return next(column for column in self.columns if column.name == name)


def tables() -> dict[str, Published]:
    """Return the study's tables of accuracy, by name."""
    return {table["name"]: _table(table) for table in published("accuracy")}


def _table(told: Mapping[str, Any]) -> Published:
    columns = tuple(_column(column, told["rounds"]) for column in told["columns"])
    return Published(told["name"], told["title"], tuple(told["rounds"]), tuple(told.get("inferred", ())), columns)


def _column(told: Mapping[str, Any], rounds: Sequence[int]) -> Column:
    figures = {
        framework: {number: value for number, value in zip(rounds, told[framework], strict=True) if value >= 0}
        for framework in FRAMEWORKS
        if framework in told
    }
    return Column(
        told["name"],
        told["clients"],
        told["cohort"],
        told["partition"],
        told.get("classes_per_client"),
        told.get("batch_norm", False),
        figures,
    )


def cell_of(column: Column, comparison: Mapping[str, Any]) -> Cell | None:
    """Return the run's cell with this setting and the corrected model; of several the one most like the study."""
    found = [cell for cell in comparison["cells"] if _has(cell["spec"], column)]
    return min(
        found, key=lambda cell: (len(deviations(cell["spec"])), -cell["spec"]["federation"]["rounds"]), default=None
    )


def deviations(spec: Mapping[str, Any]) -> list[str]:
    """Say which settings of training aren't the study's."""
    return [
        f"{section}.{key} {spec[section][key]}"
        for section, own in published("settings").items()
        for key, value in own.items()
        if spec[section][key] != value
    ]


def is_setting(spec: Mapping[str, Any], column: Column) -> bool:
    """Tell whether a spec has a column's clients, and they hold what it says."""
    federation = spec["federation"]
    return (
        (federation["clients"], cohort_size(federation)) == (column.clients, column.cohort)
        and federation["partition"] == column.partition
        and column.classes_per_client in (None, federation["classes_per_client"])
    )


def _has(spec: Mapping[str, Any], column: Column) -> bool:
    model = spec["model"]
    return (
        is_setting(spec, column)
        and (model["name"], model["dropout"]) == ("deck-cnn", True)
        and model["batch_norm"] == column.batch_norm
        and not any(model[fault] for fault in FAULTS)
        and not model["group_norm"]
        and spec["privacy"] is None
        and not spec["timing"]["loading_passes"]
    )


def cohort_size(federation: Mapping[str, Any]) -> int:
    """How many clients are selected a round."""
    return federation["clients_per_round"] or max(1, round(federation["fraction"] * federation["clients"]))


def curves(cell: Cell) -> dict[str, Curve]:
    """Return each backend's accuracy by round in percent, the mean over its finished repeats."""
    found: dict[str, dict[int, list[float]]] = {}
    for backend, runs in finished(cell).items():
        own = found.setdefault(backend, {})
        for entry in (entry for run in runs for entry in run["evaluations"]):
            own.setdefault(entry["round"], []).append(100 * entry["accuracy"])
    return {
        backend: {number: statistics.mean(values) for number, values in sorted(own.items())}
        for backend, own in found.items()
        if own
    }


def round_here(number: int, cell: Cell) -> int | None:
    """Return the evaluated round that stands for the study's round `number`; None where the run isn't so long.

    A scaled run has its own rounds for the study's, in proportion.
    """
    before, now = cell.get("scaled", {}).get("federation.rounds", (1, 1))
    wanted = round(number * now / before)
    every, last = cell["spec"]["timing"]["evaluate_every"], cell["spec"]["federation"]["rounds"]
    evaluated = sorted({*range(every, last + 1, every), last})
    closest = min(evaluated, key=lambda own: abs(own - wanted))
    return closest if 0 < wanted <= last and abs(closest - wanted) <= wanted // 4 else None


def backends(comparison: Mapping[str, Any]) -> list[str]:
    """Return the backends that were asked for, in order."""
    runs: Iterator[Mapping[str, Any]] = (run for cell in comparison["cells"] for run in cell["runs"])
    return list(dict.fromkeys(run["backend"] for run in runs if not run.get("beside")))


def uncertainty(percent: float, samples: int) -> float:
    """Return the half width, in points, of the 95 % interval of a difference of two accuracies near `percent`.

    Each a share of `samples` held-out samples (normal approximation of the binomial; taken as independent, which is
    too wide where both are of the same samples).
    """
    share = min(max(percent / 100, 0.5 / samples), 1 - 0.5 / samples)
    return 196.0 * (2 * share * (1 - share) / samples) ** 0.5
