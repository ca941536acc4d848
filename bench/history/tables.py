"""History in words and tables: which series there are, a series commit by commit, its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.data.wording import counted, quoted
from bench.history.rows import BETTER_WHEN_HIGHER
from bench.history.series import Point, Series
from bench.history.steps import Step
from bench.layout import ABSENT, Table, figures, share, size

_CHANGED = {"python": "Python", "system": "the system", "fedbench": "fedbench", "version": "the framework"}


def amount(value: float, unit: str) -> str:
    """Return a value as a person reads it, in its unit."""
    if unit == "bytes":
        return size(value)
    if unit == "share":
        return f"{figures(100 * value)} %"
    if unit != "s" or value == 0 or abs(value) >= 1:
        return f"{figures(value)} {unit}".rstrip()
    scaled, smaller = (1000 * value, "ms") if abs(value) >= 1e-3 else (1e6 * value, "us")
    return f"{figures(scaled)} {smaller}"


def titled(series: Series) -> str:
    """Return what a series is, in one line."""
    first = series.first
    return f"{quoted(first.experiment)}, {quoted(first.backend)}, {quoted(first.metric)}"


def listings(found: Sequence[Series]) -> list[Table]:
    """Return a table a machine and kind of measurement, with a line a series."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for one in found:
        groups.setdefault((one.first.source, one.first.machine), []).append(one)
    return [_listing(own) for own in groups.values()]


def _listing(own: Sequence[Series]) -> Table:
    rows = tuple(
        (
            one.name,
            titled(one),
            str(len({point.commit for point in one.points})),
            one.points[-1].name,
            amount(one.points[-1].value, one.first.unit),
        )
        for one in own
    )
    first = own[0].first
    title = f"From {quoted(first.source)}, on machine {first.machine[:6]}"
    columns = ("series", "experiment, backend, metric", "commits", "newest", "its median")
    return Table(title, columns, rows, (_machine(first.facts),))


def _machine(facts: Mapping[str, Any]) -> str:
    memory = f", {size(facts['memory_bytes'])}" if facts.get("memory_bytes") else ""
    cores = f", {counted(facts['cores'], 'core')}" if facts.get("cores") else ""
    return quoted(f"{facts.get('cpu')}{cores}{memory}, {facts.get('system')}")


def commits(series: Series) -> Table:
    """Return a line a commit: when it was made, its values, their median, and the change against the commit before."""
    rows = []
    unit = series.first.unit
    for before, point in zip((None, *series.points), series.points, strict=False):
        newest = point.rows[-1]
        rows.append(
            (
                point.name,
                point.rows[0].committed[:10],
                quoted(newest.branch or ABSENT),
                str(len(point.values)),
                amount(point.value, unit),
                _change(before, point) if before else ABSENT,
                quoted(newest.version or ABSENT),
            )
        )
    first = series.first
    has_dirty = any(point.dirty for point in series.points)
    notes = (
        f"{first.source}, computes {first.digest[:12]}, on {_machine(first.facts)}",
        *(("+: the commit with changes; steps leave it out.",) if has_dirty else ()),
    )
    columns = ("commit", "made", "branch", "values", "median", "change", "version")
    return Table(f"{series.name}: {titled(series)}", columns, tuple(rows), notes)


def _change(before: Point, point: Point) -> str:
    if before.value <= 0:
        return ABSENT
    change = point.value / before.value - 1
    return f"{'+' if change > 0 else ''}{share(change)}"


def is_worse(series: Series, step: Step) -> bool:
    """Return whether a step is for the worse: more time, memory or epsilon, less accuracy."""
    return (step.after < step.before) == (series.first.metric in BETTER_WHEN_HIGHER)


def step_line(series: Series, step: Step) -> str:
    """Return what is to be told of a step of a `clean` series: between which commits, how large, how sure."""
    before, after = series.points[step.place - 1], series.points[step.place]
    unit = series.first.unit
    levels = f"{amount(step.before, unit)} -> {amount(step.after, unit)}"
    times = f" ({ratio(step)})" if step.ratio is not None else ""
    changed = _changed(before, after)
    return (
        f"{series.name} {titled(series)}: {'worse' if is_worse(series, step) else 'better'} between {before.name}"
        f" ({before.rows[0].committed[:10]}) and {after.name} ({after.rows[0].committed[:10]}): {levels}{times},"
        f" p {step.p:.2g}, {step.counts[0]} commits before and {step.counts[1]} after"
        + (f"; there also changed: {', '.join(changed)}" if changed else "")
    )


def ratio(step: Step) -> str:
    """Return the size of a step that has one as a ratio, with its interval."""
    interval = f" [{_three(step.low)}, {_three(step.high)}]" if step.low is not None and step.high is not None else ""
    return f"{_three(step.ratio or 0.0)}x{interval}"


def _three(value: float) -> str:
    """Two digits after the point, where `figures` has one too few for a ratio close to one."""
    return f"{value:.3f}" if 0.9 < value < 1.1 else figures(value)


def _changed(before: Point, after: Point) -> list[str]:
    """What else is different at a step, which may be what made it."""
    left, right = ({**point.rows[-1].facts, "version": point.rows[-1].version} for point in (before, after))
    return [
        f"{name} ({quoted(left.get(key))} -> {quoted(right.get(key))})"
        for key, name in _CHANGED.items()
        if left.get(key) != right.get(key)
    ]
