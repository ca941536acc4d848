"""What loading costs, computed from a comparison: rates, time spent waiting for data, ratios, and advice.

An *arm* is one way for samples to reach training: backend, loader, form, workers, page cache. Arms of one task train
the same batches to the same weights, so an epoch of one can be held against an epoch of another. Time spent waiting
is 1 - epoch from memory / epoch from the form, pair by pair (same repeat, same round), as everywhere in `bench.ratios`.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.ratios import interval

ROUNDS = 1000  # the study's, for which the advice is given
AS_FAST = 1.02  # an epoch within so much of the fastest is as fast
PREFERRED = ("packed", "memory", "npy", "image")  # of forms as fast: packed fits in any memory and starts at once
COMPARED = (("image", "npy"), ("npy", "packed"))

Cell = Mapping[str, Any]
Run = Mapping[str, Any]
Logs = dict[int, npt.NDArray[np.float64]]  # repeat -> natural logarithms of seconds


@dataclass(frozen=True)
class Arm:
    """One way for samples to reach training, with the runs that were made of it."""

    task: int
    source: str
    backend: str
    form: str
    loader: str
    workers: int
    cache: str
    runs: tuple[Run, ...]
    limits: tuple[Mapping[str, float], ...]

    @property
    def how(self) -> tuple[Any, ...]:
        """All that tells it from another arm but the form."""
        return self.task, self.backend, self.loader, self.workers, self.cache

    @property
    def rate(self) -> float | None:
        """Median bytes a second of loading alone, decoded."""
        rates = [fed["bytes"] / fed["seconds"] for run in self.runs for fed in run["loading"]]
        return statistics.median(rates) if rates else None

    @property
    def samples_a_second(self) -> float | None:
        """Median samples a second of loading alone."""
        rates = [fed["samples"] / fed["seconds"] for run in self.runs for fed in run["loading"]]
        return statistics.median(rates) if rates else None

    @property
    def epoch_s(self) -> float | None:
        """Median seconds of an epoch of training."""
        timed = [one["seconds"] for run in self.runs for one in run["rounds"] if not one["warmup"]]
        return statistics.median(timed) if timed else None

    def epochs(self) -> Logs:
        """The epochs of training, for pairs."""
        return {
            run["repeat"]: np.log([one["seconds"] for one in run["rounds"] if not one["warmup"]]) for run in self.runs
        }

    def passes(self) -> Logs:
        """The passes of loading alone, in seconds a sample, for pairs."""
        return {run["repeat"]: np.log([fed["seconds"] / fed["samples"] for fed in run["loading"]]) for run in self.runs}


def arms(comparison: Mapping[str, Any]) -> list[Arm]:
    """Return the arms of a comparison, in its order."""
    return [arm for cell in comparison["cells"] for arm in _arms(cell, comparison["spec"]["data"])]


def _arms(cell: Cell, data: Mapping[str, Any]) -> Iterator[Arm]:
    own = dict(data) | {key.partition(".")[2]: value for key, value in cell["set"].items() if key.startswith("data.")}
    found: dict[str, list[Run]] = {}
    for run in cell["runs"]:
        found.setdefault(run["backend"], []).append(run)
    for backend, runs in found.items():
        done = tuple(run for run in runs if run["status"] == "done")
        if done:
            caches = sorted({run["cache"] for run in done})
            one = done[0]
            yield Arm(
                cell["task"], _source(own), backend, one["form"], one["loader"], one["workers"],
                " / ".join(caches), done, tuple(cell.get("limits", ())),
            )  # fmt: skip


def _source(data: Mapping[str, Any]) -> str:
    """What the images are, in a few words."""
    if data["source"] is not None:
        return Path(data["source"]).name
    return f"films of {data['film_size']} px" if data["film_size"] else str(data["dataset"])


def summary(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arms`, `ratios` and `advice`, each a list of plain dicts."""
    found = arms(comparison)
    return {
        "arms": [_row(arm, _baseline(arm, found)) for arm in found],
        "ratios": list(_ratios(found)),
        "advice": list(_advice(found)),
    }


def _baseline(arm: Arm, others: Sequence[Arm]) -> Arm | None:
    """The same backend's training from memory through fedbench's own gather, which waits for nothing."""
    for one in others:
        if (one.task, one.backend, one.form, one.loader) == (arm.task, arm.backend, "memory", "gather"):
            return one if one.epoch_s else None
    return None


def _row(arm: Arm, baseline: Arm | None) -> dict[str, Any]:
    limits = {key: statistics.median(one[key] for one in arm.limits) for key in (arm.limits[0] if arm.limits else ())}
    rate = arm.rate
    waiting = paired(baseline.epochs(), arm.epochs()) if baseline and arm.epoch_s else None
    return {
        "task": arm.task,
        "source": arm.source,
        "backend": arm.backend,
        "form": arm.form,
        "loader": arm.loader,
        "workers": arm.workers,
        "cache": arm.cache,
        "samples_per_s": arm.samples_a_second,
        "bytes_per_s": rate,
        "of_copy": rate / limits["copy"] if rate and limits else None,
        "of_gather": rate / limits["gather"] if rate and limits else None,
        "epoch_s": arm.epoch_s,
        "waiting": waiting and _share(waiting),
    }


def _share(ratio: Mapping[str, Any]) -> dict[str, float | None]:
    """1 - ratio, with the interval's ends in their order."""
    low, high = ratio["high"], ratio["low"]
    return {
        "share": 1 - ratio["ratio"],
        "low": None if low is None else 1 - low,
        "high": None if high is None else 1 - high,
    }


def paired(a: Logs, b: Logs) -> dict[str, Any] | None:
    """Return the ratio a : b with its interval over the repeats that both have; None where they have none."""
    pairs = [a[repeat] - b[repeat] for repeat in sorted(a.keys() & b.keys()) if len(a[repeat]) == len(b[repeat]) > 0]
    return interval(pairs) if pairs else None


def _ratios(found: Sequence[Arm]) -> Iterator[dict[str, Any]]:
    """Each form against the next faster one, everything else alike: loading alone, and an epoch of training."""
    for slow, fast in COMPARED:
        for a in found:
            for b in found:
                if (a.form, b.form) == (slow, fast) and a.how == b.how:
                    for what, ratio in (
                        ("loading", paired(a.passes(), b.passes())),
                        ("epoch", paired(a.epochs(), b.epochs())),
                    ):
                        if ratio:
                            yield {
                                "task": a.task, "source": a.source, "backend": a.backend, "loader": a.loader,
                                "workers": a.workers, "cache": a.cache, "of": what, "a": slow, "b": fast,
                                "a_s": a.epoch_s, "b_s": b.epoch_s,
                            } | ratio  # fmt: skip


def _advice(found: Sequence[Arm]) -> Iterator[dict[str, Any]]:
    """For every source and backend: the form to use, and what 1,000 rounds of an epoch each take from every form.

    Of arms as fast as the fastest, the preferred form is advised, with the fewest workers.
    """
    for key in dict.fromkeys((arm.task, arm.backend) for arm in found):
        own = [arm for arm in found if (arm.task, arm.backend) == key and arm.cache == "warm" and arm.epoch_s]
        if len({arm.form for arm in own}) < 2:
            continue
        fastest = min(_epoch(arm) for arm in own)
        as_fast = [arm for arm in own if _epoch(arm) <= AS_FAST * fastest]
        best = min(as_fast, key=lambda arm: (PREFERRED.index(arm.form), arm.loader != "gather", arm.workers))
        by_form = {form: [_epoch(arm) for arm in own if arm.form == form] for form in PREFERRED}
        yield {
            "task": best.task,
            "source": best.source,
            "backend": best.backend,
            "form": best.form,
            "loader": best.loader,
            "workers": best.workers,
            "rounds": ROUNDS,
            "seconds": ROUNDS * _epoch(best),
            "seconds_by_form": {form: ROUNDS * min(epochs) for form, epochs in by_form.items() if epochs},
        }


def _epoch(arm: Arm) -> float:
    assert arm.epoch_s is not None
    return arm.epoch_s
