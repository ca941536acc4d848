"""What every table is made of: rows of texts, and one way to write each kind of number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ABSENT = "-"


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def figures(value: float) -> str:
    """Three significant figures, never in exponents."""
    value = float(f"{value:.3g}")
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def count(value: float) -> str:
    """Three significant figures, thousands and millions by their letters."""
    for letter in ("", "k", "M"):
        if abs(value) < 1000:
            return figures(value) + letter
        value /= 1000
    return f"{figures(value)}G"


def size(value: float) -> str:
    """Bytes in the largest unit that leaves at least one of it."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{figures(value)} {unit}"
        value /= 1024
    return f"{figures(value)} GiB"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 99.5:
        return f"{figures(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def roughly(seconds: float) -> str:
    """Seconds that are only estimated: no finer than they can be known."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"{max(2, round(seconds / 60))} min"
    if seconds < 36 * 3600:
        return f"{round(seconds / 1800) / 2:g} h"
    return f"{round(seconds / 43200) / 2:g} days"


def share(value: float) -> str:
    """A share as a percentage, with as many digits as tell it from nothing."""
    return f"{100 * value:.0f} %" if abs(value) >= 0.1 else f"{100 * value:.2g} %"


def ratio(entry: Mapping[str, Any]) -> str:
    """A ratio with its interval, where there is one."""
    if entry["low"] is None:
        return f"{figures(entry['ratio'])}x"
    return f"{figures(entry['ratio'])}x [{figures(entry['low'])}, {figures(entry['high'])}]"
