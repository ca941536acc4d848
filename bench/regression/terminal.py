"""A check as tables, and as text for a terminal."""

import io
import sys

from rich.console import Console
from rich.text import Text

from bench.drawing import draw
from bench.layout import Table, duration
from bench.regression import verdicts, words
from bench.regression.verdicts import TOO_SHORT, Document

COLUMNS = ("backend", "phase", "against", "this", "ratio", "verdict")


def show(document: Document) -> None:
    """Print the check on standard output, in colours on a terminal."""
    print(render(document, colour=sys.stdout.isatty()), end="")


def render(document: Document, width: int | None = None, colour: bool = False) -> str:
    """Return the check as text, with ANSI colours where asked for; the last line is the verdict and what to do."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for table in tables(document):
        draw(table, console)
        console.print()
    console.print(Text(words.headline(document)))
    console.print(Text(words.last_line(document)), soft_wrap=True)
    return stream.getvalue()


def tables(document: Document) -> list[Table]:
    """Return the phases of every backend, then the gates, if there are any."""
    return [table for table in (_phases(document), _gates(document)) if table.rows]


def _phases(document: Document) -> Table:
    rows = tuple(
        (
            backend["backend"],
            phase["phase"],
            *(words.absolute(phase[side], phase["unit"]) for side in ("base", "head")),
            words.ratio(phase),
            words.verdict(phase),
        )
        for backend in document["backends"]
        for phase in backend["phases"]
    )
    return Table(words.title(document), COLUMNS, rows, (*_notes(document), *document["notes"]))


def _notes(document: Document) -> tuple[str, ...]:
    settings, machine = document["settings"], document["machine"]
    how = (
        "two samples of processes, each divided by the seconds of a calibration kernel"
        if verdicts.is_of_a_file(document)
        else "pairs of fresh processes that took turns, round by round"
    )
    phases = [phase for backend in document["backends"] for phase in backend["phases"]]
    counts = {phase["pairs"] for phase in phases}
    told = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(*counts)
    is_short = any(phase["verdict"] == TOO_SHORT for phase in phases)
    spent = f"{duration(document['seconds'])} in all, of a budget of {duration(settings['budget_s'])} for measuring"
    return (
        f"ratio: this / against, of {how}. slower: all of the interval is above {words.limit(document)};"
        " not slower: all of it is below.",
        f"The intervals hold together: in {100 * settings['confidence']:g} % of checks noise makes no verdict wrong.",
        f"{words.unit(document).capitalize()} a phase: {told}, {spent};"
        f" {machine['threads']} threads on {machine['cpu']}, {machine['cores']} cores.",
        *(["too short: ends before its seconds are more than the clock's and the scheduler's."] if is_short else []),
        *words.upgrades(document),
    )


def _gates(document: Document) -> Table:
    rows = tuple(
        (backend["backend"], gate["gate"], "pass" if gate["passed"] else "fail", gate["told"])
        for backend in document["backends"]
        for gate in backend["gates"]
    )
    return Table("Gates", ("backend", "gate", "verdict", "what"), rows)
