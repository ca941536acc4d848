"""Tests the check on this machine: identical code against itself, and against itself slowed by known shares.

Pairs are real, one of each series in turn, so that what the machine does meanwhile falls on all alike.
"""

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench import folders, jobs, machine, plugins, runner
from bench.errors import UserError
from bench.jobs import REFERENCE
from bench.regression import measuring, pairing, trials
from bench.regression.check import Display, verdicts
from bench.regression.pairing import PHASES, Side
from bench.regression.subjects import Subject
from bench.regression.trials import Outcome, Series, Setup

SCHEMA = "bench.check-self-test/1"
ASKED = ((0.0, 0.0), (0.0, 0.05), (0.05, 0.0), (0.10, 0.05))  # heads slowed by so much, at this max_slowdown


@dataclass(frozen=True)
class Recorded:
    """Real pairs of one backend by the share that their heads were slowed by, and the median seconds of a pair."""

    backend: str
    pairs: dict[float, list[dict[str, Any]]]
    pair_s: float


def record(subject: Subject, budget_s: float, display: Display) -> Recorded:
    """Run pairs of every series in turn until the budget is spent.

    What ends it before, Ctrl-C or a process that fails, is told, and the pairs until then stand; where a series has
    none, it is raised: KeyboardInterrupt or UserError.
    """
    if len(subject.contests) != 1:
        raise UserError("--self-test takes one backend at a time: --backends torch")
    (contest,) = subject.contests
    found: dict[float, list[dict[str, Any]]] = {slowed: [] for slowed, _ in ASKED}
    took: list[float] = []
    texts = subject.texts()
    with folders.scratch("bench-check-") as folder:
        reference = runner.contender(REFERENCE, plugins.find("backends", REFERENCE), None, None, display)
        (task,) = jobs.tasks([subject.head], [contest.head], reference, folder)
        runner.certify(task, display)
        job = task.repeats[0]
        end = time.monotonic() + budget_s
        while len(took) < len(found) or max(took) <= end - time.monotonic():
            slowed = min(found, key=lambda own: len(found[own]))
            began = time.monotonic()
            sides = {"base": Side(job), "head": Side(job, slowed)}
            try:
                pair = pairing.run(sides, random.choice(pairing.SIDES), folder / "pair")
                if subject.texts() != texts:
                    raise UserError("a file under test was changed while it was measured")
            except (UserError, KeyboardInterrupt) as error:
                if not all(found.values()):
                    raise
                if str(folder) in str(error):
                    (folder / folders.KEPT).touch()  # for the log that is named
                display.say(f"ended after {len(took)} pairs, which stand: {str(error) or 'interrupted'}")
                break
            found[slowed].append(pair)
            took.append(time.monotonic() - began)
            left = max(0, math.floor((end - time.monotonic()) / statistics.median(took)))
            display.progress("pairs", len(took), len(took) + left)
    return Recorded(contest.label, found, statistics.median(took))


def judge(recorded: Recorded, confidence: float, budget_s: float, count: int, display: Display) -> list[Outcome]:
    """Return how `count` trials of each kind end, made of the recorded pairs, each of as many as the budget allows."""
    found: list[Outcome] = []
    done = 0

    def breath() -> None:
        nonlocal done
        done += 1
        display.progress("trials", done, count * len(ASKED))

    for slowed, allowed in ASKED:
        setup = Setup(allowed, confidence, verdicts(1), most(recorded, budget_s), count)
        found += trials.outcomes(_series(slowed, recorded.pairs[slowed]), setup, breath)
    return found


def most(recorded: Recorded, budget_s: float) -> int:
    """Return how many pairs a check of this budget has."""
    return max(1, math.floor(budget_s / recorded.pair_s))


def document(subject: Subject, recorded: Recorded, found: Sequence[Outcome]) -> dict[str, Any]:
    """Return pairs and outcomes as one JSON document."""
    return {
        "schema": SCHEMA,
        "experiment": subject.experiment,
        "digests": dict(subject.head.digests),
        "subject": dict(subject.subject),
        "machine": machine.facts(),
        "backend": recorded.backend,
        "pair_s": recorded.pair_s,
        "pairs": [{"slowed": slowed, "pairs": pairs} for slowed, pairs in recorded.pairs.items()],
        "outcomes": [asdict(outcome) for outcome in found],
    }


def _series(slowed: float, pairs: Sequence[dict[str, Any]]) -> Series:
    sides = {side: [pair[side] for pair in pairs] for side in pairing.SIDES}
    return Series(
        f"slowed by {100 * slowed:g} %" if slowed else "the same",
        {
            phase: [pairing.log_ratio(pair, phase) for pair in pairs]
            for phase in PHASES
            if measuring.is_long_enough(sides, phase)
        },
        {"training": slowed} if slowed else {},
    )
