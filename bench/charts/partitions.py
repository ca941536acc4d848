"""Who holds what: the samples of each class that each client holds, a panel a partition."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.charts.chart import WIDTH, Chart, panels, short, style
from bench.layout import Table

NUMBERED = 12  # clients, up to which a square tells its number
PANEL_INCHES = 1.7


def chart(comparison: Mapping[str, Any]) -> Chart | None:
    """Return a square a client and class, darker where more is held; None for a run that didn't record it."""
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
    summary = "Samples by client and class, for " + "; ".join(name for name, _, _ in drawn) + "."
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


def _panel(axes: Axes, name: str, classes: list[str], counts: list[list[int]]) -> None:
    most = max(max(own) for own in counts)
    axes.pcolormesh(list(zip(*counts, strict=True)), cmap="Blues", vmin=0, vmax=most, edgecolors="face", linewidth=0.1)
    if len(counts) <= NUMBERED:
        for client, own in enumerate(counts):
            for label, value in enumerate(own):
                shade = "white" if value > 0.5 * most else "#08306b"
                axes.text(client + 0.5, label + 0.5, str(value), ha="center", va="center", color=shade, fontsize=7.5)
    axes.set_yticks([label + 0.5 for label in range(len(classes))], [short(label, 16) for label in classes])
    step = max(1, len(counts) // 10)
    axes.set_xticks(
        [client + 0.5 for client in range(0, len(counts), step)],
        [str(client) for client in range(0, len(counts), step)],
    )
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_title(name, fontsize=8)


def _held(counts: list[list[int]]) -> str:
    held = [sum(value > 0 for value in own) for own in counts]
    return str(held[0]) if len(set(held)) == 1 else f"{min(held)} to {max(held)}"
