"""Series as a picture: a panel a metric of an experiment on a machine, a line a backend, steps marked and labelled."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.charts.chart import INK, WIDTH, panels, short, style
from bench.charts.spreading import spread
from bench.errors import UserError
from bench.history import tables
from bench.history.series import Point, Series
from bench.history.steps import Step
from bench.palette import colours, dashes

PANEL_INCHES = 2.7
MOST_PANELS = 24
MOST_TICKS = 10
LABEL_SHARE = 0.07  # of a panel's height, for a line of labels
_UNITS = {"bytes": (2.0**20, "MiB"), "share": (0.01, "%")}  # what values are divided by, and then called
Steps = Mapping[str, Sequence[Step]]  # by the series' names
Key = tuple[str, str, str, str]
Name = tuple[str, bool]  # a commit's hash, and whether there were changes
Places = Mapping[Name, int]  # from the left


def draw(found: Sequence[Series], steps: Steps) -> Figure:
    """Return the picture; `steps` are those of each series without commits with changes.

    Raises UserError where there are too many series for one.
    """
    groups = _groups(found)
    if len(groups) > MOST_PANELS:
        told = f"{len(groups)} panels are too many for one picture, which has {MOST_PANELS}"
        raise UserError(f"{told}: choose by --experiment, --backend, --metric or --machine")
    colour = colours(dict.fromkeys(one.first.backend for one in found))
    columns = 1 if len(groups) == 1 else 2
    rows = -(-len(groups) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, PANEL_INCHES * rows + 0.6), layout="constrained")
        for axes, (key, own) in zip(panels(figure, len(groups), columns), groups.items(), strict=True):
            _panel(axes, own, steps, colour)
            axes.set_title(_title(key, len(groups), columns), fontsize=8)
        figure.supxlabel("commit", fontsize=8.5)
    return figure


def _groups(found: Sequence[Series]) -> dict[Key, list[Series]]:
    groups: dict[Key, list[Series]] = {}
    for one in found:
        first = one.first
        groups.setdefault((first.experiment, first.metric, first.machine, first.source), []).append(one)
    return groups


def _title(key: Key, count: int, columns: int) -> str:
    experiment, metric, machine, source = key
    told = f"{short(experiment, 60)}: {short(metric)}, machine {machine[:6]}, {source}"
    return "\n".join(textwrap.wrap(told, 44 if columns > 1 else 88))


def _panel(axes: Axes, own: Sequence[Series], steps: Steps, colour: Mapping[str, str]) -> None:
    names = list(dict.fromkeys(_name(point) for point in sorted(_points(own), key=lambda point: point.when)))
    places = {name: place for place, name in enumerate(names)}
    dash = dashes({one.name: colour[one.first.backend] for one in own})
    scale, unit = _unit(own)
    for one in own:
        _line(axes, one, places, scale, colour[one.first.backend], dash[one.name])
        _steps(axes, one, steps.get(one.name, ()), places, colour[one.first.backend])
    ticks = range(0, len(names), -(-len(names) // MOST_TICKS))
    axes.set_xticks(list(ticks), [names[place][0][:7] for place in ticks], rotation=45, ha="right", fontsize=6.5)
    axes.set_ylabel(unit)
    axes.grid(axis="y", linewidth=0.4, alpha=0.3)
    _look_at(axes, [point.value / scale for point in _points(own)])
    _labels(axes, own, places, scale)


def _look_at(axes: Axes, medians: Sequence[float]) -> None:
    """Leave room above and below the medians; a band that is wilder is cut off."""
    low, high = min(medians), max(medians)
    room = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - room if low < 0 else max(0.0, low - room), high + 1.4 * room)


def _points(own: Sequence[Series]) -> list[Point]:
    return [point for one in own for point in one.points]


def _name(point: Point) -> Name:
    return point.commit, point.dirty


def _unit(own: Sequence[Series]) -> tuple[float, str]:
    unit = own[0].first.unit
    largest = max(point.value for point in _points(own))
    seconds = next(((size, name) for size, name in ((1.0, "s"), (1e-3, "ms")) if largest >= size), (1e-6, "us"))
    return seconds if unit == "s" else _UNITS.get(unit, (1.0, unit))


def _line(axes: Axes, one: Series, places: Places, scale: float, colour: str, dash: str) -> None:
    """Medians in a line, half of the values in a band; a commit with changes is a hollow mark beside the line."""
    clean = [point for point in one.points if not point.dirty]
    x = [places[_name(point)] for point in clean]
    medians = [point.value / scale for point in clean]
    axes.plot(x, medians, dash, color=colour, linewidth=1.2, marker="o", markersize=3)
    low, high = np.array([np.percentile(point.values, [25, 75]) for point in clean]).reshape(-1, 2).T / scale
    if (low < high).any():
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    dirty = [point for point in one.points if point.dirty]
    if dirty:
        hollow = [point.value / scale for point in dirty]
        axes.plot([places[_name(point)] for point in dirty], hollow, "o", color=colour, fillstyle="none", markersize=4)


def _labels(axes: Axes, own: Sequence[Series], places: Places, scale: float) -> None:
    """Each line's backend and last value at its end, moved apart where lines end close together."""
    low, high = axes.get_ylim()
    ends = [one.points[-1] for one in own]
    heights = spread([end.value / scale for end in ends], LABEL_SHARE * (high - low))
    for one, end, height in zip(own, ends, heights, strict=True):
        axes.annotate(
            f"{short(one.first.backend)} {tables.amount(end.value, one.first.unit)}",
            (places[_name(end)], height),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=INK,
            annotation_clip=False,
        )


def _steps(axes: Axes, one: Series, steps: Sequence[Step], places: Places, colour: str) -> None:
    """A dashed line between two commits, and the new level's size beside it."""
    if not steps or one.clean is None:
        return
    x = [places[_name(point)] for point in one.clean.points]
    for step in steps:
        between = (x[step.place - 1] + x[step.place]) / 2
        size = f"{step.ratio:.3g}x" if step.ratio is not None else "step"
        axes.axvline(between, color=colour, linewidth=0.9, linestyle="--")
        axes.annotate(
            f"{size} at {one.clean.points[step.place].name}",
            (between, 1.0),
            (2, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            fontsize=7,
            color=INK,
        )
