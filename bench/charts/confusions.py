"""Who is taken for whom: how often each class was predicted as each, a panel a backend and cross-validation."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.charts.chart import WIDTH, Chart, panels, short, style
from bench.crossval.pools import Pool, pools
from bench.crossval.tables import confusion
from bench.layout import Table

PANEL_INCHES = 2.0
MOST_COLUMNS = 3


def chart(comparison: Mapping[str, Any]) -> Chart | None:
    """Return a square a true and a predicted class, darker the more of its class; None without folds."""
    found = [(pool, backend) for pool in pools(comparison) for backend in pool.backends()]
    if not found:
        return None
    backends = len({backend for _, backend in found})
    columns = backends if 1 < backends <= MOST_COLUMNS else min(MOST_COLUMNS, len(found))
    rows = -(-len(found) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, PANEL_INCHES * rows + 0.5), layout="constrained")
        for axes, (pool, backend) in zip(panels(figure, len(found), columns), found, strict=True):
            _panel(axes, pool, backend)
        figure.supxlabel("predicted; the darker, the larger the share of its class", fontsize=8.5)
        figure.supylabel("what it was", fontsize=8.5)
    body = tuple(
        (pool.split, pool.title, backend, name, "; ".join(_row(pool.names, counts)))
        for pool, backend in found
        for name, counts in zip(pool.names, confusion(pool, backend), strict=True)
    )
    table = Table("Confusions", ("held out", "samples", "backend", "class", "predicted as"), body)
    summary = f"Confusion matrices of {len(found)} cross-validations, what each class was predicted as."
    return Chart("confusions", "Confusions", summary, figure, table)


def _row(names: tuple[str, ...], counts: list[int]) -> list[str]:
    return [f"{name} {count}" for name, count in zip(names, counts, strict=True) if count]


def _panel(axes: Axes, pool: Pool, backend: str) -> None:
    counts = confusion(pool, backend)
    shares = [[value / max(1, sum(own)) for value in own] for own in counts]
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="face", linewidth=0.1)
    for row, own in enumerate(counts):
        for column, value in enumerate(own):
            if value:
                shade = "white" if shares[row][column] > 0.5 else "#08306b"
                axes.text(column + 0.5, row + 0.5, str(value), ha="center", va="center", color=shade, fontsize=7)
    places = [place + 0.5 for place in range(len(pool.names))]
    names = [short(name, 12) for name in pool.names]
    slanted = len(names) > 3
    axes.set_xticks(places, names, fontsize=6.5, rotation=40 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(places, names, fontsize=6.5)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_title(f"{short(backend)}: {short(pool.title)},\n{short(pool.split)}", fontsize=7.5)
