"""`bench check`: did this change make training slower?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.regression.check import Display, Rules
    from bench.regression.subjects import Asked

MAX_SLOWDOWN, MAX_ACCURACY_DROP = "5%", "1%"


def check(
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REF|RUN|FILE",
            help="A git ref, a run folder, or a file: comparison.json, or what --out FILE of an earlier check wrote."
            " Left out: two versions of one backend, --backends tff@0.86.0,tff.",
        ),
    ] = None,
    backends: Annotated[
        str, typer.Option("--backends", "-b", help="Comma-separated names, NAME@VERSION, or paths of adapter files.")
    ] = "torch",
    experiment: Annotated[
        str, typer.Option("--experiment", "-e", help="What is trained: an experiment (bench list), or a TOML file.")
    ] = "quick",
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Change a setting, on both sides.")
    ] = None,
    scale: Annotated[float | None, typer.Option(metavar="F", help="A shorter version, as of bench run.")] = None,
    max_slowdown: Annotated[
        str, typer.Option(metavar="SHARE", help="How much slower, or larger, is still well: 5% or 0.05.")
    ] = MAX_SLOWDOWN,
    max_accuracy_drop: Annotated[
        str, typer.Option(metavar="SHARE", help="How much lower the accuracy may be: 1% is one point.")
    ] = MAX_ACCURACY_DROP,
    confidence: Annotated[
        str, typer.Option(metavar="SHARE", help="That no verdict of this check is wrong by chance.")
    ] = "99%",
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="When to stop undecided: 90s, 10m, 1h of measuring.")
    ] = "10m",
    undecided: Annotated[
        str | None, typer.Option(metavar="pass|fail", help="What an undecided check is: exit 0, or 1; without it 3.")
    ] = None,
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test", help="Check the check: identical code, and code slowed by 5 and 10 %, for --self-test-time."
        ),
    ] = False,
    self_test_time: Annotated[
        str, typer.Option(metavar="TIME", help="How long --self-test measures real pairs.")
    ] = "30m",
    trials: Annotated[
        int, typer.Option(min=100, max=100_000, help="Trials of each kind that --self-test makes of them.")
    ] = 1000,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Keep the result: also a baseline for another --against.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Also write JUnit XML.")] = None,
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Also add Markdown to a file, as $GITHUB_STEP_SUMMARY is.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE.sqlite", help="Also keep what was measured: see bench history.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Tell whether training got slower, loading too, or memory larger, and be right about it on a noisy machine.

    \b
    bench check --against main                                  this working tree against a commit
    bench check --against main -b ./mine.py -e my.toml          your own backend and experiment
    bench check -b tff@0.86.0,tff                               a new release of a framework
    bench check --against runs/quick-20261125-101500            what was measured earlier: weaker

    Base and head train the same plan in fresh processes that take turns, round by round, until the interval of
    their ratio lies wholly above 1 + max-slowdown (slower) or wholly below (not slower), or the budget is spent
    (undecided). The head must also hold its certificate, its accuracy and its epsilon.

    Exit codes: 0 not slower; 1 slower, or a gate failed; 2 bad input, or nothing was measured; 3 undecided.
    """
    import json

    from rich.console import Console

    from bench import plugins, store
    from bench.history import recording
    from bench.regression import check as checking
    from bench.regression import github, progress, terminal, verdicts
    from bench.regression import junit as junit_report
    from bench.regression.subjects import Asked

    if undecided not in (None, "pass", "fail"):
        raise UserError(f"--undecided {undecided}: must be pass or fail")
    rules = checking.Rules(
        max_slowdown=_share(max_slowdown, "--max-slowdown", 10.0),
        max_accuracy_drop=_share(max_accuracy_drop, "--max-accuracy-drop", 1.0),
        confidence=_confidence(confidence),
        budget_s=_seconds(budget, "--budget"),
        undecided=undecided or "exit 3",
    )
    for option, path in (("--out", out), ("--junit", junit), ("--summary", summary), ("--history", history)):
        if path is not None and not path.resolve().parent.is_dir():
            raise UserError(f"{option} {path}: there is no folder {path.parent}")
        if path is not None and path.is_dir():
            raise UserError(f"{option} {path}: is a folder; give a file")
    ruled = (max_slowdown, max_accuracy_drop) != (MAX_SLOWDOWN, MAX_ACCURACY_DROP)
    if self_test and any((against, ruled, junit, summary, history, as_json, undecided)):
        told = (
            "--against, --max-slowdown, --max-accuracy-drop, --junit, --summary, --history, --json and --undecided are"
            " not for it"
        )
        raise UserError(f"--self-test compares identical code: {told}; --out keeps its result")
    if history is not None:
        recording.refuse_unusable(history)
    asked = Asked(experiment, settings or [], scale, plugins.names(backends))
    if self_test:
        _test_itself(asked, rules, _seconds(self_test_time, "--self-test-time"), trials, out)
        return
    console = Console(stderr=True)
    with progress.Shown(console) as shown:
        document = _checked(asked, against, rules, shown)
    if as_json:
        print(json.dumps(document, indent=1), flush=True)
    else:
        terminal.show(document)  # before any file: what took minutes must not be lost with a full disk
        if os.environ.get("GITHUB_ACTIONS") == "true":
            print("\n".join(github.annotations(document)))
    if out is not None:
        store.write_text(out, json.dumps(document, indent=1) + "\n")
    if junit is not None:
        store.write_text(junit, junit_report.render(document))
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(github.summary(document))
    code = verdicts.exit_code(document)
    if history is not None:
        try:
            kept = recording.record_check(document, history)
        except UserError as error:
            if not code:
                raise
            kept = [f"--history {history}: nothing was kept: {error}"]
        for told in kept:
            console.print(told, markup=False, highlight=False, soft_wrap=True)
    if code:
        raise typer.Exit(code)


def _checked(asked: "Asked", against: str | None, rules: "Rules", shown: "Display") -> dict[str, Any]:
    from bench.regression import check as checking
    from bench.regression import subjects

    if against is None:
        return checking.run(subjects.against_version(asked, shown), rules, shown)
    if Path(against).is_file() or (Path(against) / "run.json").exists():  # a folder may be called as a branch is
        return checking.run(subjects.against_file(asked, Path(against), shown), rules, shown)
    with subjects.against_ref(asked, against, shown) as subject:
        return checking.run(subject, rules, shown)


def _test_itself(asked: "Asked", rules: "Rules", seconds: float, count: int, out: Path | None) -> None:
    import json

    from rich.console import Console

    from bench import drawing, store
    from bench.regression import progress, selftest, subjects, trials
    from bench.regression.check import verdicts

    with progress.Shown(Console(stderr=True)) as shown:
        subject = subjects.against_itself(asked, shown)
        recorded = selftest.record(subject, seconds, shown)
        found = selftest.judge(recorded, rules.confidence, rules.budget_s, count, shown)
    if out is not None:
        store.write_text(out, json.dumps(selftest.document(subject, recorded, found), indent=1) + "\n")
    most = selftest.most(recorded, rules.budget_s)
    setup = trials.Setup(rules.max_slowdown, rules.confidence, verdicts(1), most, count)
    for table in trials.tables(found, setup):
        drawing.draw(table, Console())


def _share(text: str, option: str, most: float) -> float:
    """5% or 0.05 as 0.05. Raises UserError for anything else."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise UserError(f"{option} {text}: must be a share such as 5% or 0.05, at most {most:g}")
    return value


def _confidence(text: str) -> float:
    value = _share(text, "--confidence", 1.0)
    if not 0.5 <= value < 1:
        raise UserError(f"--confidence {text}: must be at least 50% and below 100%")
    return value


def _seconds(text: str, option: str) -> float:
    """90s, 10m, 1h or 90 as seconds. Raises UserError for anything else."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = -1.0
    if not 1 <= value <= 7 * 24 * 3600:
        raise UserError(f"{option} {text}: must be a time such as 90s, 10m or 1h, from a second to a week")
    return value
