"""What a person sees of a Duet: both sides beside each other while it goes on, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bench.data.wording import quoted
from bench.layout import duration

DOING = {
    "import": "importing PySyft",
    "publish": "publishing",
    "meet": "looking for the other side",
    "connect": "connecting",
    "list the store": "listing what there is",
    "raw before": "trying for the raw data",
    "raw aside": "trying for the raw data by a roundabout way",
    "compute": "computing where the data are",
    "request": "requesting the result",
    "decide": "deciding",
    "get the result": "getting the result",
    "raw after": "trying for the raw data again",
    "owner leaves": "waiting until the owner is gone",
    "raw after the owner left": "trying for the raw data once more",
    "leave": "leaving",
}
SAID = {
    "import": "imported",
    "publish": "published",
    "meet": "met",
    "connect": "connected",
    "list the store": "the store",
    "raw before": "raw data",
    "raw aside": "raw data by a roundabout way",
    "compute": "computed",
    "request": "request",
    "decide": "request",
    "get the result": "result",
    "raw after": "raw data again",
    "raw after the owner left": "raw data once more",
    "leave": "left",
}
STYLES = {"done": "green", "accepted": "green", "refused": "yellow", "denied": "red", "open": "bold red"}
MARKS = {"done": "✓", "accepted": "✓", "refused": "✗", "denied": "✗", "open": "!", "unanswered": "?"}
PLAIN_MARKS = {"done": "*", "accepted": "*", "refused": "x", "denied": "x", "open": "!"}
TIME_WIDTH = 8
LONGEST_REASON = 500  # what the other side says is shown as one printable line, whoever it is


def make(console: Console, sides: Sequence[str]) -> "Columns | Lines":
    """Return the display that suits the console."""
    return Columns(console, sides) if console.is_terminal else Lines(console)


def phrase(step: Mapping[str, Any]) -> str:
    """Return a step as a person says it, with how it came out unless that is what it always is."""
    name, outcome = step["step"], step["outcome"]
    base = next((known for known in sorted(SAID, key=len, reverse=True) if name.startswith(known)), name)
    told = [] if outcome == "done" else [outcome.upper() if outcome == "open" else outcome]
    told += [quoted(step["detail"])] if step["detail"] else []
    return f"{SAID.get(base, name)}: {', '.join(told)}" if told else SAID.get(base, name)


def latency(seconds: float) -> str:
    """Return seconds, or milliseconds where they are few."""
    if seconds >= 0.1:
        return duration(seconds)
    return f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"


def asked(event: Mapping[str, Any]) -> str:
    """Return a request in one line: who asks for what, and why."""
    numbers = event["numbers"]
    what = "an object" if numbers is None else f"{numbers} number{'' if numbers == 1 else 's'}"
    who, name, reason = map(quoted, (event["who"], ".".join(event["tags"]), event["reason"][:LONGEST_REASON]))
    return f"{who} (key {event['key']}) asks for {name}, {what}, because: {reason}"


class Lines:
    """A line whenever something has happened."""

    def __init__(self, console: Console):
        self.console = console
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        self._line("", text)

    def begin(self, side: str, step: str) -> None:
        if step == "import":
            self._line(side, DOING[step])

    def step(self, event: Mapping[str, Any]) -> None:
        self._line(event["side"], f"{phrase(event)} ({latency(event['seconds'])})")

    def request(self, event: Mapping[str, Any]) -> None:
        self._line("owner", asked(event))

    def ask(self, event: Mapping[str, Any]) -> None:
        self._line("owner", "Accept? [y/N] ")

    def failed(self, side: str, reason: str) -> None:
        self._line(side, quoted(reason))

    def _line(self, side: str, text: str) -> None:
        stamp = f"{time.monotonic() - self.started:5.1f} s"
        line = f"{stamp}  {side:<10}  {text}" if side else f"{stamp}  {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Columns:
    """A column a side, time running down; below them what each is doing now."""

    def __init__(self, console: Console, sides: Sequence[str]):
        self.console, self.sides = console, sides
        self.started = time.monotonic()
        self.now: dict[str, Spinner] = {}
        self.is_asking = False
        self.live = Live(console=console, refresh_per_second=12, transient=True, get_renderable=self._now)

    def __enter__(self) -> Self:
        titles: list[RenderableType] = [Text("")]
        titles += [Text(side, "bold reverse" if len(self.sides) > 1 else "bold") for side in self.sides]
        self.live.start()
        self._row(*titles)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.now.clear()
        self.live.stop()

    def say(self, text: str) -> None:
        self._row(self._stamp(), *(Text(text if side == self.sides[0] else "", "dim") for side in self.sides))

    def begin(self, side: str, step: str) -> None:
        doing = next((DOING[known] for known in sorted(DOING, key=len, reverse=True) if step.startswith(known)), step)
        self.now[side] = Spinner("dots" if self._utf8() else "line", Text(f" {doing} ...", "cyan"))

    def step(self, event: Mapping[str, Any]) -> None:
        self.now.pop(event["side"], None)
        self.is_asking = False
        if event["side"] not in self.sides:
            return
        outcome = event["outcome"]
        style = STYLES.get(outcome, "")
        text = Text.assemble((self._mark(outcome), style), " ", (phrase(event), style if outcome != "done" else ""))
        self._cell(event["side"], text, latency(event["seconds"]))

    def request(self, event: Mapping[str, Any]) -> None:
        self._cell("owner", Text(f"{'→' if self._utf8() else '>'} {asked(event)}", "cyan"))

    def ask(self, event: Mapping[str, Any]) -> None:
        self.live.stop()
        self.is_asking = True
        self.console.print(Text("Accept? [y/N] ", "bold"), end="")

    def failed(self, side: str, reason: str) -> None:
        if self.is_asking:
            self.console.print()  # the question stands on a line that nobody ended
        self.now.pop(side, None)
        self._cell(side if side in self.sides else self.sides[0], Text(f"! {side}: {quoted(reason)}", "bold red"))

    def _cell(self, side: str, text: Text, taken: str = "") -> None:
        if not self.live.is_started:
            self.live.start()
        cell = Table.grid(expand=True, padding=(0, 1))
        cell.add_column(ratio=1)
        cell.add_column(no_wrap=True, justify="right")
        cell.add_row(text, Text(taken, "dim"))
        self._row(self._stamp(), *(cell if own == side else Text("") for own in self.sides))

    def _row(self, *cells: RenderableType) -> None:
        self.console.print(self._grid(cells))

    def _grid(self, cells: Sequence[RenderableType]) -> Table:
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(width=TIME_WIDTH, justify="right", no_wrap=True)
        for _ in self.sides:
            grid.add_column(ratio=1)
        grid.add_row(*cells)
        return grid

    def _now(self) -> RenderableType:
        if not self.now:
            return Text("")
        spinners = [self.now.get(side, Text("")) for side in self.sides]
        return Group(self._grid([self._stamp(), *spinners]))

    def _stamp(self) -> Text:
        return Text(f"{time.monotonic() - self.started:.1f} s", "dim")

    def _mark(self, outcome: str) -> str:
        return (
            MARKS.get(outcome, " ") if self._utf8() else {"open": "!", "refused": "x", "denied": "x"}.get(outcome, "*")
        )

    def _utf8(self) -> bool:
        return self.console.encoding.lower().startswith("utf")
