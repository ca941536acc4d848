"""A pair: the base and the head in a fresh process each, which take turns, step by step, and what they took.

Who goes first is a coin's throw, and alternates from step to step (ABBA), so that neither what slows the machine for a
while, nor going first, falls on one side.
"""

import math
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import events
from bench.errors import UserError
from bench.jobs import Job
from bench.turns import TurnTaker

Process = Mapping[str, Any]  # a side of a pair, as in the document
SIDES = ("base", "head")


@dataclass(frozen=True)
class Side:
    """What one side of a pair runs: a timed job, perhaps held back by a share of each round (`slowdown`).

    evaluate_every: rounds; None for once, after the last.
    """

    job: Job
    slowdown: float = 0.0
    evaluate_every: int | None = None

    def taking_turns(self, folder: Path) -> TurnTaker:
        """Return it as a process that takes turns."""
        return TurnTaker(replace(self.job, folder=folder), self.slowdown, self.evaluate_every)


def run(sides: Mapping[str, Side], first: str, folder: Path) -> dict[str, Any]:
    """Run a pair, in `folder`, which is removed, and return it as in the document.

    `sides` by name, base and head; a single one runs alone. Raises UserError where a process fails.
    """
    order = sorted(sides, key=lambda name: name != first)
    with ExitStack() as stack:
        takers = {name: stack.enter_context(sides[name].taking_turns(folder / name)) for name in order}
        for step in range(sides[first].job.rounds + 1):  # the first is loading
            for name in order if step % 2 == 0 else reversed(order):
                takers[name].turn()
                _refuse_unfinished(takers[name], name, is_last=step == sides[first].job.rounds)
    found = {name: _measured(takers[name]) for name in sides}
    moved = _moved(takers) if len(takers) > 1 else None
    shutil.rmtree(folder)  # the weights of hundreds of processes would fill the disk
    return {"order": first, "moved": moved} | found


def log_ratio(pair: Mapping[str, Any], phase: str) -> float:
    """Return the natural logarithm of head over base: of training, the mean over the rounds; else of the one value."""
    base, head = (np.log(PHASES[phase](pair[side])) for side in SIDES)
    return float(np.mean(head - base))


def log_value(process: Process, phase: str) -> float:
    """Return the natural logarithm of what one process took, of training the mean of the rounds' logarithms."""
    return float(np.mean(np.log(PHASES[phase](process))))


def typical(processes: Sequence[Process], phase: str) -> float:
    """Return the median of what a phase took, in seconds (training: a round's) or bytes."""
    return statistics.median(value for process in processes for value in PHASES[phase](process))


PHASES: dict[str, Callable[[Process], list[float]]] = {
    "training": lambda process: process["round_s"],
    "loading": lambda process: [process["load_s"]],
    "memory": lambda process: [process["peak_rss_bytes"]],
}
UNITS = {"training": "s", "loading": "s", "memory": "bytes"}


def _refuse_unfinished(taker: TurnTaker, name: str, is_last: bool) -> None:
    outcome = taker.outcome
    if outcome is None and not is_last:
        return
    if outcome is None or outcome.status != "done" or not is_last:
        reason = outcome.reason if outcome is not None else "it did more rounds than planned"
        raise UserError(f"{taker.job.contender.label} ({name}) was not measured: {reason}")


def _moved(takers: Mapping[str, TurnTaker]) -> float | None:
    """How far the head's weights went over how far the base's did (L2); None without weights.

    Where they went isn't asked: another order of summation, as of a framework's next release, ends elsewhere after many
    rounds, at the same distance.
    """
    base, head = (_distance(takers[name]) for name in SIDES)
    if base is None or head is None:
        return None
    return head / base if base else 1.0 + head


def _distance(taker: TurnTaker) -> float | None:
    """How far the final weights are from the initial ones."""
    final = _final_weights(taker)
    if final is None:
        return None
    initial = taker.job.cell.plan.weights
    return math.sqrt(sum(float(np.square(final[name] - own).sum()) for name, own in initial.items()))


def _final_weights(taker: TurnTaker) -> dict[str, npt.NDArray[np.float64]] | None:
    saved = [event for event in taker.seen if isinstance(event, events.Saved)]
    if not saved:
        return None
    with np.load(taker.job.folder / saved[-1].file) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


def _measured(taker: TurnTaker) -> dict[str, Any]:
    warmup = 0 if taker.job.contender.centralised else taker.job.cell.cell.spec.timing.warmup_rounds
    rounds = [event for event in taker.seen if isinstance(event, events.Round)]
    timed = rounds[warmup:]
    evaluated = [event for event in taker.seen if isinstance(event, events.Evaluation)][-1]
    saved = [event for event in taker.seen if isinstance(event, events.Saved)]
    load = next(event for event in taker.seen if isinstance(event, events.Phase) and event.name == "load")
    return {
        "round_s": [event.seconds for event in timed],
        "round_cpu_s": [event.cpu_seconds for event in timed],
        "rounds": len(rounds),
        "load_s": load.seconds,
        "peak_rss_bytes": max(event.peak_rss_bytes for event in taker.seen if hasattr(event, "peak_rss_bytes")),
        "accuracy": evaluated.accuracy,
        "loss": evaluated.loss,
        "weights_sha256": saved[-1].sha256 if saved else None,
    }
