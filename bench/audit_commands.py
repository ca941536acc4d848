"""`bench privacy audit`: does a backend leak more than it reports?"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.privacy_options import AsJson, Noise, Sampling, figure, print_json

if TYPE_CHECKING:
    from bench.audit import Finding, Settings


class Engine(StrEnum):
    """Who clips and adds noise."""

    STOCK = "stock"
    FUSED = "fused"


def audit(
    backends: Annotated[
        str, typer.Option("--backends", "-b", help="Comma-separated names, or paths of adapter files.")
    ] = "torch,tff",
    noise: Noise = 4.0,
    max_grad_norm: Annotated[
        float, typer.Option(help="L2 norm that each canary's gradient, of about 2, is clipped to.")
    ] = 0.1,
    canaries: Annotated[
        int, typer.Option(min=20, max=2000, help="How many; the most that can be shown grows by their logarithm.")
    ] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of training, a local epoch each.")] = 3,
    sampling: Annotated[
        Sampling,
        typer.Option(help="poisson: each joins each batch by itself. shuffled: each is in one batch an epoch."),
    ] = Sampling.POISSON,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Canaries in a batch; default all that are in: the strongest audit.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="stock: the framework's own privacy library. fused: fedbench's faster equal.")
    ] = Engine.STOCK,
    delta: Annotated[float, typer.Option(help="Well below 1 / canaries.")] = 1e-5,
    repeats: Annotated[int, typer.Option(min=1, help="Trainings, each on new canaries, judged together.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Keep the runs in this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train on canaries and show how much a backend leaks at least, beside what it reports.

    \b
    bench privacy audit --backends torch,tff
    bench privacy audit --backends torch --engine fused --noise 1 --rounds 1
    bench privacy audit --backends ./mine.py --repeats 5

    A coin decides for each canary, an image with pixels of its own, whether it
    is trained on. From the weights before and after, the coins are guessed. The
    more guesses are right, the larger epsilon must be, with 95 % confidence
    (Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training
    Run").

    Above the reported epsilon, this shows a fault: too little noise, clipping
    that doesn't clip, wrong accounting. Below it nothing is proven: a bound near
    0 is no proof of privacy. It says that this attack, with so many canaries,
    found no more. Nor can any find more than their number allows, which is told;
    so audit with noise that reports less than that. A clipping norm far below
    the gradients' lets missing clipping show.

    Exit codes: 0 nothing found; 1 a backend leaks more than it reports, or could
    not be audited; 2 bad input.
    """
    from rich.console import Console

    from bench import audit as auditor
    from bench import display, plugins

    settings = auditor.Settings(
        noise_multiplier=noise,
        max_grad_norm=max_grad_norm,
        canaries=canaries,
        rounds=rounds,
        sampling=str(sampling),
        engine=str(engine),
        delta=delta,
        batch_size=batch_size,
        repeats=repeats,
    )
    names = plugins.names(backends)
    with display.make(Console(stderr=True)) as shown:
        findings = auditor.run(settings, names, out, shown)
    if as_json:
        print_json(auditor.document(settings, findings))
    else:
        _print(settings, findings)
    if any(one.is_violated or one.problem for one in findings):
        raise typer.Exit(1)


def _print(settings: "Settings", findings: "Sequence[Finding]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from bench import audit as auditor
    from bench.guesses import CONFIDENCE, ceiling

    most = ceiling(settings.canaries, settings.repeats, settings.delta)
    columns = "backend", "epsilon\nreported", "epsilon\nat least", "guesses", "right", "verdict"
    table = Table(*columns, box=box.SIMPLE_HEAD, padding=0)
    for one in findings:
        told = ["", "", "", ""]
        if one.bound is not None and one.reported is not None:
            guesses = one.bound.guesses
            told = [figure(one.reported), figure(one.bound.epsilon), str(guesses.made), str(guesses.right)]
        table.add_row(one.backend, *told, auditor.verdict(one))
    console = Console(highlight=False)
    console.print(table)
    trainings = f" in each of {settings.repeats} trainings" if settings.repeats > 1 else ""
    console.print(
        f"Reported: by PLD at delta {settings.delta:g}. At least: with {CONFIDENCE:.0%} confidence a backend,"
        f" from {settings.canaries} canaries{trainings}. No proof of privacy, however low."
    )
    console.print(f"The most that so many canaries can show: {most:.3g}.")
    if any(one.reported is not None and one.reported > most for one in findings):
        console.print(
            "What is reported above that can't be refuted here: audit with more noise or fewer rounds, where less is."
        )
