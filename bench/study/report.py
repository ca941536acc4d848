"""The study beside a run of one's own: tables, and what they say in words."""

import statistics
from collections.abc import Mapping
from typing import Any

from bench.cells import finished
from bench.layout import ABSENT, Table, duration, ratio
from bench.ratios import compared
from bench.study import accuracy, gap, trends
from bench.study.accuracy import FRAMEWORKS, Published
from bench.study.published import published


def is_beside(comparison: Mapping[str, Any]) -> bool:
    """Tell whether the experiment repeats the study (`study = true` in its file)."""
    return bool(comparison["experiment"].get("study"))


def tables(comparison: Mapping[str, Any]) -> list[Table]:
    """Return the study's tables beside the run's figures; none for an experiment that isn't the study's."""
    if not is_beside(comparison):
        return []
    taken_apart = gap.find(comparison)
    found = [_time(comparison), *(_beside(table, comparison) for table in accuracy.tables().values())]
    found += [trends.table(comparison), gap.table(taken_apart) if taken_apart else None]
    return [table for table in found if table is not None and table.rows]


def words(comparison: Mapping[str, Any]) -> list[str]:
    """Return what was scaled, what comes out of what the study saw, and whose its gap between frameworks is."""
    if not is_beside(comparison):
        return []
    taken_apart = gap.find(comparison)
    return [*_scaled(comparison), *trends.words(comparison), *(gap.words(taken_apart) if taken_apart else ())]


def _scaled(comparison: Mapping[str, Any]) -> list[str]:
    pairs: dict[str, list[str]] = {"federation.rounds": [], "data.samples": []}
    for cell in comparison["cells"]:
        for key, told in pairs.items():
            if key in cell.get("scaled", {}):
                before, now = cell["scaled"][key]
                told.append(f"{now:,} instead of {before:,}")
    parts = [f"{key.partition('.')[2]} {', '.join(dict.fromkeys(told))}" for key, told in pairs.items() if told]
    return [f"Scaled down: {'; '.join(parts)}."] if parts else []


def _time(comparison: Mapping[str, Any]) -> Table | None:
    """Training on one computer: the study doesn't tell its clients or rounds, so the ratio is what compares."""
    column = accuracy.tables()["frameworks"].column("3 clients")
    cell = accuracy.cell_of(column, comparison)
    told = published("time")
    if cell is None:
        return None
    first, second = (told[f"{name}_s"] for name in FRAMEWORKS)
    rows = [("the study", duration(first), duration(second), f"{second / first:.3f}x")]
    done = finished(cell)
    pytorch, tensorflow = FRAMEWORKS.values()
    if pytorch not in done or tensorflow not in done:
        return None
    seconds = {
        name: statistics.median(run["phases"]["train_s"] for run in done[name]) for name in (pytorch, tensorflow)
    }
    found = compared(done[tensorflow], done[pytorch], "round_s")
    rows.append(("here", duration(seconds[pytorch]), duration(seconds[tensorflow]), ratio(found) if found else ABSENT))
    rounds = cell["spec"]["federation"]["rounds"]
    notes = (
        f"Here: {rounds} rounds of two of three clients, {cell['train_samples']} samples, the warm-up and evaluations"
        " kept out. For how many clients and rounds the study's times are, it doesn't tell: what compares is the"
        " ratio.",
    )
    return Table("Training time on one computer", ("", *FRAMEWORKS, "TensorFlow / PyTorch"), tuple(rows), notes)


def _beside(table: Published, comparison: Mapping[str, Any]) -> Table:
    backends = accuracy.backends(comparison)
    rows: list[tuple[str, ...]] = []
    here_too: list[str] = []
    held_out = set()
    others: dict[str, None] = {}
    for column in table.columns:
        cell = accuracy.cell_of(column, comparison)
        if cell is None:
            continue
        held_out.add(cell["test_samples"])
        others |= dict.fromkeys(accuracy.deviations(cell["spec"]))
        curves = accuracy.curves(cell)
        for number in table.rounds:
            here = accuracy.round_here(number, cell)
            ours = [curves.get(backend, {}).get(here or 0) for backend in backends]
            if any(value is not None for value in ours):
                theirs = [column.figures.get(name, {}).get(number) for name in table.frameworks]
                told = f"{number} (i)" if number in table.inferred else str(number)
                rows.append((column.name, told, *map(_percent, [*theirs, *ours])))
                here_too.append(str(here))
    notes = [
        "The study: its own images, and in PyTorch its model's two faults (see the gap). Here: the corrected model, on"
        f" {' or '.join(map(str, sorted(held_out)))} held-out samples.",
    ]
    if others:
        notes.append(f"Not as in the study: {', '.join(others)}.")
    if any("(i)" in row[1] for row in rows):
        notes.append("(i): the round's label was lost in the study, and is inferred.")
    headings = ["who holds what", "round", *(f"study: {name}" for name in table.frameworks), *backends]
    if any(row[1].removesuffix(" (i)") != here for row, here in zip(rows, here_too, strict=True)):
        headings.insert(2, "here")
        rows = [(*row[:2], here, *row[2:]) for row, here in zip(rows, here_too, strict=True)]
        notes.append("here: the evaluated round that stands for the study's.")
    return Table(table.title, tuple(headings), tuple(rows), tuple(notes))


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"
