"""Loading as a picture: samples a second of loading alone, and what of an epoch is spent waiting."""

from collections.abc import Mapping
from typing import Any

from bench.charts import chart, loading
from bench.errors import UserError

SUFFIX = ".png"


def render(comparison: Mapping[str, Any]) -> bytes:
    """Return a PNG. Raises UserError where nothing of loading was timed."""
    drawn = loading.chart(comparison)
    if drawn is None:
        raise UserError("loading-chart: this run timed no loading; bench run loading does")
    return chart.png(drawn.figure)
