"""`bench duet`: request and approve with PySyft's Duet, both sides in one terminal or each in its own."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.duet_data import Published
    from bench.duet_display import Columns, Lines
    from bench.duet_stage import Played, Settings
    from bench.environments import Environment

UNAVAILABLE = 3

app = typer.Typer(
    invoke_without_command=True,
    help="""Request and approve with PySyft 0.5's Duet, on this machine: the mean of ages, and not the ages.

    \b
    bench duet                            both sides and the signalling server, as three processes
    bench duet --decide deny              the owner says no
    bench duet --as-published             with PySyft 0.5.0's permission bug
    bench duet owner --data ages.csv      the owner's side, in a terminal of its own
    bench duet scientist                  the scientist's, in another
    bench duet trust                      what approval really opens, by generation of PySyft

    PySyft 0.5 has been unmaintained since 2021, so that nothing here listens or connects beyond loopback.
    Accepting a request on the mean also opens the raw data in it; that is mended here.

    Exit codes: 0 it went as told, a denied request included; 1 a side failed or was lost, or something was open that
    had to be closed; 2 bad input; 3 the environment can't be built; 130 interrupted.
    """,
)


class Decision(StrEnum):
    """How the owner answers a request."""

    ASK = "ask"
    ACCEPT = "accept"
    DENY = "deny"
    HANDLER = "handler"


Data = Annotated[
    Path | None, typer.Option(help="The owner's numbers: a .csv or .npy file. Without it, six made-up ages.")
]
Column = Annotated[str | None, typer.Option(help="The column of a .csv file with several.")]
Reason = Annotated[str, typer.Option(help="What the scientist gives as the reason of the request.")]
Decide = Annotated[
    Decision | None,
    typer.Option(
        help="ask: you answer at the terminal. accept, deny: always. handler: PySyft's own request handler accepts the"
        " mean and denies the rest. Without it the owner's side alone asks, both together accept.",
    ),
]
AsPublished = Annotated[
    bool,
    typer.Option("--as-published", help="Leave PySyft 0.5.0's permission bug in: who may read the mean may read all."),
]
Host = Annotated[str, typer.Option(help="The address that the owner listens on; loopback.")]
Expose = Annotated[
    bool,
    typer.Option(
        "--expose-unmaintained-software",
        help="Allow a --host that isn't loopback. The risk: software without security fixes since 2021, which"
        " deserialises what it receives, is open to everyone who reaches that address.",
    ),
]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="The signalling server's port.")]
Wait = Annotated[float, typer.Option(min=1, max=86400, help="Seconds that the scientist waits for an answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
REASON = "the study needs the mean, not who is how old"


@app.callback()
def duet(
    context: typer.Context,
    data: Data = None,
    column: Column = None,
    reason: Reason = REASON,
    decide: Decide = None,
    as_published: AsPublished = False,
    port: Port = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=1000, help="Play it N times and print each step's median latency.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from bench import duet as player

    decision = decide or Decision.ACCEPT
    if decision is Decision.ASK and repeats > 1:
        raise UserError("--decide ask: you would be asked in each repeat; accept, deny or handler go with --repeats")
    published = _read(data, column)
    settings = _settings(published, reason, decision, not as_published, port=port or 0)
    if port is not None:
        player.listening(settings.host, port).close()
    duets = []
    environment = _environment()
    with _shown("owner", "scientist") as shown:
        _warn(published, settings, shown)
        for repeat in range(repeats):
            if repeats > 1:
                shown.say(f"Repeat {repeat + 1} of {repeats}.")
            duets.append(player.both(environment, settings, shown))
            if duets[-1].problems:
                break
    _finish(_document(environment, settings, published, duets), duets, as_json)


@app.command()
def owner(
    data: Data = None,
    column: Column = None,
    decide: Decide = None,
    as_published: AsPublished = False,
    host: Host = "127.0.0.1",
    port: Port = None,
    expose: Expose = False,
    as_json: AsJson = False,
) -> None:
    """Publish numbers, wait for a scientist, and answer what is requested.

    \b
    bench duet owner
    bench duet owner --data ages.csv --decide handler --port 5056

    Ends when the scientist is gone. Without --decide you are asked, y or n, where there is a terminal.
    """
    from bench import duet as player

    if decide is None and not sys.stdin.isatty():
        raise UserError("--decide: there is no terminal to ask at; say accept, deny or handler")
    published = _read(data, column)
    address = player.address(host, expose)
    settings = _settings(
        published, REASON, decide or Decision.ASK, not as_published, address, port or player.PORT, expose
    )
    with player.listening(address, settings.port) as server:
        environment = _environment()
        with _shown("owner") as shown:
            _warn(published, settings, shown)
            shown.say(f"In another terminal: bench duet scientist{_where(settings)}")
            played = player.owner(environment, settings, shown, server)
    _finish(_document(environment, settings, published, [played]), [played], as_json)


@app.command()
def scientist(
    reason: Reason = REASON,
    name: Annotated[str, typer.Option(help="Who the owner is told is asking.")] = "scientist",
    host: Host = "127.0.0.1",
    port: Port = None,
    wait: Wait = 600.0,
    expose: Expose = False,
    as_json: AsJson = False,
) -> None:
    """Connect to an owner, ask for the mean, and try for more than that.

    \b
    bench duet scientist
    bench duet scientist --port 5056 --reason "mean age of the cohort"
    """
    from bench import duet as player

    address = player.address(host, expose)
    settings = _settings(None, reason, Decision.ASK, True, address, port or player.PORT, expose, name=name, wait_s=wait)
    player.check_owner(address, settings.port)
    environment = _environment()
    with _shown("scientist") as shown:
        _warn(None, settings, shown)
        played = player.scientist(environment, settings, shown)
    _finish(_document(environment, settings, None, [played]), [played], as_json)


@app.command()
def trust(
    backends: Annotated[
        str | None, typer.Option("--backends", "-b", help="Generations of PySyft, comma-separated; all without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try what approval really opens, in each generation of PySyft, and print it as a table.

    \b
    bench duet trust
    bench duet trust --backends syft-0.5 --json

    Can the scientist have the raw data: before any approval, after a denial, after a value that was derived from
    them was accepted, and once the owner has left? Openly, and by a roundabout way that asks nobody. Exit codes: 0
    all were tried, or skipped with the reason; 1 one failed.
    """
    from rich.console import Console

    from bench import trust as reporter
    from bench.drawing import draw

    names = reporter.names(backends)
    with _shown("owner", "scientist") as shown:
        found = list(reporter.rows(names, shown))
    if as_json:
        print(json.dumps(reporter.document(found), indent=1))
    else:
        draw(reporter.table(found), Console(highlight=False))
    if any(row.status == "failed" for row in found):
        raise typer.Exit(1)


def _read(data: Path | None, column: str | None) -> "Published":
    from bench import duet_data

    return duet_data.read(data, column)


def _settings(
    published: "Published | None",
    reason: str,
    decision: Decision,
    is_mended: bool,
    host: str = "127.0.0.1",
    port: int = 0,
    is_exposed: bool = False,
    name: str = "scientist",
    wait_s: float = 60.0,
) -> "Settings":
    from bench.duet_stage import Settings

    for option, text in (("--reason", reason), ("--name", name)):
        if not text.strip() or not text.isprintable() or len(text) > 500:
            raise UserError(f"{option}: must be one line of 1 to 500 printable characters")
    return Settings(
        values=published.values if published else (),
        tag=published.tag if published else "",
        decisions=(str(decision),),
        reason=reason,
        name=name,
        is_mended=is_mended,
        host=host,
        port=port,
        is_exposed=is_exposed,
        wait_s=3600.0 if decision is Decision.ASK and published else wait_s,
    )


def _warn(published: "Published | None", settings: "Settings", shown: "Columns | Lines") -> None:
    if published is not None and len(published.values) == 1:
        shown.say("Only one number is published: its mean is that number.")
    if settings.is_exposed:
        shown.say("Exposed: whoever reaches this address reaches software without security fixes since 2021.")


def _where(settings: "Settings") -> str:
    from bench import duet as player

    host = "" if settings.host == "127.0.0.1" else f" --host {settings.host} --expose-unmaintained-software"
    return host + ("" if settings.port == player.PORT else f" --port {settings.port}")


def _environment() -> "Environment":
    from rich.console import Console

    from bench import duet as player
    from bench import environments, plugins

    console = Console(stderr=True)
    try:
        with console.status("PySyft 0.5's environment"):
            return environments.ensure(
                plugins.find("backends", player.BACKEND),
                report=lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True),
            )
    except environments.EnvironmentFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(UNAVAILABLE) from error


@contextmanager
def _shown(*sides: str) -> "Iterator[Columns | Lines]":
    from rich.console import Console

    from bench import duet_display

    with duet_display.make(Console(stderr=True), sides) as shown:
        yield shown


def _document(
    environment: "Environment", settings: "Settings", published: "Published | None", duets: "list[Played]"
) -> dict[str, Any]:
    from bench import duet as player
    from bench import machine

    last = duets[-1]
    problems = [problem for played in duets for problem in played.problems]
    result = last.step("get the result") or {}
    return {
        "schema": "bench.duet/1",
        "status": "failed" if problems else "done",
        "reason": problems[0] if problems else None,
        "mended": settings.is_mended if published else None,
        "decide": settings.decisions[0] if published else None,
        "data": {"tag": published.tag, "numbers": len(published.values), "source": published.source}
        if published
        else None,
        "versions": {**last.versions, "released": environment.released, "locked": environment.locked},
        "machine": machine.facts(),
        "result": {
            "decided": last.outcome("decide"),
            "request": last.outcome("request"),
            "mean": result.get("value"),
            "raw_open_before": player.is_open(last, "raw before"),
            "raw_open_after": player.is_open(last, "raw after"),
        },
        "repeats": len(duets),
        "steps": [{"repeat": number, **step} for number, played in enumerate(duets, 1) for step in played.steps],
        "latency": player.latencies(duets) if len(duets) > 1 else [],
    }


def _finish(document: dict[str, Any], duets: "list[Played]", as_json: bool) -> None:
    """Print what became of it, and leave with the right code."""
    from rich.console import Console

    console = Console(highlight=False)
    if as_json:
        print(json.dumps(document, indent=1, allow_nan=False))
    elif document["latency"]:
        _print_latencies(document, console)
    if not as_json and document["status"] == "done":
        console.print()
        for text, style in _verdict(document):
            console.print(text, style=style, markup=False, soft_wrap=True)
    if document["status"] == "failed":
        print(f"bench: {document['reason']}", file=sys.stderr)
        raise typer.Exit(1)


def _verdict(document: dict[str, Any]) -> list[tuple[str, str]]:
    result = document["result"]
    lines = []
    if result["request"] is None:
        lines.append((f"The request was {result['decided'] or 'never made'}.", "bold"))
    elif result["request"] == "accepted":
        lines.append((f"The request was accepted: the mean is {result['mean']:.6g}.", "bold"))
    else:
        lines.append((f"The request was {result['request']}: there is no mean.", "bold"))
    if result["raw_open_after"] is True:
        lines.append(("The raw data are OPEN: whoever may read the mean may read everything.", "bold red"))
    elif result["raw_open_after"] is False:
        lines.append(("The raw data were refused, before and after.", "green"))
    if document["mended"] is not None:
        state = "mended; other ways to the raw data stay open" if document["mended"] else "left as published"
        lines.append((f"PySyft 0.5.0's permission bug: {state} (bench duet trust).", "dim"))
    return lines


def _print_latencies(document: dict[str, Any], console: Any) -> None:
    from rich import box
    from rich.table import Table

    from bench.duet_display import latency

    table = Table("side", "step", box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in ("median", "95 % interval"):
        table.add_column(title, justify="right")
    for row in document["latency"]:
        interval = "" if row["low"] is None else f"{latency(row['low'])} to {latency(row['high'])}"
        table.add_row(row["side"], row["step"], latency(row["median"]), interval)
    console.print(table)
    console.print(f"{document['repeats']} repeats, each by three fresh processes; 95 % bootstrap interval.")
