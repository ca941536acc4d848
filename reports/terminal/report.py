"""Tables for a terminal."""

import io
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.table import tables

SUFFIX = ".txt"
STYLES = {"pass": "green", "done": "green", "fail": "bold red", "failed": "bold red", "skipped": "yellow"}


def render(comparison: dict[str, Any], width: int | None = None, colour: bool = False) -> str:
    """Return the comparison as text, with ANSI colours where asked for."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for table in tables(comparison):
        drawn = Table(box=box.SIMPLE_HEAD, title=Text(table.title, "bold"), title_justify="left")
        for index, column in enumerate(table.columns):
            drawn.add_column(Text(column), overflow="fold", no_wrap=index == 0 and len(table.columns) > 4)
        for row in table.rows:
            drawn.add_row(*(Text(text, STYLES.get(text, "")) for text in row))
        console.print(drawn)
        for note in table.notes:
            console.print(Text(note, "dim"))
        console.print()
    return stream.getvalue()
