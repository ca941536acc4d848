"""Whether torch+fast is ever slower than the eager loop: every model, few clients and many, small batches and large.

    python -m tests.benchmarks.never_slower
    python -m tests.benchmarks.never_slower --models mlp --clients 3,100 --batch-sizes 20 --rounds 12

In each cell a process of either is alive, and they take turns, round by round: who comes first alternates. Told is
fast / eager, seconds of a round by each one's own clock, with the interval of `bench.ratios`, and the way that the race
chose. The first round is warm-up, and the last is followed by evaluation: neither counts. The race is run when the
process opens, as in a run's probe, and is in no ratio. Exit code 1 where an interval lies wholly above 1.
"""

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench import drawing, events, live_rounds, machine, ratios
from bench.display import Plain
from bench.errors import UserError
from bench.jobs import Job
from bench.layout import Table
from bench.live_rounds import LiveRounds
from bench.turns import TurnTaker

MODELS = {
    "deck-cnn": [],
    "deck-cnn, batch norm": ["model.batch_norm=true"],
    "deck-cnn, group norm": ["model.group_norm=true"],
    "mlp": ["model.name=mlp"],
}
BACKENDS = ("torch", "torch+fast")


@dataclass(frozen=True)
class Found:
    """A cell, the way that fast took in it, and its ratio to eager."""

    cell: tuple[str, int, int]
    way: str
    ratio: dict[str, Any]

    @property
    def is_slower(self) -> bool:
        """Whether fast is slower, as far as can be told."""
        return bool(self.ratio["low"] > 1)


def measure(cell: tuple[str, int, int], rounds: int, folder: Path, console: Console) -> Found:
    """Let both train the cell, in turn."""
    model, clients, batch_size = cell
    settings = [
        *MODELS[model],
        f"federation.clients={clients}",
        f"federation.rounds={rounds}",
        f"training.batch_size={batch_size}",
    ]
    eager, fast = (live_rounds.job("quick", one, settings, folder / one, Plain(console)) for one in BACKENDS)
    seconds, way = in_turn(eager, fast)
    counted = np.array(seconds)[:, 1:-1]
    return Found(cell, way, ratios.interval([np.log(counted[1] / counted[0])]))


def in_turn(eager: Job, fast: Job) -> tuple[tuple[list[float], list[float]], str]:
    """Return the seconds of each round of both, and the way that fast took."""
    with TurnTaker(eager) as one, TurnTaker(fast) as other:
        lives = [LiveRounds(one), LiveRounds(other)]
        for live in lives:
            live.turn()
        for number in range(eager.rounds):
            for live in lives if number % 2 else reversed(lives):
                live.train()
        way = next(event.way for event in other.seen if isinstance(event, events.Chosen))
        return (lives[0].seconds, lives[1].seconds), way


def table(found: Sequence[Found]) -> Table:
    """Return a row a cell."""
    rows = [(*map(str, one.cell), one.way, "{ratio:.3f}x [{low:.3f}, {high:.3f}]".format(**one.ratio)) for one in found]
    return Table("fast / eager, a round", ("model", "clients", "batch size", "way", "ratio"), tuple(rows))


def main() -> int:
    """Measure as the command line says, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(";"), default=list(MODELS), help="some, between ;")
    parser.add_argument("--clients", type=_numbers, default=[3, 100], help="of which two thirds a round (3,100)")
    parser.add_argument("--batch-sizes", type=_numbers, default=[1, 20, 200], help="(1,20,200)")
    parser.add_argument("--rounds", type=int, default=8, help="a cell, of which two don't count (8)")
    asked = parser.parse_args()
    if asked.rounds < 4 or not set(asked.models) <= set(MODELS):
        parser.error(f"--rounds must be at least 4, --models some of {'; '.join(MODELS)}")
    console = Console(stderr=True)
    cells = list(itertools.product(asked.models, asked.clients, asked.batch_sizes))
    found: list[Found] = []
    for number, cell in enumerate(cells, start=1):
        with tempfile.TemporaryDirectory(prefix="never-slower-") as folder:
            try:
                found.append(measure(cell, asked.rounds, Path(folder), console))
            except UserError as error:
                print(f"never_slower: {error}", file=sys.stderr)
                return 2
        console.print(f"cell {number} of {len(cells)}", highlight=False)
    facts = machine.facts()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"quick's samples, on {facts['cpu']}, {facts['cores']} cores; load at the end: {load}")
    drawing.draw(table(found), Console(width=None if sys.stdout.isatty() else 120))
    return 1 if any(one.is_slower for one in found) else 0


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
