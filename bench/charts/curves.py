"""Accuracy and loss by round: a panel a cell, a line a backend, its repeats' range as a band."""

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.cells import finished
from bench.charts.chart import INK, WIDTH, Chart, panels, short, style
from bench.charts.spreading import spread
from bench.layout import ABSENT, Table, figures
from bench.palette import colours, dashes

PANEL_INCHES = 2.1
MOST_ROWS = 10  # rounds that the data table tells, a cell
Cell = Mapping[str, Any]
Curves = dict[str, dict[int, list[float]]]  # backend -> round -> a value a repeat


def accuracy(cells: Sequence[Cell]) -> Chart | None:
    """Return accuracy in percent by round; None where nothing was evaluated."""
    return _chart(cells, "accuracy", 100.0, "Accuracy by round", "accuracy on held-out samples, %")


def loss(cells: Sequence[Cell]) -> Chart | None:
    """Return the mean cross-entropy on held-out samples by round; None where nothing was evaluated."""
    return _chart(cells, "loss", 1.0, "Loss by round", "cross-entropy on held-out samples")


def _chart(cells: Sequence[Cell], key: str, scale: float, title: str, unit: str) -> Chart | None:
    drawn = [(cell, curves) for cell in cells if (curves := _curves(cell, key, scale))]
    if not drawn:
        return None
    backends = list(dict.fromkeys(name for _, curves in drawn for name in curves))
    colour = colours(backends)
    columns = 1 if len(drawn) == 1 else 2
    rows = -(-len(drawn) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, (3.4 if len(drawn) == 1 else PANEL_INCHES * rows) + 0.4), layout="constrained")
        for axes, (cell, curves) in zip(panels(figure, len(drawn), columns), drawn, strict=True):
            _panel(axes, cell, curves, colour, key)
        figure.supxlabel("round", fontsize=8.5)
        figure.supylabel(unit, fontsize=8.5)
    return Chart(key, title, _summary(drawn, key, unit), figure, _table(drawn, backends, title, unit))


def _curves(cell: Cell, key: str, scale: float) -> Curves:
    found: Curves = {}
    for backend, runs in finished(cell).items():
        for run in runs:
            for entry in run["evaluations"]:
                found.setdefault(backend, {}).setdefault(entry["round"], []).append(scale * entry[key])
    return found


def _panel(axes: Axes, cell: Cell, curves: Curves, colour: Mapping[str, str], key: str) -> None:
    ends = {}
    dash = dashes(colour)
    for backend, own in curves.items():
        rounds = sorted(own)
        means = [statistics.mean(own[number]) for number in rounds]
        if backend in _centralised(cell):
            axes.axhline(means[-1], color=colour[backend], linewidth=1.2, linestyle=":")
        marker = "o" if len(rounds) < 3 else None
        axes.plot(rounds, means, dash[backend], color=colour[backend], linewidth=1.6, marker=marker)
        lows, highs = ([of(own[number]) for number in rounds] for of in (min, max))
        if lows != highs:
            axes.fill_between(rounds, lows, highs, color=colour[backend], alpha=0.2, linewidth=0)
        ends[backend] = (rounds[-1], means[-1])
    if key == "accuracy":
        axes.set_ylim(0, 100)
    low, high = axes.get_ylim()
    places = spread([value for _, value in ends.values()], 0.09 * (high - low))
    for (backend, (last, value)), place in zip(ends.items(), places, strict=True):
        for text, offset, shade in (("●", 4, colour[backend]), (f"{short(backend)} {figures(value)}", 13, INK)):
            axes.annotate(
                text,
                (last, place),
                (offset, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=shade,
                annotation_clip=False,
            )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(axis="y", linewidth=0.4, alpha=0.3)
    if cell["name"]:
        axes.set_title("\n".join(textwrap.wrap(short(cell["name"], 132), 44)), fontsize=8)


def _centralised(cell: Cell) -> set[str]:
    """Those whose only round is no federated one: a line across tells what they reach."""
    return {run["backend"] for run in cell["runs"] if run.get("centralised")}


def _summary(drawn: Sequence[tuple[Cell, Curves]], key: str, unit: str) -> str:
    if len(drawn) > 1:
        return f"Small charts of {unit} by round, one for each of {len(drawn)} cells; the table has the figures."
    (_, curves) = drawn[0]
    parts = []
    for backend, own in curves.items():
        first, last = min(own), max(own)
        values = (figures(statistics.mean(own[number])) for number in (first, last))
        parts.append("{}: {} after round {}, {} after round {}".format(backend, *_interleaved(values, (first, last))))
    return f"{unit[0].upper()}{unit[1:]} by round. {'; '.join(parts)}."


def _interleaved(values: Any, rounds: Sequence[int]) -> list[Any]:
    return [one for pair in zip(values, rounds, strict=True) for one in pair]


def _table(drawn: Sequence[tuple[Cell, Curves]], backends: Sequence[str], title: str, unit: str) -> Table:
    rows = []
    for cell, curves in drawn:
        rounds = sorted({number for own in curves.values() for number in own})
        step = -(-len(rounds) // MOST_ROWS)
        for number in sorted({*rounds[step - 1 :: step], rounds[-1]}):
            texts = (_text(curves.get(backend, {}).get(number)) for backend in backends)
            rows.append(((cell["name"],) if len(drawn) > 1 else ()) + (str(number), *texts))
    head = ("cell", "round") if len(drawn) > 1 else ("round",)
    return Table(f"{title}: {unit}", (*head, *backends), tuple(rows))


def _text(values: Sequence[float] | None) -> str:
    if not values:
        return ABSENT
    mean, low, high = (figures(one) for one in (statistics.mean(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"
