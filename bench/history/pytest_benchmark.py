"""JSON as pytest-benchmark writes it, read and written; a file is one commit's results on one machine.

What it has no place for stands in the `extra_info` of each benchmark, so that a file that was written here
gives the very rows when it is read. Only seconds can be told in it.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.history.commits import HASH, Commit
from bench.history.rows import UNITS, Row, digest, from_document, moment
from bench.history.settings import unusual

OWN = "fedbench_history"
SOURCE = "pytest-benchmark"
METRIC = "call_s"
VERSION = "5.1.0"  # of the format
Document = Mapping[str, Any]


def rows(document: Document, commit_of: Callable[[Commit | None], Commit]) -> Iterator[Row]:
    """Yield a row a benchmark: seconds a call, one value a round; the median alone where the file keeps no more.

    What `bench.pytest_plugin` timed is a round of training, and tells its backend.
    """
    recorded = moment(document["datetime"])
    others = [entry for entry in document["benchmarks"] if OWN not in entry["extra_info"]]
    for entry in document["benchmarks"]:
        if OWN in entry["extra_info"]:
            yield from_document(entry["extra_info"][OWN] | {"values": entry["stats"]["data"]})
    if not others:
        return
    commit = commit_of(_told(document["commit_info"]))
    facts = _facts(document["machine_info"])
    for entry in others:
        stats = entry["stats"]
        trained = entry["extra_info"] if {"backend", "digests", "versions"} <= entry["extra_info"].keys() else None
        versions = trained["versions"] if trained else {}
        metric = "round_s" if trained else METRIC
        work = {"benchmark": entry["fullname"], "params": entry["params"]}
        yield Row(
            commit=commit.hash,
            committed=commit.committed or recorded,
            branch=commit.branch,
            dirty=commit.dirty,
            recorded=recorded,
            facts=facts,
            source=SOURCE,
            experiment=entry["fullname"],
            digest=digest(work | (_trained(trained) if trained else {})),
            backend=trained["backend"] if trained else "pytest",
            framework=versions.get("framework"),
            version=versions.get("version"),
            metric=metric,
            unit=UNITS[metric],
            values=tuple(stats.get("data") or [stats["median"]]),
        )


def _trained(told: Document) -> dict[str, Any]:
    """What says what a round computed, and how; earlier files tell digests alone."""
    own: dict[str, Any] = {"digests": told["digests"]}
    return own | ({"settings": unusual(told["spec"]), "threads": told["threads"]} if "spec" in told else {})


def _told(info: Document) -> Commit | None:
    """The commit that the file tells; outside of a repository it tells a word instead."""
    if not isinstance(info.get("id"), str) or not HASH.fullmatch(info["id"]):
        return None
    branch = info.get("branch")
    when = info.get("time")
    return Commit(
        info["id"],
        moment(when) if when else None,
        branch if isinstance(branch, str) and not branch.startswith("(") else None,
        bool(info.get("dirty")),
    )


def _facts(info: Document) -> dict[str, Any]:
    cpu = info.get("cpu") or {}
    return {
        "cpu": cpu.get("brand_raw") or info.get("processor") or "unknown",
        "cores": cpu.get("count"),
        "memory_bytes": None,
        "system": f"{info.get('system')} {info.get('release')} {info.get('machine')}",
        "python": info.get("python_version"),
    }


def files(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Return files by name, one a commit, machine and moment, numbered in the order of `rows`; all are in seconds."""
    groups: dict[tuple[str, bool, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.commit, row.dirty, row.machine, row.recorded), []).append(row)
    return {
        f"{number:04}_{own[0].commit}{'_uncommitted-changes' if own[0].dirty else ''}.json": _document(own)
        for number, own in enumerate(groups.values(), start=1)
    }


def _document(own: Sequence[Row]) -> dict[str, Any]:
    first = own[0]
    words = str(first.facts.get("system") or "unknown").split() or ["unknown"]
    return {
        "machine_info": {
            "node": "",
            "machine": words[-1],
            "system": words[0],
            "python_version": first.facts.get("python"),
            "cpu": {"brand_raw": first.facts.get("cpu"), "count": first.facts.get("cores")},
        },
        "commit_info": {
            "id": first.commit,
            "time": first.committed,
            "author_time": first.committed,
            "dirty": first.dirty,
            "project": "",
            "branch": first.branch or "(unknown)",
        },
        "benchmarks": [_benchmark(row) for row in own],
        "datetime": first.recorded,
        "version": VERSION,
    }


def _benchmark(row: Row) -> dict[str, Any]:
    name = row.experiment if row.source == SOURCE else f"{row.experiment}[{row.backend}-{row.metric}]"
    own = {key: value for key, value in row.document().items() if key != "values"}
    return {
        "group": row.metric,
        "name": name.rpartition("::")[2],
        "fullname": name,
        "params": None,
        "param": None,
        "extra_info": {OWN: own},
        "options": {
            "disable_gc": False,
            "timer": "perf_counter",
            "min_rounds": len(row.values),
            "max_time": 0,
            "min_time": 0,
            "warmup": False,
        },
        "stats": _stats(row.values),
    }


def _stats(values: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(values)
    mean, deviation = statistics.fmean(ordered), statistics.stdev(ordered) if len(ordered) > 1 else 0.0
    q1, q3 = (statistics.median(half) for half in _halves(ordered))
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    far = sum(abs(value - mean) > deviation for value in ordered)
    beyond = sum(not low <= value <= high for value in ordered)
    inside = [value for value in ordered if low <= value <= high]
    total = sum(ordered)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(ordered),
        "median": statistics.median(ordered),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": beyond,
        "stddev_outliers": far,
        "outliers": f"{far};{beyond}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": len(ordered) / total if total else 0.0,
        "total": total,
        "data": list(values),
        "iterations": 1,
    }


def _halves(ordered: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The lower and the upper half, the middle one in both."""
    return ordered[: -(-len(ordered) // 2)], ordered[len(ordered) // 2 :]
