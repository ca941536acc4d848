"""A `bench.layout.Table` as GitHub Markdown; no text breaks out of its place."""

import html
from collections.abc import Sequence

from bench.layout import Table


def section(table: Table, level: int = 2) -> str:
    """Return heading, table and notes."""
    lines = [_line(table.columns), _line(["---"] * len(table.columns)), *map(_line, table.rows)]
    parts = [f"{'#' * level} {safe(table.title)}", "\n".join(lines), listed(table.notes)]
    return "\n\n".join(part for part in parts if part)


def listed(texts: Sequence[str]) -> str:
    """Return a list, an item a text."""
    return "\n".join(f"- {safe(text)}" for text in texts)


def safe(text: str) -> str:
    """Return a text that is neither HTML nor more than one cell or line."""
    return " ".join(html.escape(text, quote=False).replace("|", "\\|").splitlines())


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(map(safe, texts)) + " |"
