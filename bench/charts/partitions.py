"""Who holds what: the samples of each class that each client holds, a panel a partition."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.charts.chart import WIDTH, Chart, panels, short, style
from bench.layout import Table

NUMBERED = 12  # clients, up to which a square tells its number
MOST_DRAWN = 200  # clients: more columns than this a page doesn't show, and an SVG is heavy with
PANEL_INCHES = 1.7


def chart(comparison: Mapping[str, Any]) -> Chart | None:
    """Return a square a client and class, darker where more is held; None for a run that didn't record it.

    Of many clients some are drawn, evenly chosen; the table is about all of them.
    """
    recorded = comparison.get("partitions") or {}
    names = _names(comparison) if recorded else {}
    found = {digest: own for digest, own in recorded.items() if digest in names}
    if not found:
        return None
    drawn = [(names[digest], own["classes"], own["counts"]) for digest, own in found.items()]
    columns = 1 if len(drawn) == 1 else 2
    rows = -(-len(drawn) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, PANEL_INCHES * rows + 0.3), layout="constrained")
        for axes, one in zip(panels(figure, len(drawn), columns), drawn, strict=True):
            _panel(axes, *one)
        figure.supxlabel("client; the darker, the more samples of the class it holds", fontsize=8.5)
    body = tuple(
        (name, f"{min(sizes)} to {max(sizes)}", _held(counts), str(sum(sizes)))
        for name, _, counts in drawn
        for sizes in [[sum(own) for own in counts]]
    )
    columns_told = ("partition", "samples a client", "classes a client", "samples in all")
    summary = "Samples by client and class, for " + "; ".join(_told(name, counts) for name, _, counts in drawn) + "."
    return Chart("partitions", "Who holds what", summary, figure, Table("Who holds what", columns_told, body))


def _names(comparison: Mapping[str, Any]) -> dict[str, str]:
    """By the digest of a partition, what it is in words; of a cross-validation only the first fold's."""
    found: dict[str, str] = {}
    for cell in comparison["cells"]:
        if (cell["spec"].get("data", {}).get("fold") or 1) > 1:
            continue
        own = cell["spec"]["federation"]
        kind = own["partition"]
        classes = f"{own['classes_per_client']} class{'es' if own['classes_per_client'] > 1 else ''} each"
        words = {"classes": classes, "dirichlet": f"Dirichlet {own['alpha']:g}", "iid": "IID", "groups": "a group each"}
        clients = f"{own['clients']} client{'s' if own['clients'] > 1 else ''}"
        found.setdefault(cell["digests"]["partition"], f"{clients}, {words.get(kind, kind)}")
    return found


def _step(counts: list[list[int]]) -> int:
    """One of how many clients is drawn."""
    return -(-len(counts) // MOST_DRAWN)


def _told(name: str, counts: list[list[int]]) -> str:
    step = _step(counts)
    return name if step == 1 else f"{name} (1 in {step} drawn)"


def _panel(axes: Axes, name: str, classes: list[str], counts: list[list[int]]) -> None:
    clients = range(0, len(counts), _step(counts))
    drawn = [counts[client] for client in clients]
    most = max(max(own) for own in drawn)
    axes.pcolormesh(list(zip(*drawn, strict=True)), cmap="Blues", vmin=0, vmax=most, edgecolors="face", linewidth=0.1)
    if len(drawn) <= NUMBERED:
        for place, own in enumerate(drawn):
            for label, value in enumerate(own):
                shade = "white" if value > 0.5 * most else "#08306b"
                axes.text(place + 0.5, label + 0.5, str(value), ha="center", va="center", color=shade, fontsize=7.5)
    axes.set_yticks([label + 0.5 for label in range(len(classes))], [short(label, 16) for label in classes])
    ticks = range(0, len(drawn), max(1, len(drawn) // 10))
    axes.set_xticks([place + 0.5 for place in ticks], [str(clients[place]) for place in ticks])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_title(_told(name, counts), fontsize=8)


def _held(counts: list[list[int]]) -> str:
    held = [sum(value > 0 for value in own) for own in counts]
    return str(held[0]) if len(set(held)) == 1 else f"{min(held)} to {max(held)}"
