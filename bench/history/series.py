"""Rows put in line: everything of one metric, backend, machine and work, a point a commit."""

import hashlib
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.errors import UserError
from bench.history.rows import Row


@dataclass(frozen=True)
class Point:
    """All that was measured of a commit, or of a commit with changes."""

    rows: tuple[Row, ...]

    @property
    def commit(self) -> str:
        """Return the full hash."""
        return self.rows[0].commit

    @property
    def dirty(self) -> bool:
        """Return whether it is the commit with changes that nobody can tell."""
        return self.rows[0].dirty

    @property
    def name(self) -> str:
        """Return the short hash, with a + where there were changes."""
        return self.commit[:7] + ("+" if self.dirty else "")

    @cached_property
    def when(self) -> tuple[str, str, str, bool]:
        """Return what points are ordered by: commit time, then when it was first measured."""
        return min(row.committed for row in self.rows), self.rows[0].recorded, self.commit, self.dirty

    @cached_property
    def value(self) -> float:
        """Return the median of the rows' medians."""
        return float(statistics.median(row.median for row in self.rows))

    @cached_property
    def values(self) -> list[float]:
        """Return every value of every row."""
        return [value for row in self.rows for value in row.values]


@dataclass(frozen=True)
class Series:
    """Points by commit time, those of one second by the time they were recorded."""

    points: tuple[Point, ...]

    @property
    def first(self) -> Row:
        """Return a row, for what all have in common."""
        return self.points[0].rows[0]

    @cached_property
    def name(self) -> str:
        """Return what `bench history show` takes: eight digits."""
        return hashlib.sha256(json.dumps(self.first.series).encode()).hexdigest()[:8]

    @property
    def rows(self) -> list[Row]:
        """Return all rows, point by point."""
        return [row for point in self.points for row in point.rows]

    @cached_property
    def clean(self) -> "Series | None":
        """Return the series without commits with changes; None where nothing is left."""
        points = tuple(point for point in self.points if not point.dirty)
        return Series(points) if points else None


@dataclass(frozen=True)
class Choice:
    """Which series: by the beginnings of their names, or by what their rows have, of a machine's key the beginning."""

    names: Sequence[str] = ()
    experiment: str | None = None
    backend: str | None = None
    metric: str | None = None
    machine: str | None = None
    branch: str | None = None


def arrange(rows: Iterable[Row]) -> list[Series]:
    """Return the series of `rows`, by experiment, backend and metric."""
    by_series: dict[tuple[str, ...], dict[tuple[str, bool], list[Row]]] = {}
    for row in rows:
        by_series.setdefault(row.series, {}).setdefault((row.commit, row.dirty), []).append(row)
    found = []
    for key in sorted(by_series):
        points = [Point(tuple(sorted(own, key=lambda row: row.recorded))) for own in by_series[key].values()]
        found.append(Series(tuple(sorted(points, key=lambda point: point.when))))
    return found


def choose(rows: Sequence[Row], choice: Choice) -> list[Series]:
    """Return the series chosen. Raises UserError where one that is named isn't there, or nothing is left."""
    wanted = {key: getattr(choice, key) for key in ("experiment", "backend", "metric", "machine", "branch")}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    own = [row for row in rows if all(_has(row, key, value) for key, value in wanted.items())]
    found = arrange(own)
    if choice.names:
        found = [one for name in choice.names for one in _named(name, found)]
        found = list({one.name: one for one in found}.values())
    if not found:
        raise UserError(_missing(rows, wanted))
    return found


def _named(name: str, found: Sequence[Series]) -> list[Series]:
    own = [one for one in found if one.name.startswith(name)]
    if not own or not name:
        raise UserError(f"no series {name!r}; bench history list shows their names")
    return own


def _has(row: Row, key: str, value: str) -> bool:
    return row.machine.startswith(value) if key == "machine" else getattr(row, key) == value


def _missing(rows: Sequence[Row], wanted: Mapping[str, Any]) -> str:
    if not rows:
        return "this history holds no results yet; bench history add RUN keeps those of a run folder"
    for key, value in wanted.items():
        if not any(_has(row, key, value) for row in rows):
            there = sorted({str(getattr(row, key)) for row in rows})
            shown = ", ".join(there[:12]) + (", ..." if len(there) > 12 else "")
            return f"--{key} {value}: nothing of it was recorded; there is: {shown}"
    together = " ".join(f"--{key} {value}" for key, value in wanted.items())
    return f"{together}: each was recorded, but never all of them together; bench history list shows what was"
