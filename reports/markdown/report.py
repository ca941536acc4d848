"""Tables for a README, an issue or a CI summary."""

from typing import Any

from bench.markdown import listed, safe, section
from bench.table import tables
from bench.words import words

SUFFIX = ".md"


def render(comparison: dict[str, Any]) -> str:
    """Return the comparison as GitHub Markdown."""
    parts = [f"# {safe(comparison['experiment']['name'])}", safe(comparison["experiment"]["description"])]
    parts += [listed(words(comparison)), *map(section, tables(comparison))]
    return "\n\n".join(part for part in parts if part) + "\n"
