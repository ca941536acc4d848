"""What loading costs, computed from a comparison: rates, time spent waiting for data, ratios, and advice.

An *arm* is one way for samples to reach training: backend, loader, form, workers, page cache. Its processes train
every other round from memory, so each round from the form has a neighbour that waits for nothing. Their ratio is
the arm's *slowdown*; drift of the machine and differences between processes cancel in it. Time spent waiting is
1 - 1/slowdown, the share of a round that reading adds; one form against another is a slowdown against a slowdown.
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
AS_FAST = 1.02  # an arm that may be within so much of the fastest is as fast
PREFERRED = ("packed", "memory", "npy", "image")  # of forms as fast: packed starts at once and needs no memory
COMPARED = (("image", "npy"), ("npy", "packed"))
FEEDING = ("data.form", "data.loader", "data.workers", "timing.cache")

Cell = Mapping[str, Any]
Run = Mapping[str, Any]
Logs = dict[int, npt.NDArray[np.float64]]  # repeat -> natural logarithms, one a pair


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
    limits: Mapping[str, float]

    @property
    def how(self) -> tuple[Any, ...]:
        """All that tells it from another arm but the form."""
        return self.task, self.backend, self.loader, self.workers, self.cache

    @property
    def trained(self) -> bool:
        """Whether training followed loading."""
        return any(run["rounds"] for run in self.runs)

    def rate(self, of: str) -> float:
        """Median `of` (samples, bytes) a second of loading alone."""
        return statistics.median(fed[of] / fed["seconds"] for run in self.runs for fed in run["loading"])

    def seconds(self, from_memory: bool = False) -> list[float]:
        """Seconds of the timed rounds from the form, or of those from memory in between."""
        return [seconds for run in self.runs for pair in _pairs(run) for seconds in pair[from_memory : from_memory + 1]]

    def slowdowns(self) -> Logs:
        """A round from the form against the round from memory after it."""
        return {run["repeat"]: np.array([np.log(own / memory) for own, memory in _pairs(run)]) for run in self.runs}

    def passes(self) -> Logs:
        """The passes of loading alone, in seconds a sample."""
        return {run["repeat"]: np.log([fed["seconds"] / fed["samples"] for fed in run["loading"]]) for run in self.runs}


def _pairs(run: Run) -> list[tuple[float, float]]:
    """The timed rounds, two and two: from the form, then from memory."""
    timed = [one for one in run["rounds"] if not one["warmup"]]
    return [(own["seconds"], memory["seconds"]) for own, memory in zip(timed[::2], timed[1::2], strict=False)]


def arms(comparison: Mapping[str, Any]) -> list[Arm]:
    """Return the arms of a comparison, in its order; runs that failed are in none."""
    return [arm for cell in comparison["cells"] if "limits" in cell for arm in _arms(cell)]


def _arms(cell: Cell) -> Iterator[Arm]:
    found: dict[str, list[Run]] = {}
    for run in cell["runs"]:
        if run["status"] == "done":
            found.setdefault(run["backend"], []).append(run)
    limits = {key: statistics.median(one[key] for one in cell["limits"]) for key in cell["limits"][0]}
    for backend, runs in found.items():
        one = runs[0]
        caches = {run["cache"] for run in runs}
        cache = one["cache"] if len(caches) == 1 else "partly " + " / ".join(sorted(caches))
        how = (one["form"], one["loader"], one["workers"], cache)
        yield Arm(cell["task"], source(cell), backend, *how, tuple(runs), limits)


def source(cell: Cell) -> str:
    """What the images of a cell are, in a few words, with whatever else its grid sets."""
    own = cell["spec"]["data"]
    if own["source"] is not None:
        images = Path(own["source"]).resolve().name
    else:
        images = f"films of {own['film_size']} px" if own["film_size"] else str(own["dataset"])
    named = (*FEEDING, "data.source", "data.film_size")
    others = [f"{key.split('.')[-1]} {value}" for key, value in cell["set"].items() if key not in named]
    return ", ".join([images, *others])


def summary(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arms`, `ratios` and `advice`, each a list of plain dicts."""
    found = arms(comparison)
    return {
        "arms": [_row(arm) for arm in found],
        "ratios": list(_ratios(found)),
        "advice": list(_advice(found)),
    }


def _row(arm: Arm) -> dict[str, Any]:
    rate = arm.rate("bytes")
    slowdown = interval(list(arm.slowdowns().values())) if arm.trained else None
    return {
        "task": arm.task,
        "source": arm.source,
        "backend": arm.backend,
        "form": arm.form,
        "loader": arm.loader,
        "workers": arm.workers,
        "cache": arm.cache,
        "samples_per_s": arm.rate("samples"),
        "bytes_per_s": rate,
        "of_copy": rate / arm.limits["copy"],
        "of_gather": rate / arm.limits["gather"],
        "limits": dict(arm.limits),
        "epoch_s": statistics.median(arm.seconds()) if slowdown else None,
        "memory_epoch_s": statistics.median(arm.seconds(from_memory=True)) if slowdown else None,
        "waiting": slowdown
        and {
            "share": 1 - 1 / slowdown["ratio"],
            "low": slowdown["low"] and 1 - 1 / slowdown["low"],
            "high": slowdown["high"] and 1 - 1 / slowdown["high"],
        },
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
                if (a.form, b.form) != (slow, fast) or a.how != b.how:
                    continue
                for of, ratio in (
                    ("loading", paired(a.passes(), b.passes())),
                    ("epoch", paired(a.slowdowns(), b.slowdowns())),
                ):
                    if ratio:
                        told = {"task": a.task, "source": a.source, "backend": a.backend, "loader": a.loader}
                        yield told | {"workers": a.workers, "cache": a.cache, "of": of, "a": slow, "b": fast} | ratio


def _advice(found: Sequence[Arm]) -> Iterator[dict[str, Any]]:
    """For every source and backend: the form to use, and what 1,000 rounds of an epoch each take from every form.

    Of arms that aren't told from the fastest, the preferred form is advised, with the fewest workers. An epoch of an
    arm is the median one from memory, over all arms of the backend, times the arm's slowdown.
    """
    for task, backend in dict.fromkeys((arm.task, arm.backend) for arm in found):
        own = [
            arm for arm in found if (arm.task, arm.backend) == (task, backend) and arm.cache == "warm" and arm.trained
        ]
        if len({arm.form for arm in own}) < 2:
            continue
        memory = statistics.median(seconds for arm in own for seconds in arm.seconds(from_memory=True))
        slowdown = {id(arm): interval(list(arm.slowdowns().values()))["ratio"] for arm in own}
        fastest = min(own, key=lambda arm: slowdown[id(arm)])
        best = min(
            (arm for arm in own if _as_fast(arm, fastest)),
            key=lambda arm: (PREFERRED.index(arm.form), arm.loader != "gather", arm.workers),
        )
        by_form = {form: [slowdown[id(arm)] for arm in own if arm.form == form] for form in PREFERRED}
        studied = [arm for arm in own if (arm.loader, arm.workers) == ("framework", 0)]
        yield {
            "task": task,
            "source": best.source,
            "backend": backend,
            "form": best.form,
            "loader": best.loader,
            "workers": best.workers,
            "rounds": ROUNDS,
            "seconds": ROUNDS * memory * slowdown[id(best)],
            "seconds_by_form": {form: ROUNDS * memory * min(own) for form, own in by_form.items() if own},
            "seconds_as_studied": {arm.form: ROUNDS * memory * slowdown[id(arm)] for arm in studied},
        }


def _as_fast(arm: Arm, fastest: Arm) -> bool:
    ratio = paired(arm.slowdowns(), fastest.slowdowns())
    return ratio is not None and (ratio["low"] or ratio["ratio"]) <= AS_FAST
