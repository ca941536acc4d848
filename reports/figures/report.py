"""Every picture of a run, as PNG and SVG files."""

from collections.abc import Mapping
from typing import Any

from bench.charts import chart, charts


def render(comparison: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    found: dict[str, bytes] = {}
    for one in charts(comparison):
        found[f"{one.name}.png"] = chart.png(one.figure)
        found[f"{one.name}.svg"] = chart.svg(one.figure).encode()
    return found
