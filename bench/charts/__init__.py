"""A comparison as pictures, each with its data as a table."""

from collections.abc import Mapping
from typing import Any

from bench.charts import arithmetic, confusions, curves, loading, partitions, phases, privacy, scatter
from bench.charts.chart import Chart
from bench.table import told_alone


def charts(comparison: Mapping[str, Any]) -> list[Chart]:
    """Return the pictures for which the comparison has data."""
    alone = told_alone(comparison)
    found = [
        curves.accuracy(alone),
        curves.loss(alone),
        phases.chart(alone),
        arithmetic.chart(comparison, alone),
        confusions.chart(comparison),
        scatter.chart(comparison),
        loading.chart(comparison),
        privacy.chart(comparison),
        partitions.chart(comparison),
    ]
    return [chart for chart in found if chart is not None]
