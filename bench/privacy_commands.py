"""`bench privacy`: what noise spends, what a budget allows, the study's own figures, and the audit of a backend."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bench.audit_commands import audit
from bench.errors import UserError
from bench.privacy_options import AsJson, Noise, Sampling, figure, print_json

if TYPE_CHECKING:
    from bench.accountant import Releases, Spent

app = typer.Typer(
    no_args_is_help=True,
    help="""Reckon with differential privacy; audit a backend's.

    \b
    bench privacy epsilon --noise 1.1 --samples 60000 --batch-size 256 --epochs 60
    bench privacy noise --epsilon 3 --samples 1004 --batch-size 20 --epochs 44
    bench privacy steps --epsilon 3 --noise 1.1 --rate 0.02
    bench privacy deck     the study's epsilons, and what they mean
    bench privacy audit    does a backend leak more than it reports?

    RDP (Renyi DP) and PLD (privacy loss distributions) are both upper bounds,
    PLD the tighter. They hold for one client; over clients whose data are
    disjoint the largest counts. bench run reports both for its own plan. Only
    audit trains: it shows a lower bound.
    """,
)


Target = Annotated[float, typer.Option("--epsilon", help="The epsilon to keep to, by PLD.")]
Rate = Annotated[
    float | None, typer.Option(help="How likely an example is to be in a batch; or give --samples and --batch-size.")
]
Samples = Annotated[int | None, typer.Option(min=1, help="Examples of one client.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Examples in a batch; the rate is batch size / samples.")]
Steps = Annotated[int | None, typer.Option(help="Batches in all (shuffled, without --samples: epochs); or --epochs.")]
Epochs = Annotated[
    int | None, typer.Option(min=0, help="Local epochs in all, each of samples / batch size steps, rounded up.")
]
Delta = Annotated[float, typer.Option(help="Well below 1 / samples.")]
How = Annotated[
    Sampling,
    typer.Option(help="poisson: each example joins each batch by itself. shuffled: one release an epoch, unamplified."),
]


@app.command()
def epsilon(
    noise: Noise,
    rate: Rate = None,
    samples: Samples = None,
    batch_size: BatchSize = None,
    steps: Steps = None,
    epochs: Epochs = None,
    delta: Delta = 1e-5,
    sampling: How = Sampling.POISSON,
    as_json: AsJson = False,
) -> None:
    """Tell what epsilon a noise multiplier spends.

    \b
    bench privacy epsilon --noise 1.5 --rate 0.04 --steps 2250
    bench privacy epsilon --noise 1 --samples 1004 --batch-size 20 --epochs 44
    bench privacy epsilon --noise 1 --epochs 44 --sampling shuffled
    """
    from bench import accountant

    work = _Work(rate, samples, batch_size, steps, epochs, sampling)
    releases = work.releases()
    _print(work, {"noise_multiplier": noise}, releases, delta, accountant.spent(noise, releases, delta), as_json)


@app.command(name="noise")
def find_noise(
    target: Target,
    rate: Rate = None,
    samples: Samples = None,
    batch_size: BatchSize = None,
    steps: Steps = None,
    epochs: Epochs = None,
    delta: Delta = 1e-5,
    sampling: How = Sampling.POISSON,
    as_json: AsJson = False,
) -> None:
    """Find the smallest noise multiplier that keeps to an epsilon, rounded up to four figures.

    \b
    bench privacy noise --epsilon 3 --rate 0.02 --steps 2244
    bench privacy noise --epsilon 3 --samples 1004 --batch-size 20 --epochs 44
    bench privacy noise --epsilon 3 --epochs 44 --sampling shuffled
    """
    from bench import accountant

    work = _Work(rate, samples, batch_size, steps, epochs, sampling)
    releases = work.releases()
    noise = accountant.noise_for(target, [releases], delta)
    found = {"target_epsilon": target, "noise_multiplier": noise}
    _print(work, found, releases, delta, accountant.spent(noise, releases, delta), as_json)


@app.command(name="steps")
def find_steps(
    target: Target,
    noise: Noise,
    rate: Rate = None,
    samples: Samples = None,
    batch_size: BatchSize = None,
    delta: Delta = 1e-5,
    sampling: How = Sampling.POISSON,
    as_json: AsJson = False,
) -> None:
    """Find how many steps (shuffled: epochs) keep to an epsilon.

    \b
    bench privacy steps --epsilon 3 --noise 1.1 --rate 0.02
    bench privacy steps --epsilon 3 --noise 1.1 --samples 1004 --batch-size 20
    bench privacy steps --epsilon 8 --noise 4 --sampling shuffled
    """
    from bench import accountant
    from bench.accountant import Releases

    work = _Work(rate, samples, batch_size, None, None, sampling)
    one = Releases(work.sampling_rate(), 1)
    most = accountant.steps_for(target, noise, one.rate, delta)
    if most == 0:
        least = accountant.spent(noise, one, delta).pld
        raise UserError(
            f"target epsilon {target:g} can't be met: one {work.unit} at noise multiplier {noise:g} already spends"
            f" {figure(least)} at delta {delta:g}; allow more epsilon, or find the noise with bench privacy noise"
        )
    releases = Releases(one.rate, most)
    found = {"target_epsilon": target, "noise_multiplier": noise}
    _print(work, found, releases, delta, accountant.spent(noise, releases, delta), as_json)


@app.command()
def deck(as_json: AsJson = False) -> None:
    """Compute the study's published epsilons once more, tell what its training really spent, and why they differ.

    \b
    bench privacy deck
    bench privacy deck --json
    """
    from bench.study import privacy as privacy_study

    if as_json:
        print_json(privacy_study.document())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    own = privacy_study.study()
    columns = "noise", "published", "recomputed", "Poisson\nRDP", "Poisson\nPLD", "shuffled\nRDP", "shuffled\nPLD"
    title = f"Epsilon at delta {own.delta:g}: {own.rounds} rounds, clipping norm {own.max_grad_norm:g}"
    table = Table(*columns, "accuracy\n(%)", title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for row in privacy_study.rows():
        spent = (row.poisson.rdp, row.poisson.pld, row.shuffled.rdp, row.shuffled.pld)
        told = (f"{row.published:.1f}", f"{row.recomputed:.1f}", *map(figure, spent), f"{row.accuracy:.2f}")
        table.add_row(f"{row.noise_multiplier:g}", *told)
    console = Console(highlight=False)
    console.print(table)
    note = "Published and accuracy: the study's. Poisson: had its batches been drawn so. Shuffled: as they were."
    for text in (note, *(f"{number}. {reason}" for number, reason in enumerate(privacy_study.reasons(), 1))):
        console.print(text, markup=False)


@dataclass(frozen=True)
class _Work:
    """What is released, as the options tell it."""

    rate: float | None
    samples: int | None
    batch_size: int | None
    steps: int | None
    epochs: int | None
    sampling: Sampling

    @property
    def unit(self) -> str:
        return "step" if self.sampling is Sampling.POISSON else "epoch"

    @property
    def assumption(self) -> str:
        if self.sampling is Sampling.SHUFFLED:
            return (
                "shuffled: an example is in one batch an epoch, and the order may be known, so an epoch is one release"
                " and no amplification is claimed. Neighbours: one example's gradient zeroed out."
            )
        return (
            "Poisson: each example joins each batch by itself, by a draw that nobody else knows. Neighbours: one"
            " example's gradients left out. Batches of a fixed size, shuffled, aren't that: --sampling shuffled."
        )

    @property
    def steps_an_epoch(self) -> int | None:
        """None without --samples and --batch-size."""
        if (self.samples is None) != (self.batch_size is None):
            given, lacking = ("--samples", "--batch-size") if self.batch_size is None else ("--batch-size", "--samples")
            raise UserError(f"{given}: needs {lacking} beside it")
        if self.samples is None or self.batch_size is None:
            return None
        return math.ceil(self.samples / self.batch_size)

    def sampling_rate(self) -> float:
        """Return the rate; raise UserError where options lack or contradict each other."""
        an_epoch = self.steps_an_epoch
        if self.sampling is Sampling.SHUFFLED:
            if self.rate is not None:
                raise UserError("--rate: shuffled batches claim no amplification; leave --rate out, or draw by poisson")
            return 1.0
        if self.rate is not None and an_epoch is not None:
            raise UserError("--rate: give it, or --samples and --batch-size; not both")
        if self.rate is not None:
            return self.rate
        if self.samples is None or self.batch_size is None:
            raise UserError("the sampling rate is missing: give --rate, or --samples and --batch-size")
        return min(1.0, self.batch_size / self.samples)

    def releases(self) -> "Releases":
        """Return what is released; raise UserError where options lack or contradict each other."""
        from bench.accountant import Releases

        rate, an_epoch = self.sampling_rate(), self.steps_an_epoch
        if (self.steps is None) == (self.epochs is None):
            what = "is missing" if self.steps is None else "is given twice"
            raise UserError(f"the length of the training {what}: give --steps or --epochs, one of them")
        if self.sampling is Sampling.SHUFFLED:
            return Releases(rate, self._epochs(an_epoch))
        if self.steps is not None:
            return Releases(rate, self.steps)
        if an_epoch is None or self.epochs is None:
            raise UserError("--epochs: needs --samples and --batch-size, which tell the steps of an epoch; or --steps")
        return Releases(rate, self.epochs * an_epoch)

    def _epochs(self, an_epoch: int | None) -> int:
        if self.epochs is not None:
            return self.epochs
        assert self.steps is not None
        return self.steps if an_epoch is None else math.ceil(self.steps / an_epoch)


def _print(
    work: _Work, found: dict[str, float], releases: "Releases", delta: float, spent: "Spent", as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                **found,
                "sampling": str(work.sampling),
                "rate": releases.rate,
                f"{work.unit}s": releases.steps,
                "delta": delta,
                "epsilon": asdict(spent),
                "assumption": work.assumption,
            }
        )
        return
    from rich.console import Console

    from bench.accountant import MOST_STEPS
    from bench.privacy import delta_warnings

    lines = {key.replace("_", " "): f"{value:.4g}" for key, value in found.items()}
    if work.sampling is Sampling.POISSON:
        lines["sampling rate"] = f"{releases.rate:.4g}"
    an_epoch = work.steps_an_epoch
    told = f" ({releases.steps / an_epoch:.4g} epochs)" if an_epoch and work.sampling is Sampling.POISSON else ""
    told = " or more: no more are looked at" if releases.steps == MOST_STEPS else told
    lines[f"{work.unit}s"] = f"{releases.steps}{told}"
    lines["delta"] = f"{delta:g}"
    lines["epsilon, RDP"] = figure(spent.rdp)
    lines["epsilon, PLD"] = figure(spent.pld)
    for name, text in lines.items():
        print(f"{name:<16}  {text}")
    console = Console(highlight=False)
    for warning in delta_warnings(delta, work.samples, "example") if work.samples else ():
        console.print(warning, markup=False)
    console.print(f"Assumed, {work.assumption}", markup=False)


app.command()(audit)
