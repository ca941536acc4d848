"""What a self-test tells: how often checks whose truth is known say `slower`, in trials made of recorded pairs.

Pairs of identical code show false alarms, pairs of which the head was slowed on purpose show what is caught. Most
trials are resampled (Efron and Tibshirani 1993): a trial's pairs are drawn with replacement from the recorded ones and
looked at as a check would, up to as many as its budget allows. Real trials take the recorded pairs in their order.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.crossval.intervals import Z, wilson
from bench.errors import UserError
from bench.layout import ABSENT, Table, figures
from bench.regression import sequential
from bench.regression.intervals import Array
from bench.regression.sequential import Decision, Verdict

WHOLE = "any of them"  # what the check's exit code is about


@dataclass(frozen=True)
class Series:
    """Recorded pairs, `told` what they are of: log ratios by phase, of the same pairs in the order of running.

    `slowdown` has, by phase, the share by which the head was slowed on purpose; phases that it lacks are identical.
    """

    told: str
    log_ratios: Mapping[str, Sequence[float]]
    slowdown: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """How a trial is decided (see `sequential.decide`), with at most `most` pairs, and how many trials are drawn."""

    max_slowdown: float
    confidence: float
    verdicts: int
    most: int
    trials: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Tally:
    """How trials ended; `median_pairs` is of those that were decided, None where none was."""

    trials: int
    slower: int
    not_slower: int
    undecided: int
    median_pairs: float | None


@dataclass(frozen=True)
class Outcome:
    """One phase of a series (or WHOLE): its resampled and its real trials, and the `pairs` that both are made of.

    `autocorrelation`: see the function; None also of WHOLE.
    """

    told: str
    phase: str
    slowdown: float
    max_slowdown: float
    pairs: int
    autocorrelation: float | None
    resampled: Tally
    real: Tally

    @property
    def is_slower(self) -> bool:
        """Whether `slower` is the truth, and no false alarm."""
        return self.slowdown > self.max_slowdown


def outcomes(series: Series, setup: Setup, breath: Callable[[], None]) -> list[Outcome]:
    """Return the outcome of each phase and, of several, of all together; `breath` is called after each drawn trial.

    A trial draws pairs, not values: what the phases of a pair have to do with each other stays. Raises UserError where
    there is no pair, or one that measured nothing.
    """
    phases = list(series.log_ratios)
    recorded = np.array([series.log_ratios[phase] for phase in phases], np.float64)
    if not recorded.size:
        raise UserError(f"{series.told}: nothing was measured, so that there is nothing to make trials of")
    drawn = []
    stream = np.random.RandomState(setup.seed)  # the same pairs give the same trials
    for _ in range(setup.trials):
        picked = stream.randint(recorded.shape[1], size=setup.most)
        drawn.append(_decided(recorded[:, picked], setup))
        breath()
    real = list(_in_order(recorded, setup))
    found = [
        Outcome(
            series.told,
            phase,
            series.slowdown.get(phase, 0.0),
            setup.max_slowdown,
            recorded.shape[1],
            autocorrelation(series.log_ratios[phase]),
            *(_tally([_ending(trial[row], setup) for trial in trials]) for trials in (drawn, real)),
        )
        for row, phase in enumerate(phases)
    ]
    if len(phases) == 1:
        return found
    whole = (_tally([_together(trial, setup) for trial in trials]) for trials in (drawn, real))
    slowdown = max(outcome.slowdown for outcome in found)
    return [
        *found,
        Outcome(series.told, WHOLE, slowdown, setup.max_slowdown, recorded.shape[1], None, *whole),
    ]


def autocorrelation(values: Sequence[float]) -> float | None:
    """Return how values go with those right before them, -1 to 1 (lag 1); None of fewer than 3, or of equal ones.

    Resampling takes pairs for independent. Of independent ones it lies within 1.96 / sqrt(n) of 0 in 95 % (Bartlett
    1946).
    """
    away = np.asarray(values, np.float64) - np.mean(values)
    if len(away) < 3 or not np.ptp(values):
        return None
    return float(away[1:] @ away[:-1] / (away @ away))


def table(found: Sequence[Outcome], setup: Setup) -> Table:
    """Return what trials told; `setup` is theirs but for max_slowdown, in which they may differ."""
    columns = (
        *("head", "phase", "allowed", "false alarms", "caught", "undecided", "pairs to decide"),
        *("slower in real trials", "real pairs", "lag 1"),
    )
    verdicts = f"{setup.verdicts} verdicts" if setup.verdicts > 1 else "one verdict"
    return Table(
        "Self-test",
        columns,
        tuple(_row(outcome) for outcome in found),
        (
            f"{setup.trials} resampled trials a row: up to {setup.most} pairs, what the budget allows, drawn with"
            f" replacement from the real ones and looked at as a check does, at {100 * setup.confidence:g} % over"
            f" {verdicts}.",
            "False alarm: `slower`, although no slower than allowed. Brackets: Wilson's 95 % interval over trials; it"
            " doesn't know of how few real pairs they are made.",
            "Real trials: real pairs in their order, each used once; a trial begins where as many as the budget allows"
            " are left.",
            "Lag 1: autocorrelation of real pairs, ± what independent ones stay within in 95 %; resampling can't show"
            " what more than that does.",
        ),
    )


Ending = tuple[Verdict, int]


def _decided(window: Array, setup: Setup) -> list[Decision]:
    return [sequential.decide(own, setup.max_slowdown, setup.confidence, setup.verdicts) for own in window]


def _in_order(recorded: Array, setup: Setup) -> Iterator[list[Decision]]:
    begin = 0
    while begin + setup.most <= recorded.shape[1]:
        trial = _decided(recorded[:, begin : begin + setup.most], setup)
        yield trial
        begin += _together(trial, setup)[1]


def _ending(decision: Decision, setup: Setup) -> Ending:
    return decision.verdict, setup.most if decision.verdict == "undecided" else decision.pairs


def _together(trial: Sequence[Decision], setup: Setup) -> Ending:
    """A check goes on until every phase is decided; it is red where one is slower."""
    endings = [_ending(decision, setup) for decision in trial]
    verdicts: tuple[Verdict, ...] = ("slower", "undecided", "not slower")
    worst = next(verdict for verdict in verdicts if any(verdict == own for own, _ in endings))
    return worst, max(pairs for _, pairs in endings)


def _tally(endings: Sequence[Ending]) -> Tally:
    verdicts = [verdict for verdict, _ in endings]
    decided = [pairs for verdict, pairs in endings if verdict != "undecided"]
    return Tally(
        len(endings),
        verdicts.count("slower"),
        verdicts.count("not slower"),
        verdicts.count("undecided"),
        statistics.median(decided) if decided else None,
    )


def _row(outcome: Outcome) -> tuple[str, ...]:
    tally, real = outcome.resampled, outcome.real
    slower = _rate(tally.slower, tally.trials)
    lag, within = outcome.autocorrelation, Z / math.sqrt(outcome.pairs)
    return (
        outcome.told,
        outcome.phase,
        f"{100 * outcome.max_slowdown:g} %",
        *((ABSENT, slower) if outcome.is_slower else (slower, ABSENT)),
        _rate(tally.undecided, tally.trials),
        ABSENT if tally.median_pairs is None else figures(tally.median_pairs),
        f"{real.slower} of {real.trials}" if real.trials else ABSENT,
        str(outcome.pairs),
        ABSENT if lag is None else f"{lag:.2f} (±{within:.2f})",
    )


def _rate(count: int, trials: int) -> str:
    if not trials:
        return ABSENT
    low, high = wilson(count, trials)
    return f"{100 * count / trials:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
