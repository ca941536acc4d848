"""Accuracy by round as the study kept it: a line a round, a column a backend, cell and repeat, in percent."""

import csv
import io
from collections.abc import Mapping
from typing import Any

SUFFIX = ".csv"


def render(comparison: Mapping[str, Any]) -> str:
    """Return the CSV; blank where a run wasn't evaluated after a round."""
    several = len(comparison["cells"]) > 1
    columns: dict[str, dict[int, float]] = {}
    for cell in comparison["cells"]:
        repeats = max((run["repeat"] for run in cell["runs"]), default=1)
        for run in cell["runs"]:
            if run["evaluations"]:
                name = run["backend"] + (f" [{cell['name']}]" if several else "")
                name += f" repeat {run['repeat']}" if repeats > 1 else ""
                columns[name] = {entry["round"]: 100 * entry["accuracy"] for entry in run["evaluations"]}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["round", *columns])
    for number in sorted({number for own in columns.values() for number in own}):
        writer.writerow([number, *(f"{own[number]:.2f}" if number in own else "" for own in columns.values())])
    return stream.getvalue()
