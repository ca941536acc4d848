"""Where the time of a round goes: compute, data feed, aggregation and harness, by backend.

    python -m tests.benchmarks.round_parts torch tff
    python -m tests.benchmarks.round_parts torch --groups 5 --set federation.clients=10

Of each backend three processes are alive and train a round each in turn. One trains the plan. The others train the same
cohorts, but of each client no more than a few steps on one sample: a line through the two, followed back to no step at
all, is a round in which nothing is trained. What is left of it, starting every client from the model and averaging, is
*aggregation*. (torch takes a client without any batch, and --steps 0,3 asks it directly. TFF doesn't: nobody's examples
have no mean.) *Feed* is read by one more process, which trains nothing, before the others begin. *Harness* is what
passes between giving a turn and its answer, less the round's own seconds: reading the round's plan, looking at the
process group before and after, the event, and waking up. *Compute* is the rest.

Told are medians over rounds and shares with 95 % bootstrap intervals, groups of processes drawn first and rounds within
them. The first round is warm-up, and the last is followed by evaluation: neither counts. The allocator's thresholds are
fixed, as in `harness_cost`. Exit code 1 where the harness' share is above 1 %.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench import drawing, events, live_rounds, machine
from bench.display import Plain
from bench.errors import UserError
from bench.jobs import Job
from bench.layout import Table, figures
from bench.live_rounds import LiveRounds
from bench.plan import Plan
from bench.turns import TurnTaker
from tests.benchmarks.harness_cost import ALLOCATOR

ALLOWED = 0.01  # the harness' share of a round
DRAWS = 1000
PASSES = 5
Steps = tuple[int, int]
NOTES = (
    "A part is a difference between processes that take turns on one machine; one that comes out negative is too small"
    " to be told.",
    "Aggregation has in it what it takes to start a client (its optimizer; TFF's data set of it), and what its first"
    " step takes beyond a later one. What a framework does with a batch that was fed (scaling, another layout, TFF's"
    " way into its own process) is compute.",
    "Feed is read alone; where a framework reads ahead or trains clients in parallel, parts overlap, and compute is"
    " what they leave.",
    "The harness' part includes waiting for a turn, which bench run does without.",
)


@dataclass(frozen=True)
class Group:
    """What processes that took turns have shown, in seconds.

    rounds: float64 (4, n), of each round that counts: the plan's as waited for and by its own clock, and the two few
    steps' by theirs; feed: float64 (passes,), of a round's batches read alone; said: the plan's `events.Round`s.
    """

    rounds: np.ndarray
    feed: np.ndarray
    said: Sequence[Any]


def thinned(whole: Plan, steps: int) -> Plan:
    """Return the plan with so many batches a client and round, each of the first sample alone that it trains on."""
    arrays = dict(whole.arrays)
    slots = len(arrays["slot_seeds"])
    firsts = arrays["batch_samples"][arrays["batch_offsets"][arrays["slot_batches"][:-1]]]
    arrays |= {
        "slot_batches": np.arange(slots + 1) * steps,
        "batch_samples": np.repeat(firsts, steps),
        "batch_offsets": np.arange(slots * steps + 1),
        "slot_examples": np.full(slots, max(1, steps)),
    }
    return replace(whole, arrays=arrays)


def measure(job: Job, steps: Steps) -> Group:
    """Let the processes of one group take turns, round by round."""
    if job.rounds < 3:
        raise UserError(f"federation.rounds = {job.rounds}: must be at least 3, the first and the last don't count")
    if job.cell.cell.spec.privacy:
        raise UserError("privacy: a plan cut to a few steps is no draw any more: leave [privacy] out")
    feed = _feed(job)
    taking_turns = [job, *(_few_steps(job, number) for number in steps)]
    with contextlib.ExitStack() as stack:
        lives = [stack.enter_context(live_rounds.live(one)) for one in taking_turns]
        told: list[list[tuple[Any, float]]] = [[] for _ in lives]
        for number in range(job.rounds - 1):
            for place in range(len(lives)):
                own = (place + number) % len(lives)
                told[own].append(_round(lives[own]))
    whole, few, more = told
    counted = [
        [waited for _, waited in whole],
        *([event.seconds for event, _ in own] for own in (whole, few, more)),
    ]
    return Group(np.array(counted)[:, 1:], feed, [event for event, _ in whole])


def _few_steps(job: Job, steps: int) -> Job:
    folder = job.folder.with_name(f"steps-{steps}")
    thinned(job.cell.plan, steps).save(folder / "plan")
    return replace(job, folder=folder, plan=folder / "plan")


def _round(live: LiveRounds) -> tuple[Any, float]:
    """Return the event of a round, and the seconds that passed for who waited for it."""
    started = time.perf_counter()
    said = live.turn()
    waited = time.perf_counter() - started
    (own,) = (event for event in said if isinstance(event, events.Round))
    return own, waited


def _feed(job: Job) -> np.ndarray:
    """Return the seconds that a round's batches take to be read alone, of several rounds."""
    spec, arrays = job.cell.cell.spec, job.cell.plan.arrays
    timing = spec.timing.model_copy(update={"loading_passes": min(PASSES, job.rounds)})
    cell = replace(job.cell.cell, spec=spec.model_copy(update={"timing": timing}))
    reading = replace(job, cell=replace(job.cell, cell=cell), folder=job.folder.with_name("feed"))
    with TurnTaker(reading) as taker:
        passes = [event for event in LiveRounds(taker).turn() if isinstance(event, events.Fed)]
    planned = np.diff(arrays["batch_offsets"][arrays["slot_batches"][arrays["cohort_offsets"]]])
    return np.array([one.seconds * planned[one.number - 1] / one.samples for one in passes])


def parts(rounds: np.ndarray, feed: np.ndarray, steps: Steps) -> dict[str, float]:
    """Return the seconds of each part, which are together the median of a round as waited for; see `Group`."""
    waited, own, few, more = rounds
    low, high = steps
    found = {
        "feed": float(np.median(feed)),
        "aggregation": float(np.median((high * few - low * more) / (high - low))),
        "harness": float(np.median(waited - own)),
    }
    return {"compute": float(np.median(waited)) - sum(found.values())} | found


def shares(groups: Sequence[Group], steps: Steps) -> dict[str, tuple[float, float, float]]:
    """Return each part's share of a round with its 95 % interval, groups drawn first and rounds within them."""
    stream = np.random.RandomState(0)  # the same numbers give the same interval
    drawn = []
    for _ in range(DRAWS):
        picked = [groups[place] for place in stream.randint(len(groups), size=len(groups))]
        rounds = [one.rounds[:, stream.randint(one.rounds.shape[1], size=one.rounds.shape[1])] for one in picked]
        feed = [one.feed[stream.randint(len(one.feed), size=len(one.feed))] for one in picked]
        drawn.append(_shares(parts(np.concatenate(rounds, axis=1), np.concatenate(feed), steps)))
    bounds = {name: np.percentile([own[name] for own in drawn], [2.5, 97.5]) for name in drawn[0]}
    own = _shares(seconds(groups, steps))
    return {name: (own[name], float(low), float(high)) for name, (low, high) in bounds.items()}


def seconds(groups: Sequence[Group], steps: Steps) -> dict[str, float]:
    """Return the seconds of each part over all groups."""
    return parts(
        np.concatenate([one.rounds for one in groups], axis=1), np.concatenate([one.feed for one in groups]), steps
    )


def _shares(own: Mapping[str, float]) -> dict[str, float]:
    whole = sum(own.values())
    return {name: value / whole for name, value in own.items()}


def table(found: Mapping[str, Sequence[Group]], steps: Steps) -> Table:
    """Return a row a part, two columns a backend: milliseconds, and the share of a round."""
    columns, by_part = [""], {name: [name] for name in ("compute", "feed", "aggregation", "harness", "a round")}
    for backend, groups in found.items():
        columns += [f"{backend}: ms", "share"]
        own, told = seconds(groups, steps), shares(groups, steps)
        for name, value in own.items():
            share, low, high = (f"{100 * one:.3g}" for one in told[name])
            by_part[name] += [figures(1000 * value), f"{share} % [{low}, {high}]"]
        by_part["a round"] += [figures(1000 * sum(own.values())), ""]
    rounds = {backend: sum(one.rounds.shape[1] for one in groups) for backend, groups in found.items()}
    counted = ", ".join(f"{count} of {backend}" for backend, count in rounds.items())
    rows = tuple(tuple(row) for row in by_part.values())
    return Table("Where the time of a round goes", tuple(columns), rows, (f"Rounds: {counted}.", *NOTES))


def verdict(share: tuple[float, float, float]) -> str:
    """Return whether the harness' share is below what is allowed, as far as it can be told."""
    _, low, high = share
    return "yes" if high < ALLOWED else "no" if low > ALLOWED else "can't be told"


def two_steps(text: str) -> Steps:
    """Parse --steps."""
    low, high = map(int, text.split(","))
    if not 0 <= low < high:
        raise ValueError(text)
    return low, high


def main() -> int:
    """Measure as the command line says, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="+", help="as bench run takes them")
    parser.add_argument("--experiment", default="quick", help="what is trained (quick)")
    parser.add_argument("--groups", type=int, default=3, help="groups of fresh processes a backend (3)")
    parser.add_argument(
        "--steps", type=two_steps, default=(1, 3), metavar="LOW,HIGH", help="what the line runs through (1,3)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as bench run has it")
    parser.add_argument("--allocator", choices=("fixed", "as-it-is"), default="fixed", help="glibc's thresholds")
    asked = parser.parse_args()
    if asked.allocator == "fixed":
        os.environ.update(ALLOCATOR)
    told = Console(stderr=True)
    found: dict[str, list[Group]] = {backend: [] for backend in asked.backends}
    with tempfile.TemporaryDirectory(prefix="round-parts-") as folder:
        try:
            for number in range(1, asked.groups + 1):
                for backend, groups in found.items():
                    place = Path(folder) / f"{len(groups)}-{list(found).index(backend)}"
                    job = live_rounds.job(asked.experiment, backend, asked.set, place, Plain(told))
                    groups.append(measure(job, asked.steps))
                    told.print(f"{backend}: group {number} of {asked.groups}", highlight=False)
        except UserError as error:
            print(f"round_parts: {error}", file=sys.stderr)
            return 2
    facts = machine.facts()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    asked_for = " ".join(asked.set) or "as it comes"
    steps = ",".join(map(str, asked.steps))
    print(f"{asked.experiment}, {asked_for}; allocator {asked.allocator}, --steps {steps}")
    print(f"on {facts['cpu']}, {facts['cores']} cores; load at the end: {load}")
    drawing.draw(table(found, asked.steps), Console(width=None if sys.stdout.isatty() else 120))
    verdicts = {name: verdict(shares(groups, asked.steps)["harness"]) for name, groups in found.items()}
    for backend, own in verdicts.items():
        print(f"{backend}: the harness' share is below {100 * ALLOWED:g} %: {own}")
    return 1 if "no" in verdicts.values() else 0


if __name__ == "__main__":
    sys.exit(main())
