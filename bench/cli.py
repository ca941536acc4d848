"""The command line. Only typer and the standard library are imported here: `bench --help` must not wait."""

import importlib
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bench import __version__
from bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.spec import Experiment

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""One federated experiment on several frameworks: proven equal, timed fairly, side by side.

    Start with:  bench run --backends torch,tff
    """,
)

Backends = Annotated[
    str | None,
    typer.Option(
        "--backends",
        "-b",
        help="Comma-separated names, NAME@VERSION for another version of a framework, or paths of adapter files."
        " The first is what the others' ratios are taken against. Left out: the experiment's own, or torch,tff.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Change a setting; a list, key=[1,2], makes a grid."),
]


@app.command()
def run(
    experiment: Annotated[
        str, typer.Argument(help="An experiment that ships (see bench list), or a TOML file.")
    ] = "quick",
    backends: Backends = None,
    settings: Settings = None,
    source: Annotated[
        str | None,
        typer.Option(help="Your data; images (a folder, CSV or ZIP): --set data.dataset=xray --set data.source=..."),
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Short for --set timing.repeats=N.")] = None,
    scale: Annotated[
        float | None,
        typer.Option(metavar="F", help="A shorter version: F, in (0, 1], times the rounds and samples; --set stays."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the run folders.")] = Path("runs"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew rather than go on with an unfinished run.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the cells, their digests and about how long they take; train nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON on standard output.")] = False,
    allow_skips: Annotated[bool, typer.Option("--allow-skips", help="A skipped backend is no failure.")] = False,
) -> None:
    """Run an experiment on several backends and print the comparison.

    \b
    bench run --backends torch,tff                      the quick experiment
    bench run my.toml --backends torch,./mine.py        your own spec, your own backend
    bench run quick --set federation.clients=[3,10]     a grid
    bench run --source FOLDER --set data.skip_bad=true  your own images
    bench run loading --backends torch,tff              what loading costs, from every form
    bench run privacy --backends torch,tff              what privacy costs
    bench run gesture --backends sklearn,torch,tff      gestures of a sensor, cross-validated
    bench run engines                                   today's engines beside each other
    bench run deck --scale 0.02 --backends torch,tff    the study, in small

    The same command goes on with a run that was interrupted. Exit codes: 0 all done; 1 a backend failed,
    was skipped, or failed its certificate; 2 bad input; 130 interrupted.
    """
    from rich.console import Console

    from bench import display, plugins, record, runner, store

    short = _sourced(experiment, source, settings or [])
    short |= {"timing.repeats": repeats} if repeats is not None else {}
    chosen = _experiment(experiment, [*short.items(), *(settings or [])], scale)
    names = list(chosen.backends) if backends is None else plugins.names(backends)
    console = Console(stderr=True)
    with display.make(console) as shown:
        if dry_run:
            labels = [runner.labels(names, companions) for companions in (False, True)]
            planned = runner.prepare(chosen, shown)
        else:
            folder, comparison = runner.run(chosen, names, out, shown, fresh, command=["bench", *sys.argv[1:]])
    if dry_run:
        _print_plan(planned, *labels)
        return
    if as_json:
        print(store.as_text(comparison), end="")
    else:
        print(_render("terminal", comparison, colour=sys.stdout.isatty()))
    told = f"Results: {folder} (to read: {folder / 'report.html'})"
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    with console.status("writing the report"):
        for name in ("markdown", "csv", "html", *_pictures(comparison)):
            try:
                _write_report(name, comparison, folder)
            except Exception as error:  # days of training may lie behind: they are kept, and told
                told = f"{name} could not be written: {error}; bench report {folder} --format {name} tries again"
                console.print(told, style="red", markup=False, highlight=False, soft_wrap=True)
    problems = record.problems(comparison, allow_skips)
    for problem in problems:
        console.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


@app.command(name="list")
def list_everything(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help="Only experiments (with cells and time), backends, datasets or reports."),
    ] = None,
    backends: Annotated[
        str | None,
        typer.Option("--backends", "-b", help="For list experiments: whose time is told. [default: the experiment's]"),
    ] = None,
) -> None:
    """Show the experiments, backends, datasets and reports that there are.

    bench list experiments also tells how many cells each has, the backends that it runs on where you name none, and
    about how long that takes on this machine.
    """
    from rich.console import Console
    from rich.table import Table

    from bench import environments, plugins, shipped

    known = ("experiments", "backends", "datasets", "reports")
    if kind is not None and kind not in known:
        raise UserError(f"bench list {kind}: there is no such kind; there are: {', '.join(known)}")
    console = Console()
    if kind == "experiments":
        _list_experiments(None if backends is None else plugins.names(backends), console)
    if kind is None:
        table = Table("experiment", "what it is", title="Experiments: bench run NAME", title_justify="left")
        for name, description in shipped.descriptions().items():
            table.add_row(name, description)
        console.print(table)
    if kind in (None, "backends"):
        table = Table("backend", "what it is", "framework", "environment", title="Backends", title_justify="left")
        for plugin in plugins.every("backends"):
            own = environments.built(plugin)
            version = f"{plugin.header.framework} {own.framework_version}" if own else plugin.header.framework or ""
            table.add_row(plugin.name, plugin.header.summary, version, "ready" if own else "built on first use")
        console.print(table)
    for other in ("datasets", "reports"):
        if kind in (None, other):
            table = Table(other[:-1], "what it is", title=other.capitalize(), title_justify="left")
            for plugin in plugins.every(other):
                table.add_row(plugin.name, plugin.header.summary)
            console.print(table)


@app.command()
def doctor() -> None:
    """Tell what is installed, what is missing, and the command that mends it."""
    from rich.console import Console

    from bench import doctor as examiner

    examiner.render(examiner.examine(), Console())


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[OTHER]", help="Another of the same experiment, to be set beside it.")
    ] = None,
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="html, figures, terminal, markdown, csv, accuracy-csv, or a path."),
    ] = "html",
) -> None:
    """Make the report of a finished run: a page to read, RUN/report.html.

    \b
    bench report RUN                         one page, complete in itself: RUN/report.html
    bench report RUN OTHER                   two runs of one experiment side by side: RUN/beside-OTHER.html
    bench report RUN --format figures        every picture as PNG and SVG: RUN/figures/
    bench report RUN --format terminal       print it: terminal, markdown, csv (a line a round)
    bench report RUN --format accuracy-csv   accuracy by round, as the study kept it
    """
    from rich.console import Console

    from bench import record

    comparison = record.load(run_folder)
    if other is not None:
        comparison = record.join(comparison, record.load(other))
    stem = f"beside-{other.resolve().name}" if other else None
    if form in _WRITTEN:
        with Console(stderr=True).status("drawing"):
            path = _write_report(form, comparison, run_folder, stem)
        print(path)
        return
    rendered = _render(form, comparison, colour=sys.stdout.isatty())
    beside = f"{form}-{stem}" if stem else None
    print(rendered if isinstance(rendered, str) else _write_report(form, comparison, run_folder, beside))


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A run folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another of the same experiment.")],
) -> None:
    """Put two runs side by side; refused where they didn't compute the same thing."""
    from bench import record

    print(_render("terminal", record.join(record.load(first), record.load(second)), colour=sys.stdout.isatty()))


@app.command()
def conformance(
    backend: Annotated[str, typer.Argument(help="A backend's name or the path of its adapter file.")],
    out: Annotated[Path | None, typer.Option(help="Keep the runs in this folder.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Only cases with this in their name, such as private.")
    ] = None,
    at_once: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", metavar="N", help="So many jobs at once, each with its share of the cores, and memory."
        ),
    ] = 1,
) -> None:
    """Tell whether a backend is right: train small cases beside the float64 reference.

    Unequal clients, momentum, odd last batches, several local epochs, drop-outs, batch normalisation: what
    exposes a backend that forgets, shuffles, or weights clients wrongly; with privacy, one that clips wrongly or
    adds too little noise, or the same twice. Exit 0 where every case passes.
    """
    from rich.console import Console

    from bench import conformance as suite
    from bench import display

    console = Console(stderr=True)
    with display.make(console) as shown:
        results = suite.run(backend, out, shown, only or (), at_once)
    print(suite.render(results))
    if any(result.status == "fail" for result in results):
        raise typer.Exit(1)


INTERRUPTED, INTERNAL = 130, 70  # an error of our own must not look like a verdict (sysexits.h: EX_SOFTWARE)
_GO_ON = (["run"], ["data"])  # commands that an interruption costs little
_WRITTEN = ("html", "figures")  # into the run folder, not onto standard output


def _experiment(name: str, settings: Sequence[str | tuple[str, Any]], scale: float | None) -> "Experiment":
    from bench import shipped, spec

    return spec.load(shipped.find(name), settings, scale)


def _sourced(name: str, source: str | None, settings: Sequence[str]) -> dict[str, Any]:
    """What --source stands for: the experiment's own data set reads it, or xray, where that is the made-up one."""
    from bench import spec

    if source is None:
        return {}
    own = _experiment(name, settings, None).cells[0].spec.data.dataset
    is_drawn = own == spec.Data().dataset
    return {"data.dataset": "xray" if is_drawn else own, "data.source": source}


def _list_experiments(names: Sequence[str] | None, console: "Console") -> None:
    from bench import drawing, preview, runner, shipped, spec
    from bench.estimate import Estimator

    found = [spec.load(path) for path in shipped.paths()]
    on = [(one, runner.labels(one.backends if names is None else names)) for one in found]
    drawing.draw(preview.experiments(on, Estimator()), console)


def _print_plan(cells: Sequence[Any], asked: Sequence[str], labels: Sequence[str]) -> None:
    """Print every cell, what privacy each spends, and the plans' digests, once where cells share a plan."""
    from rich.console import Console

    from bench import drawing, preview, privacy, privacy_table
    from bench.estimate import Estimator

    console = Console()
    drawing.draw(preview.cells(cells, asked, labels, Estimator()), console)
    for number, cell in enumerate(cells, start=1):
        spec = cell.cell.spec
        if spec.privacy:
            print(f"cell {number}: {cell.cell.name}" if cell.cell.name else "one cell")
            spent = privacy.entry(spec, cell.plan, cell.noise_multiplier, None)
            by_pld, by_rdp = (privacy_table.epsilon(spent[key]) for key in ("epsilon_pld", "epsilon_rdp"))
            print(f"  noise multiplier {cell.noise_multiplier:.4g}, delta {spec.privacy.delta:g}", end="")
            print(f": epsilon {by_pld} by PLD, {by_rdp} by RDP")
            for warning in spent["warnings"]:
                print(f"  {warning}")
    drawing.draw(preview.digests(cells), console)


def _render(name: str, comparison: dict[str, Any], colour: bool = False) -> str | bytes | dict[str, bytes]:
    from bench import plugins

    module = plugins.load_module(plugins.find("reports", name))
    rendered: str | bytes | dict[str, bytes]
    rendered = module.render(comparison, colour=colour) if name == "terminal" else module.render(comparison)
    return rendered.rstrip("\n") if isinstance(rendered, str) else rendered


def _pictures(comparison: dict[str, Any]) -> list[str]:
    """The reports that draw what this comparison is about."""
    drawn = ["loading-chart"] if comparison.get("loading", {}).get("arms") else []
    epsilons = [float(row["privacy"]["epsilon_pld"]) for row in comparison.get("privacy", ()) if row["privacy"]]
    return [*drawn, "accuracy-epsilon"] if any(map(math.isfinite, epsilons)) else drawn


def _write_report(name: str, comparison: dict[str, Any], folder: Path, stem: str | None = None) -> Path:
    """Write a page as report.html, a table as table.SUFFIX, pictures under the report's own name; or as `stem`."""
    from bench import plugins, store

    plugin = plugins.find("reports", name)
    rendered = _render(name, comparison)
    if isinstance(rendered, dict):
        path = folder / (stem or plugin.name)
        path.mkdir(exist_ok=True)
        for file, content in rendered.items():
            store.write_bytes(path / file, content)
        return path
    suffix = plugins.load_module(plugin).SUFFIX
    if isinstance(rendered, bytes):
        path = folder / f"{stem or plugin.name}{suffix}"
        store.write_bytes(path, rendered)
    else:
        path = folder / f"{stem or ('report' if name == 'html' else 'table')}{suffix}"
        store.write_text(path, rendered + "\n")
    return path


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    if version:
        print(f"fedbench {__version__}")
        raise typer.Exit


_MODULES = ("check", "data", "duet", "env", "gesture", "history", "privacy")


def _mount(named: str | None = None) -> None:
    """Mount the commands of other modules: all for who asks what there is, else the one that is `named`, if any."""
    own = {command.name or getattr(command.callback, "__name__", None) for command in app.registered_commands}
    for name in () if named in own else (named,) if named in _MODULES else _MODULES:
        module = importlib.import_module(f"bench.{name}_commands")
        if name == "check":
            app.command()(module.check)
        else:
            app.add_typer(module.app, name=name)


def main() -> NoReturn:
    """Run the command line; every expected fault becomes one line and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")  # so that it may stand anywhere
    signal.signal(signal.SIGTERM, _interrupt)
    _mount(next(iter(sys.argv[1:]), None))
    try:
        code = app(standalone_mode=False) or 0  # an Exit comes back as its code
    except Exception as error:
        if debug:
            raise
        code = _fault(error)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        goes_on = "; the same command goes on where it stopped" if sys.argv[1:2] in _GO_ON else ""
        print(f"bench: interrupted{goes_on}", file=sys.stderr)
    sys.stdout.flush()
    sys.exit(code)


def _fault(error: Exception) -> int:
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if hasattr(error, "show"):  # a usage error; typer says it well
        error.show()
        return 2
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, UserError):
        text = str(error)
    elif isinstance(error, OSError):
        text = f"{error.filename or 'this machine'}: {error.strerror or error}"
    else:
        text = f"internal error: {type(error).__name__}: {error} (run it again with --debug and report it)"
    print(f"bench: {text}", file=sys.stderr)
    return 2 if isinstance(error, UserError | OSError) else INTERNAL


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
