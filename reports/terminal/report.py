"""Tables for a terminal."""

import io
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.crossval import tables as crossval
from bench.drawing import draw
from bench.study import report as study
from bench.table import shortened

SUFFIX = ".txt"


def render(comparison: dict[str, Any], width: int | None = None, colour: bool = False) -> str:
    """Return the comparison as text, with ANSI colours where asked for."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for table in shortened(comparison):
        draw(table, console)
        console.print()
    for text in [*study.words(comparison), *crossval.words(comparison)]:
        console.print(Text(text))
    return stream.getvalue()
