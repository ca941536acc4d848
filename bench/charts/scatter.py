"""The samples as PCA sees them: a point each, its colour the class, its mark the person (or whatever holds samples)."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.charts.chart import INK, WIDTH, Chart, panels, short, style
from bench.layout import ABSENT, Table, figures
from bench.palette import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW

CLASSES = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, "#888888")
GROUPS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">")
Scatter = Mapping[str, Any]


def chart(comparison: Mapping[str, Any]) -> Chart | None:
    """Return a panel a choice of axes; None without folds, or in a run that kept no points."""
    found: Sequence[Scatter] = comparison.get("scatter") or ()
    if not found:
        return None
    first = found[0]
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, 2.6 * rows + 1.0), layout="constrained")
        for axes, one in zip(panels(figure, len(found), columns), found, strict=True):
            _panel(axes, one)
        figure.legend(handles=_handles(first), loc="outside lower center", ncols=4, fontsize=7.5)
    body = tuple(row for one in found for row in _rows(one))
    shown = ("samples", "class", "whose", "number", "centre, 1st", "centre, 2nd")
    spoken = ", ".join(f"{one['axes'] or 'all'} {sum(one['explained']):.0%}" for one in found)
    summary = (
        "Each sample's place on the first two principal components of all samples, coloured by class"
        + (" and marked by whose it is" if first["groups"] else "")
        + f". The two hold so much of the variance: {spoken}. Fitted on all samples, for the eye alone."
    )
    return Chart("scatter", "Samples, as PCA sees them", summary, figure, Table("Samples by PCA", shown, body))


def _panel(axes: Axes, one: Scatter) -> None:
    for number in range(len(one["classes"])):
        for group in range(len(one["groups"] or [None])):
            own = [point for point in one["points"] if (point[2], point[3]) == (number, group)]
            axes.scatter(
                [point[0] for point in own],
                [point[1] for point in own],
                s=11,
                color=CLASSES[number % len(CLASSES)],
                marker=GROUPS[group % len(GROUPS)],
                alpha=0.7,
                linewidths=0,
            )
    axes.set_title(one["axes"] or "all", fontsize=8)
    axes.set_xlabel(f"1st component, {one['explained'][0]:.0%}", fontsize=7.5)
    axes.set_ylabel(f"2nd component, {one['explained'][1]:.0%}", fontsize=7.5)
    axes.tick_params(labelsize=6.5)


def _handles(one: Scatter) -> list[Line2D]:
    look: dict[str, Any] = {"linestyle": "", "markersize": 5}
    found = [
        Line2D([], [], marker="o", color=CLASSES[number % len(CLASSES)], label=short(name, 16), **look)
        for number, name in enumerate(one["classes"])
    ]
    groups = one["groups"] or ()
    shown = groups if len(groups) <= len(GROUPS) else ()
    return found + [
        Line2D([], [], marker=GROUPS[number], color=INK, fillstyle="none", label=short(name, 16), **look)
        for number, name in enumerate(shown)
    ]


def _rows(one: Scatter) -> list[tuple[str, ...]]:
    found = []
    for number, name in enumerate(one["classes"]):
        for group, whose in enumerate(one["groups"] or [ABSENT]):
            own = [point for point in one["points"] if (point[2], point[3]) == (number, group)]
            if own:
                centre = [figures(sum(point[axis] for point in own) / len(own)) for axis in (0, 1)]
                found.append((one["axes"] or "all", name, whose, str(len(own)), *centre))
    return found
