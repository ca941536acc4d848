"""One line a backend, repeat and round, for a spreadsheet."""

import csv
import io
from typing import Any

SUFFIX = ".csv"
COLUMNS = (
    "cell", "backend", "form", "loader", "workers", "cache", "repeat", "status", "round", "warmup", "seconds",
    "cpu_seconds", "bytes_down", "bytes_up", "accuracy", "loss", "engine", "unit", "sampling", "noise_multiplier",
    "max_grad_norm", "delta", "epsilon_pld", "epsilon_rdp",
)  # fmt: skip


def render(comparison: dict[str, Any]) -> str:
    """Return the comparison as CSV; accuracy and loss are blank where nothing was evaluated, epsilon without privacy.

    An epsilon is what the whole run spent.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    for cell in comparison["cells"]:
        for run in cell["runs"]:
            own = {
                "cell": cell["name"],
                **{key: run[key] for key in ("backend", "form", "loader", "workers", "cache")},
                "repeat": run["repeat"],
                "status": run["status"],
                **(run["privacy"] or {}),
            }
            evaluated = {entry["round"]: entry for entry in run["evaluations"]}
            for entry in run["rounds"] or [{}]:
                writer.writerow(own | entry | evaluated.get(entry.get("round"), {}))
    return stream.getvalue()
