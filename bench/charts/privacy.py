"""Accuracy by epsilon: what privacy costs in accuracy, a line a backend and engine, a panel for what else is set."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.charts.chart import Chart, style
from bench.layout import Table, figures
from bench.palette import colours
from bench.privacy_table import label, mean_and_spread, place

WIDTH = 8  # inches, the legend beside included
MARKERS = {"stock": "o", "fused": "s"}
Row = Mapping[str, Any]


def chart(comparison: Mapping[str, Any]) -> Chart | None:
    """Return the picture; None where no run was private with a finite epsilon."""
    rows = comparison.get("privacy", [])
    groups = list(dict.fromkeys(place(row) for row in rows if _is_drawn(row)))
    if not groups:
        return None
    colour = colours(dict.fromkeys(row["backend"] for row in rows))
    with style():
        figure = Figure(figsize=(WIDTH, 4.8 * len(groups)), layout="constrained")
        for axes, group in zip(figure.subplots(len(groups), squeeze=False)[:, 0], groups, strict=True):
            _panel(axes, [row for row in rows if place(row) == group], colour)
            axes.set_title(f"Accuracy by epsilon{f': {group}' if group else ''}")
    private = [row["privacy"] for row in rows if row["privacy"]]
    body = tuple(
        (
            row["backend"],
            label(row["privacy"], private),
            figures(row["privacy"]["noise_multiplier"]) if row["privacy"] else "0",
            figures(row["privacy"]["epsilon_pld"]) if _is_drawn(row) else "infinite",
            mean_and_spread(row["accuracy"]),
        )
        for row in rows
    )
    table = Table("Accuracy by epsilon", ("backend", "privacy", "noise", "epsilon, PLD", "accuracy, %"), body)
    epsilons = [row["privacy"]["epsilon_pld"] for row in rows if _is_drawn(row)]
    summary = (
        f"Final accuracy by epsilon, from {figures(min(epsilons))} to {figures(max(epsilons))}, a line a backend and"
        " engine, and without privacy as dotted lines."
    )
    return Chart("accuracy-epsilon", "Accuracy by epsilon", summary, figure, table)


def _is_drawn(row: Row) -> bool:
    return row["privacy"] is not None and math.isfinite(float(row["privacy"]["epsilon_pld"]))


def _panel(axes: Axes, rows: Sequence[Row], colour: Mapping[str, str]) -> None:
    lines: dict[tuple[str, str], list[Row]] = {}
    private = [row["privacy"] for row in rows if row["privacy"]]
    for row in rows:
        if _is_drawn(row):
            lines.setdefault((row["backend"], label(row["privacy"], private)), []).append(row)
    for (backend, name), own in lines.items():
        engine = own[0]["privacy"]["engine"]
        own = sorted(own, key=lambda row: row["privacy"]["epsilon_pld"])
        epsilons = [row["privacy"]["epsilon_pld"] for row in own]
        means = [100 * statistics.mean(row["accuracy"]) for row in own]
        spread = [
            [mean - 100 * min(row["accuracy"]) for mean, row in zip(means, own, strict=True)],
            [100 * max(row["accuracy"]) - mean for mean, row in zip(means, own, strict=True)],
        ]
        look: dict[str, Any] = {
            "linestyle": "-" if engine == "stock" else "--",
            "marker": MARKERS[engine],
            "color": colour[backend],
        }
        axes.errorbar(epsilons, means, spread, capsize=3, label=f"{backend}, {name}", **look)
    for row in rows:
        if row["privacy"] is None:
            mean = 100 * statistics.mean(row["accuracy"])
            axes.axhline(mean, color=colour[row["backend"]], linewidth=1, linestyle=":")
            name = f"{row['backend']} without privacy"
            axes.annotate(name, (0.01, mean), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")
    noises = {row["privacy"]["epsilon_pld"]: row["privacy"]["noise_multiplier"] for row in rows if _is_drawn(row)}
    for epsilon, noise in noises.items():
        axes.annotate(
            f"noise {figures(noise)}", (epsilon, 0.01), xycoords=("data", "axes fraction"), fontsize=8, ha="center"
        )
    deltas = " and ".join(f"{delta:g}" for delta in dict.fromkeys(own["delta"] for own in private))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: figures(value))
    axes.xaxis.set_minor_formatter(lambda value, _: figures(value) if f"{value:.0e}"[0] in "25" else "")
    axes.set_xlabel(f"epsilon (PLD, delta {deltas}), logarithmic: less is more private")
    axes.set_ylabel("accuracy on held-out samples, %; bars: range of repeats")
    axes.set_ylim(0, 100)
    axes.margins(x=0.15)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
