"""`bench history`: results by commit and machine in one file; where they step, as a picture, as files."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.history.rows import Row
    from bench.history.series import Series
    from bench.history.steps import Step

app = typer.Typer(
    no_args_is_help=True,
    help="""Results by commit and machine, kept in one SQLite file.

    \b
    bench history add runs/quick-20260101-120000   keep what a run measured
    bench history list                             which series there are
    bench history show --metric round_s            one, commit by commit
    bench history steps                            which commits made it step
    bench history plot --out history.png

    A series is one metric of one backend, on one machine, of the same work: data,
    plan, initial weights, settings and threads. Others are never mixed with it.

    The file is --database, else $BENCH_HISTORY, else .bench/history.sqlite in the
    root of the git repository, or in this folder where there is none. Several
    processes may add at once. A file that is damaged, newer or something else is
    left as it is, and told. More: docs/history.md.
    """,
)

Database = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="BENCH_HISTORY",
        help="The history; without it .bench/history.sqlite in the git root, or else in this folder.",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SERIES]...", help="Names, as bench history list shows them, or beginnings."),
]
OfExperiment = Annotated[str | None, typer.Option("--experiment", help="Only of this experiment.")]
OfBackend = Annotated[str | None, typer.Option("--backend", help="Only of this backend.")]
OfMetric = Annotated[str | None, typer.Option("--metric", help="Only this metric, such as round_s.")]
OfMachine = Annotated[
    str | None, typer.Option("--machine", help="Only on this machine, as bench history list shows it.")
]
OnBranch = Annotated[str | None, typer.Option("--branch", help="Only results of this branch.")]
Confidence = Annotated[
    str,
    typer.Option(
        metavar="99%", help="How rarely a series without a step may be said to have one: 99% is once in a hundred."
    ),
]


@app.command()
def add(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Run folders, and JSON of bench check, pytest-benchmark or bench history export.",
        ),
    ],
    database: Database = None,
    commit: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="The commit that was measured; without it the one that the file tells, else this folder's HEAD."
            " An exported history keeps its own.",
        ),
    ] = None,
) -> None:
    """Keep results: all of them or, where one can't be read, none.

    \b
    bench history add runs/quick-20260101-120000
    bench history add check.json benchmark.json
    bench history add runs/quick-20260101-120000 --commit v1.2
    bench history add one.json other.json --database all.sqlite

    \b
    From                   what is kept
    a run folder           round_s, round_calibrated, round_cpu_s, load_s,
                           first_round_s, peak_rss_bytes, accuracy, epsilon,
                           by backend and cell
    bench check's JSON     the same of the head side, but first_round_s, epsilon
    pytest-benchmark JSON  call_s of each benchmark

    round_calibrated is a round's time over that of a kernel of fedbench's own,
    run beside it: what slows the whole machine is in both, and mostly drops out.

    What was added before is not added twice. A tree with uncommitted changes is
    recorded as such, and steps leave it out. A backend that failed its
    certificate is left out and told: it didn't do the same work.

    Exit codes: 0 kept; 2 bad input, and nothing was changed.
    """
    import sys

    from bench.history import recording

    for line in recording.add(results, database, commit, Path.cwd()):
        print(line, file=sys.stderr)


@app.command(name="list")
def list_series(
    database: Database = None,
    experiment: OfExperiment = None,
    backend: OfBackend = None,
    metric: OfMetric = None,
    machine: OfMachine = None,
    branch: OnBranch = None,
) -> None:
    """Show which series there are: of what, on which machine, how many commits.

    \b
    bench history list
    bench history list --backend torch
    """
    from rich.console import Console

    from bench import drawing
    from bench.history import tables

    for table in tables.listings(_chosen(database, None, experiment, backend, metric, machine, branch)):
        drawing.draw(table, Console())


@app.command()
def show(
    names: Names = None,
    database: Database = None,
    experiment: OfExperiment = None,
    backend: OfBackend = None,
    metric: OfMetric = None,
    machine: OfMachine = None,
    branch: OnBranch = None,
) -> None:
    """Show series commit by commit: the median, and its change against the commit before.

    \b
    bench history show 3f1c
    bench history show --experiment quick --backend torch --metric round_s
    """
    from rich.console import Console

    from bench import drawing
    from bench.history import tables

    for one in _chosen(database, names, experiment, backend, metric, machine, branch):
        drawing.draw(tables.commits(one), Console())


@app.command()
def steps(
    names: Names = None,
    database: Database = None,
    experiment: OfExperiment = None,
    backend: OfBackend = None,
    metric: OfMetric = None,
    machine: OfMachine = None,
    branch: OnBranch = None,
    confidence: Confidence = "99%",
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit 1 if a series that reaches the newest commit stepped for the worse.")
    ] = False,
    within: Annotated[
        int, typer.Option(min=1, metavar="N", help="With --fail: only by a step among the newest N commits.")
    ] = 20,
) -> None:
    """Find the commits at which a series stepped to another level, and tell by how much.

    \b
    bench history steps
    bench history steps --metric round_s --confidence 99.9%
    bench history steps --branch main --metric round_calibrated --fail

    A commit counts once, by its median. Whatever the noise's distribution, a
    series without a step has one found with a chance of at most 1 %, or what
    --confidence leaves; 99% asks for twelve commits at least. A step says that
    numbers moved there: on a shared machine, neighbours move seconds as well, and
    round_calibrated less. bench check measures two commits side by side, and tells
    whether code did it.

    Exit codes: 0 looked at, whatever was found; 1 with --fail, a step for the
    worse (more time, memory or epsilon, less accuracy); 2 bad input.
    """
    from rich.console import Console

    from bench.history import tables
    from bench.history.steps import least_points

    level = _level(confidence)
    found = _chosen(database, names, experiment, backend, metric, machine, branch)
    own = _steps(found, level)
    clean = {one.name: one.clean for one in found if one.clean}
    for name, one in clean.items():
        for step in own[name]:
            print(tables.step_line(one, step))
    least = least_points(level)
    looked = [one for one in clean.values() if len(one.points) >= least]
    short = len(found) - len(looked)
    told = f"{len(looked)} series looked at: {len(looked) * (1 - level):.2g} of them would step by chance"
    if short:
        told += f"; {short} have fewer than the {least} clean commits that {confidence} needs"
    Console(stderr=True).print(told, markup=False, highlight=False, soft_wrap=True)
    if not fail:
        return
    newest = max(point.when for one in clean.values() for point in one.points)[2] if clean else None
    for name, one in clean.items():
        recent = [step for step in own[name] if len(one.points) - step.place <= within]
        reaches = one.points[-1].commit == newest
        if reaches and recent and tables.is_worse(one, replace(recent[-1], before=recent[0].before)):
            raise typer.Exit(1)


@app.command()
def plot(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture: .png or .svg.")],
    names: Names = None,
    database: Database = None,
    experiment: OfExperiment = None,
    backend: OfBackend = None,
    metric: OfMetric = None,
    machine: OfMachine = None,
    branch: OnBranch = None,
    confidence: Confidence = "99%",
) -> None:
    """Draw series over commits, a panel a metric, with their steps.

    \b
    bench history plot --out history.png
    bench history plot --experiment quick --metric round_s --out rounds.svg

    A point is a commit's median, the band the middle half of its values; a hollow
    point is a tree with uncommitted changes.
    """
    from bench import store
    from bench.charts import chart
    from bench.history import plotting

    if out.suffix not in (".png", ".svg"):
        raise UserError(f"--out {out}: a picture is a .png or a .svg")
    found = _chosen(database, names, experiment, backend, metric, machine, branch)
    figure = plotting.draw(found, _steps(found, _level(confidence)))
    store.write_bytes(out, chart.png(figure) if out.suffix == ".png" else chart.svg(figure).encode())
    print(out)


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", "-f", metavar="FORMAT", help="csv, json or pytest-benchmark.")],
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="The file; for pytest-benchmark a folder, with a file a commit.")
    ],
    names: Names = None,
    database: Database = None,
    experiment: OfExperiment = None,
    backend: OfBackend = None,
    metric: OfMetric = None,
    machine: OfMachine = None,
    branch: OnBranch = None,
) -> None:
    """Write the rows for other programs.

    \b
    bench history export --format csv --out history.csv
    bench history export --format json --out history.json
    bench history export --format pytest-benchmark --out benchmarks

    bench history add reads json and pytest-benchmark back to the same rows.
    pytest-benchmark gets what is in seconds, and shows it:

    \b
    pytest-benchmark compare benchmarks/*.json
    """
    from bench.history import exporting

    rows = [row for one in _chosen(database, names, experiment, backend, metric, machine, branch) for row in one.rows]
    print(exporting.export(rows, form, out))


def _chosen(
    database: Path | None,
    names: list[str] | None,
    experiment: str | None,
    backend: str | None,
    metric: str | None,
    machine: str | None,
    branch: str | None,
) -> "list[Series]":
    from bench.history.series import Choice, choose

    return choose(_rows(database), Choice(names or (), experiment, backend, metric, machine, branch))


def _rows(database: Path | None) -> "list[Row]":
    from bench.history import database as file
    from bench.history import recording

    return file.read(database or recording.default_database(Path.cwd()))


def _steps(found: "list[Series]", level: float) -> "dict[str, list[Step]]":
    """The steps of each series, by its name; none where all its commits had changes."""
    from rich.console import Console

    from bench.history.steps import find

    with Console(stderr=True).status("looking for steps"):
        return {
            one.name: find([point.value for point in one.clean.points], level) if one.clean else [] for one in found
        }


def _level(text: str) -> float:
    """A confidence, 99% or 0.99, as a share."""
    try:
        level = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        level = 0.0
    if not 0.5 <= level <= 0.999:
        raise UserError(f"--confidence {text}: it has to be from 50% to 99.9%")
    return level
