"""What a self-test tells: how often checks whose truth is known say `slower`, in trials made of recorded pairs.

Pairs of identical code show false alarms, pairs of which the head was slowed on purpose show what is caught. Most
trials are resampled (Efron and Tibshirani 1993): a trial's pairs are drawn with replacement from the recorded ones and
looked at as a check would, up to as many as its budget allows. Real trials take the recorded pairs in their order.

Of identical code a drawn pair's sides change places by a coin's throw, as they do in a check: trials then differ from a
true ratio of 1 by chance alone, and not by how far the few recorded pairs are from it on average. That distance, which
would be a bias of the harness if it were real, is told by the interval of the recorded pairs.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.crossval.intervals import Z, wilson
from bench.errors import UserError
from bench.layout import ABSENT, Table, ratio
from bench.regression import intervals, sequential
from bench.regression.intervals import Array
from bench.regression.sequential import Decision, Verdict

WHOLE = "together"  # the check, which is red where any phase is


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

    A phase's real trials are of it alone, each as long as that phase takes; WHOLE's are of all phases together. ratio,
    low and high: of all recorded pairs, with their 95 % interval, None where they are too few. autocorrelation: see the
    function. These four are None of WHOLE.
    """

    told: str
    phase: str
    slowdown: float
    max_slowdown: float
    pairs: int
    ratio: float | None
    low: float | None
    high: float | None
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
        picked = recorded[:, stream.randint(recorded.shape[1], size=setup.most)]
        coins = stream.choice([-1, 1], setup.most) if not any(series.slowdown.values()) else 1
        drawn.append(_decided(picked * coins, setup))
        breath()

    def outcome(phase: str, rows: list[int], slowdown: float, told: _Recorded) -> Outcome:
        resampled = _tally([_ending([trial[row] for row in rows], setup) for trial in drawn])
        real = _tally(list(_in_order(recorded[rows], setup)))
        return Outcome(series.told, phase, slowdown, setup.max_slowdown, recorded.shape[1], *told, resampled, real)

    found = [
        outcome(phase, [row], series.slowdown.get(phase, 0.0), _recorded(recorded[row]))
        for row, phase in enumerate(phases)
    ]
    if len(phases) == 1:
        return found
    largest = max(one.slowdown for one in found)
    return [*found, outcome(WHOLE, list(range(len(phases))), largest, (None, None, None, None))]


def autocorrelation(values: Sequence[float] | Array) -> float | None:
    """Return how values go with those right before them, -1 to 1 (lag 1); None of fewer than 3, or of equal ones.

    Resampling takes pairs for independent. Of independent ones it lies within 1.96 / sqrt(n) of 0 in 95 % (Bartlett
    1946).
    """
    away = np.asarray(values, np.float64) - np.mean(values)
    if len(away) < 3 or not np.ptp(values):
        return None
    return float(away[1:] @ away[:-1] / (away @ away))


def tables(found: Sequence[Outcome], setup: Setup) -> list[Table]:
    """Return what trials told: the resampled ones, by what is allowed, the real ones, and the pairs of both.

    `setup` is that of all outcomes, but for max_slowdown.
    """
    verdicts = f"{setup.verdicts} verdicts" if setup.verdicts > 1 else "one verdict"
    how = (
        f"A trial: pairs drawn with replacement from the real ones, {setup.most} at most, and looked at as a check"
        f" does, at {100 * setup.confidence:g} % over {verdicts}. Pairs: the median until decided.",
        "Alarms: `slower`, although no slower than allowed. Brackets: Wilson's 95 % interval over trials; it"
        " knows nothing of how few real pairs they are made of.",
    )
    allowed = list(dict.fromkeys(outcome.max_slowdown for outcome in found))
    pairs = {(outcome.told, outcome.phase): outcome for outcome in found if outcome.phase != WHOLE}
    return [
        *(
            Table(
                f"Self-test: {setup.trials} resampled trials each, {100 * share:g} % slower allowed",
                ("head", "phase", "alarms, %", "caught, %", "undecided", "pairs"),
                tuple(_resampled(outcome) for outcome in found if outcome.max_slowdown == share),
                how if share == allowed[-1] else (),
            )
            for share in allowed
        ),
        Table(
            "Self-test: real trials",
            ("head", "phase", "allowed", "trials", "slower", "undecided", "pairs"),
            tuple(_real(outcome) for outcome in found),
            (f"Real pairs in their order, each once; a trial begins where {setup.most} of them are left.",),
        ),
        Table(
            "Self-test: real pairs",
            ("head", "phase", "pairs", "ratio", "lag 1"),
            tuple(_made_of(outcome) for outcome in pairs.values()),
            (
                "Ratio: head over base of all pairs, with its 95 % interval. That of identical code misses 1 in one"
                " case of 20; more often, it is a bias.",
                "Lag 1: autocorrelation of the pairs, ± what independent ones stay within in 95 %; resampling can't"
                " show what more than that does.",
            ),
        ),
    ]


Ending = tuple[Verdict, int]
_Recorded = tuple[float | None, float | None, float | None, float | None]


def _recorded(values: Array) -> _Recorded:
    found = intervals.paired(values, 0.025)
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    return math.exp(found.estimate), low, high, autocorrelation(values)


def _decided(window: Array, setup: Setup) -> list[Decision]:
    return [sequential.decide(own, setup.max_slowdown, setup.confidence, setup.verdicts) for own in window]


def _in_order(recorded: Array, setup: Setup) -> Iterator[Ending]:
    begin = 0
    while begin + setup.most <= recorded.shape[1]:
        verdict, pairs = _ending(_decided(recorded[:, begin : begin + setup.most], setup), setup)
        yield verdict, pairs
        begin += pairs


def _ending(decisions: Sequence[Decision], setup: Setup) -> Ending:
    """A check goes on until all of it is decided, or the budget ends; it is red where one phase is slower."""
    said = {decision.verdict for decision in decisions}
    verdicts: tuple[Verdict, ...] = ("slower", "undecided", "not slower")
    verdict = next(verdict for verdict in verdicts if verdict in said)
    return verdict, setup.most if "undecided" in said else max(decision.pairs for decision in decisions)


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


def _resampled(outcome: Outcome) -> tuple[str, ...]:
    tally = outcome.resampled
    low, high = wilson(tally.slower, tally.trials)
    slower = f"{_percent(tally.slower / tally.trials)} [{_percent(low)}, {_percent(high)}]"
    return (
        outcome.told,
        outcome.phase,
        *((ABSENT, slower) if outcome.is_slower else (slower, ABSENT)),
        f"{_percent(tally.undecided / tally.trials)} %",
        _median(tally),
    )


def _real(outcome: Outcome) -> tuple[str, ...]:
    tally = outcome.real
    counts = (str(count) if tally.trials else ABSENT for count in (tally.slower, tally.undecided))
    allowed = f"{100 * outcome.max_slowdown:g} %"
    return outcome.told, outcome.phase, allowed, str(tally.trials), *counts, _median(tally)


def _made_of(outcome: Outcome) -> tuple[str, ...]:
    lag = outcome.autocorrelation
    return (
        outcome.told,
        outcome.phase,
        str(outcome.pairs),
        ratio({"ratio": outcome.ratio, "low": outcome.low, "high": outcome.high}),
        ABSENT if lag is None else f"{lag:.2f} (±{Z / math.sqrt(outcome.pairs):.2f})",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _median(tally: Tally) -> str:
    return ABSENT if tally.median_pairs is None else f"{tally.median_pairs:g}"
