"""A `bench.layout.Table` on a terminal. Only this file knows of colours; texts are never read as markup."""

from rich import box
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from bench.layout import Table

STYLES = {
    "pass": "green", "done": "green", "closed": "green", "fail": "bold red", "failed": "bold red", "open": "bold red",
    "skipped": "yellow", "slower": "bold red", "more": "bold red", "not slower": "green", "not more": "green",
    "undecided": "yellow",
}  # fmt: skip


def draw(table: Table, console: Console) -> None:
    """Print a table and its notes."""
    drawn = Drawn(box=box.SIMPLE_HEAD, title=Text(table.title, "bold"), title_justify="left")
    for index, column in enumerate(table.columns):
        drawn.add_column(Text(column), overflow="fold", no_wrap=index == 0 and len(table.columns) > 4)
    for row in table.rows:
        drawn.add_row(*(Text(text, STYLES.get(text, "")) for text in row))
    console.print(drawn)
    for note in table.notes:
        console.print(Text(note, "dim"))
