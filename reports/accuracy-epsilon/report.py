"""Accuracy by epsilon as a picture: what privacy costs in accuracy, a line a backend and engine."""

from collections.abc import Mapping
from typing import Any

from bench.charts import chart, privacy
from bench.errors import UserError

SUFFIX = ".png"


def render(comparison: Mapping[str, Any]) -> bytes:
    """Return a PNG. Raises UserError where no run was private with a finite epsilon."""
    drawn = privacy.chart(comparison)
    if drawn is None:
        raise UserError(
            "accuracy-epsilon: this run has no grid of privacy with a finite epsilon; bench run privacy does"
        )
    return chart.png(drawn.figure)
