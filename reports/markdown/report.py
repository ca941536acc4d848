"""Tables for a README, an issue or a CI summary."""

import html
from collections.abc import Sequence
from typing import Any

from bench.table import tables
from bench.words import words

SUFFIX = ".md"


def render(comparison: dict[str, Any]) -> str:
    """Return the comparison as GitHub Markdown."""
    parts = [f"# {_safe(comparison['experiment']['name'])}", _safe(comparison["experiment"]["description"])]
    parts += ["\n".join(f"- {_safe(text)}" for text in words(comparison))]
    for table in tables(comparison):
        lines = [_line(table.columns), _line(["---"] * len(table.columns)), *map(_line, table.rows)]
        parts += [
            f"## {_safe(table.title)}",
            "\n".join(lines),
            "\n".join(f"- {_safe(note)}" for note in table.notes),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(_safe(text) for text in texts) + " |"


def _safe(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")
