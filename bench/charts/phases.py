"""Where time goes: a group of bars a phase, a bar a backend."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from bench.cells import finished
from bench.charts.chart import WIDTH, Chart, short, style
from bench.layout import ABSENT, Table, duration, figures
from bench.palette import colours

PHASES = {
    "import_s": "import",
    "open_s": "open and compile",
    "load_s": "load data",
    "first_round_s": "first round",
    "train_s": "rounds after the first or the warm-up",
    "evaluate_s": "evaluations",
}
Cell = Mapping[str, Any]


def chart(cells: Sequence[Cell]) -> Chart | None:
    """Return seconds by phase: each cell's median process, all cells added up; None where nothing finished."""
    everybody = {name for cell in cells for name in finished(cell)}
    cells = [cell for cell in cells if everybody == finished(cell).keys()]  # sums of the same cells
    seconds = _seconds(cells)
    if not seconds:
        return None
    colour = colours(seconds)
    height = 0.8 / len(seconds)
    longest = max(value for own in seconds.values() for value in own.values())
    with style():
        figure = Figure(figsize=(WIDTH, 0.6 + 0.26 * (len(seconds) + 0.6) * len(PHASES)), layout="constrained")
        axes = figure.subplots()
        for number, (backend, own) in enumerate(seconds.items()):
            places = [place + (number - (len(seconds) - 1) / 2) * height for place in range(len(PHASES))]
            values = [own.get(key, 0.0) for key in PHASES]
            axes.barh(places, values, height * 0.9, color=colour[backend])
            for place, value, key in zip(places, values, PHASES, strict=True):
                if key not in own:
                    continue
                axes.text(
                    value + 0.01 * longest, place, f"{short(backend)} {figures(value)} s", va="center", fontsize=8
                )
        axes.set_yticks(range(len(PHASES)), list(PHASES.values()))
        axes.invert_yaxis()
        axes.set_xlim(0, 1.22 * longest)
        axes.set_xlabel("seconds")
    together = f", {len(cells)} cells together" if len(cells) > 1 else ""
    rows = tuple(
        (words, *(duration(own[key]) if key in own else ABSENT for own in seconds.values()))
        for key, words in PHASES.items()
    )
    totals = {backend: sum(own.values()) for backend, own in seconds.items()}
    rows += (("all", *map(duration, totals.values())),)
    summary = f"Time by phase{together}: " + ", ".join(f"{name} {duration(total)}" for name, total in totals.items())
    table = Table(f"Time by phase{together}", ("phase", *seconds), rows)
    return Chart("phases", f"Time by phase{together}", f"{summary} in all.", figure, table)


def _phase(run: Mapping[str, Any], key: str) -> float | None:
    """Without a warm-up the first round is one of the others, which mustn't count it twice."""
    seconds: float | None = run["phases"].get(key)
    if key == "train_s" and seconds is not None and not run["rounds"][0]["warmup"]:
        return seconds - float(run["phases"]["first_round_s"])
    return seconds


def _seconds(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for cell in cells:
        for backend, runs in finished(cell).items():
            own = found.setdefault(backend, {})
            for key in PHASES:
                values = [value for run in runs if (value := _phase(run, key)) is not None]
                if values:
                    own[key] = own.get(key, 0.0) + statistics.median(values)
    return {backend: own for backend, own in found.items() if own}
