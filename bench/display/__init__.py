"""What a person sees while a run goes on: a grid that fills in and bars in a terminal, plain lines elsewhere.

Standard error only.
"""

from rich.console import Console

from bench.display.live import Live
from bench.display.plain import Plain

__all__ = ["Live", "Plain", "make"]


def make(console: Console) -> Live | Plain:
    """Return the display that suits the console."""
    return Live(console) if console.is_interactive else Plain(console)
