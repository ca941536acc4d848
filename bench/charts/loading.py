"""Loading: samples a second of loading alone, and what of an epoch is spent waiting; a bar an arm, in one order."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.charts.chart import Chart, style
from bench.layout import ABSENT, Table, count, figures
from bench.loading_table import in_order, way
from bench.palette import colours

WIDTH = 11  # inches: two panels side by side, with their labels
ROW_INCHES = 0.3
Row = Mapping[str, Any]


def chart(comparison: Mapping[str, Any]) -> Chart | None:
    """Return two panels a source; None where nothing of loading was timed."""
    if not comparison.get("loading", {}).get("arms"):
        return None
    rows = in_order(comparison["loading"]["arms"])
    sources = list(dict.fromkeys(row["task"] for row in comparison["loading"]["arms"]))
    groups = [_by_backend([row for row in rows if row["task"] == task]) for task in sources]
    colour = colours(dict.fromkeys(row["backend"] for row in rows))
    lengths = [len(group) for group in groups]
    with style():
        height = 1.0 + sum(ROW_INCHES * length + 0.9 for length in lengths)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(len(groups), 2, squeeze=False, height_ratios=[length + 1.5 for length in lengths])
        for (rate, epoch), group in zip(panels, groups, strict=True):
            _rates(rate, group, colour)
            _epochs(epoch, group, colour)
        figure.suptitle("gather: fedbench's reader; own+N: the framework's own loader with N workers", fontsize=9)
    body = tuple(
        (
            row["source"],
            row["backend"],
            way(row),
            count(row["samples_per_s"]),
            figures(row["epoch_s"]) if row["epoch_s"] else ABSENT,
            f"{max(0.0, row['waiting']['share']):.0%}" if row["waiting"] else ABSENT,
        )
        for group in groups
        for row in group
    )
    columns = ("images", "backend", "read from, by", "samples/s", "epoch, s", "waiting")
    fastest, slowest = (of(rows, key=lambda row: row["samples_per_s"]) for of in (max, min))
    summary = (
        f"Samples a second of loading alone, from {count(slowest['samples_per_s'])} ({slowest['backend']},"
        f" {way(slowest)}) to {count(fastest['samples_per_s'])} ({fastest['backend']}, {way(fastest)}), and seconds of"
        " an epoch of training with the part that is spent waiting."
    )
    return Chart("loading-chart", "Loading", summary, figure, Table("Loading", columns, body))


def _by_backend(rows: Sequence[Row]) -> list[Row]:
    return [
        row for backend in dict.fromkeys(row["backend"] for row in rows) for row in rows if row["backend"] == backend
    ]


def _rates(axes: Axes, rows: Sequence[Row], colour: Mapping[str, str]) -> None:
    places = range(len(rows))
    values = [row["samples_per_s"] or 0.0 for row in rows]
    axes.barh(places, values, color=[colour[row["backend"]] for row in rows])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: count(value))
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_xlim(min(value for value in values if value) / 3, max(values) * 12)
    for place, value in zip(places, values, strict=True):
        axes.text(value * 1.15, place, count(value), va="center", fontsize=8)
    _label(axes, rows, f"{rows[0]['source']}: loading alone", "samples a second (logarithmic)")


def _epochs(axes: Axes, rows: Sequence[Row], colour: Mapping[str, str]) -> None:
    """What an epoch from memory takes, and on top of it, paler, what this form adds."""
    longest = max(row["epoch_s"] or 0.0 for row in rows)
    for place, row in enumerate(rows):
        if row["epoch_s"] is None:
            axes.text(0, place, " never trained on", va="center", fontsize=8)
            continue
        waiting = max(0.0, row["waiting"]["share"]) if row["waiting"] else 0.0
        training = row["epoch_s"] * (1 - waiting)
        axes.barh(place, training, color=colour[row["backend"]])
        axes.barh(
            place, row["epoch_s"] - training, left=training, color=colour[row["backend"]], alpha=0.35, hatch="///"
        )
        note = f"{figures(row['epoch_s'])} s" + (f", {waiting:.0%} waiting" if waiting >= 0.005 else "")
        axes.text(row["epoch_s"] + longest * 0.01, place, note, va="center", fontsize=8)
    axes.set_xlim(0, longest * 1.45)
    _label(axes, rows, f"{rows[0]['source']}: an epoch of training", "seconds; hatched: added by reading")


def _label(axes: Axes, rows: Sequence[Row], title: str, unit: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(unit, fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{row['backend']}: {way(row)}" for row in rows], fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.02)
