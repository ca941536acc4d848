"""What training computes a second, beside what sgemm does here: a row a cell, a mark a backend.

No roofline (Williams, Waterman and Patterson 2009): its axis of FLOPs a byte needs the bytes that a framework moves,
which depend on what it fuses and what stays in the cache, and no clock tells them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from bench import throughput
from bench.cells import finished
from bench.charts.chart import INK, WIDTH, Chart, short, style
from bench.layout import Table, figures
from bench.palette import colours

MARKS = "osD^vPX*"
Cell = Mapping[str, Any]


def chart(comparison: Mapping[str, Any], cells: Sequence[Cell]) -> Chart | None:
    """Return GFLOP/s by cell; None where sgemm wasn't measured, or nothing is to be told."""
    peak = comparison.get("sgemm_flops")
    if not peak:
        return None
    partitions = comparison["partitions"]
    found: dict[str, dict[str, float]] = {}
    for cell in cells:
        partition = partitions[cell["digests"]["partition"]]
        own = {name: throughput.of_runs(cell, partition, runs) for name, runs in finished(cell).items()}
        if told := {name: value for name, value in own.items() if value}:
            found[cell["name"] or "this run"] = told
    if not found:
        return None
    backends = list(dict.fromkeys(name for own in found.values() for name in own))
    rows = tuple((name, *(throughput.told(own.get(one), peak) for one in backends)) for name, own in found.items())
    title = f"GFLOP/s in training, beside sgemm's {peak / 1e9:.0f}"
    summary = (
        "What convolutions and dense layers compute, products of zeros counted, over the seconds of a round; the dashed"
        f" line is the best product of float32 matrices on the same threads, {figures(peak / 1e9)} GFLOP/s. "
        + "; ".join(
            f"{name}: " + ", ".join(f"{one} {value / peak:.0%}" for one, value in own.items())
            for name, own in found.items()
        )
        + "."
    )
    return Chart("gflops", title, summary, _figure(found, backends, peak), Table(title, ("cell", *backends), rows))


def _figure(found: Mapping[str, Mapping[str, float]], backends: Sequence[str], peak: float) -> Figure:
    colour = colours(backends)
    with style():
        figure = Figure(figsize=(WIDTH, 1.2 + 0.4 * len(found)), layout="constrained")
        axes = figure.subplots()
        for number, one in enumerate(backends):
            offset = (number - (len(backends) - 1) / 2) * 0.6 / len(backends)
            places = [(own[one] / 1e9, row + offset) for row, own in enumerate(found.values()) if one in own]
            axes.scatter(
                *zip(*places, strict=True), color=colour[one], marker=MARKS[number % len(MARKS)], label=short(one)
            )
        axes.axvline(peak / 1e9, color=INK, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(found)), [short(name) for name in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("GFLOP/s")
        figure.legend(loc="outside lower center", ncols=4, fontsize=7.5)
    return figure
