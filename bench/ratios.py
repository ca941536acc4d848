"""Ratios between backends, pair by pair, with a bootstrap interval.

A pair is the same repeat and the same round of two backends, a round that is warm-up in neither; repeats are
interleaved, so what slows the machine slows both. The estimate is the geometric mean of the pairs' ratios; the
interval is the 95 % percentile bootstrap (Efron and Tibshirani 1993, chapter 13), repeats drawn first and rounds
within them. Over several cells a pair is of the same cell, and every repeat of every cell is drawn as a repeat is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

DRAWS = 2000
Run = Mapping[str, Any]
Place = tuple[int, int]  # which cell, which repeat
Values = Callable[[Run], dict[int, float]]  # by round; of what a process does once, a single one


def ratios(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return every metric's ratio of each backend to its baseline, over the repeats both have.

    A baseline is a variant of the backend's own, where it has one: its seconds aren't held against those of others,
    whose arithmetic may be years newer. All the rest are held against the first of them that is done. A centralised
    method has no round that could be held against theirs.
    """
    return pooled([runs], METRICS)


def pooled(cells: Sequence[Sequence[Run]], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """Return the same of the runs of several cells together, for some metrics."""
    by_backend: dict[str, dict[Place, Run]] = {}
    for number, runs in enumerate(cells):
        for run in runs:
            if run["status"] == "done" and not run.get("centralised"):
                by_backend.setdefault(run["backend"], {})[number, run["repeat"]] = run
    own = {name: next(iter(found.values())).get("baseline") for name, found in by_backend.items()}
    bare = {run.get("baseline") for runs in cells for run in runs}
    first = next((name for name in by_backend if own[name] is None and name not in bare), None)
    found = []
    for name in by_backend:
        baseline = own[name] or (first if name not in bare else None)
        if baseline == name or baseline not in by_backend:
            continue
        for metric in metrics:
            pairs = _pairs(by_backend[name], by_backend[baseline], METRICS[metric])
            if pairs:
                found.append({"metric": metric, "a": name, "b": baseline} | interval(pairs))
    return found


def compared(runs: Sequence[Run], baseline: Sequence[Run], metric: str) -> dict[str, Any] | None:
    """Return the ratio of one metric, of finished `runs` to a `baseline`, over the repeats and rounds both have."""
    return compared_over([(runs, baseline)], metric)


def compared_over(cells: Sequence[tuple[Sequence[Run], Sequence[Run]]], metric: str) -> dict[str, Any] | None:
    """Return the same of several cells together, each with its runs and their baseline."""
    top, bottom = (
        {(number, run["repeat"]): run for number, sides in enumerate(cells) for run in sides[side]} for side in (0, 1)
    )
    pairs = _pairs(top, bottom, METRICS[metric])
    return interval(pairs) if pairs else None


def interval(pairs: Sequence[npt.NDArray[np.float64]]) -> dict[str, Any]:
    """Return ratio, low and high of `pairs`: the log ratios of each repeat, float64 (rounds,).

    low and high are None where a single pair leaves nothing to resample.
    """
    everything = np.concatenate(pairs)
    estimate = float(np.exp(everything.mean()))
    if len(everything) < 2:
        return {"ratio": estimate, "low": None, "high": None, "pairs": len(everything)}
    stream = np.random.RandomState(0)  # the same numbers give the same interval
    means = np.empty(DRAWS)
    for draw in range(DRAWS):
        repeats = [pairs[index] for index in stream.randint(len(pairs), size=len(pairs))]
        means[draw] = np.concatenate(
            [repeat[stream.randint(len(repeat), size=len(repeat))] for repeat in repeats]
        ).mean()
    low, high = np.exp(np.percentile(means, [2.5, 97.5]))
    return {"ratio": estimate, "low": float(low), "high": float(high), "pairs": len(everything)}


def _pairs(a: Mapping[Place, Run], b: Mapping[Place, Run], values: Values) -> list[npt.NDArray[np.float64]]:
    found = []
    for place in sorted(a.keys() & b.keys()):
        own, base = values(a[place]), values(b[place])
        both = sorted(own.keys() & base.keys())
        top, bottom = (np.array([side[number] for number in both], np.float64) for side in (own, base))
        if both and (top > 0).all() and (bottom > 0).all():
            found.append(np.log(top / bottom))
    return found


def _rounds(key: str) -> Values:
    return lambda run: {entry["round"]: entry[key] for entry in run["rounds"] if not entry["warmup"]}


def _phase(key: str) -> Values:
    return lambda run: {0: run["phases"][key]} if run["phases"].get(key) else {}


METRICS: dict[str, Values] = {
    "round_s": _rounds("seconds"),
    "round_cpu_s": _rounds("cpu_seconds"),
    "first_round_s": _phase("first_round_s"),
    "import_s": _phase("import_s"),
    "open_s": _phase("open_s"),
    "load_s": _phase("load_s"),
    "evaluate_s": _phase("evaluate_s"),
    "peak_rss_bytes": lambda run: {0: run["peak_rss_bytes"]} if run["peak_rss_bytes"] else {},
}
