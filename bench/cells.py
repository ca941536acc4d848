"""What every report asks of a cell of a comparison."""

from collections.abc import Mapping
from typing import Any

Run = Mapping[str, Any]


def finished(cell: Mapping[str, Any]) -> dict[str, list[Run]]:
    """Return the finished runs by backend that was asked for; what runs for another's sake is left out."""
    found: dict[str, list[Run]] = {}
    for run in cell["runs"]:
        if run["status"] == "done" and not run.get("beside"):
            found.setdefault(run["backend"], []).append(run)
    return found
