"""What a framework adds to the arithmetic that it runs on: its times over those of its own baseline variant.

PySyft's generations compute with the torch of their day, so their seconds say little beside another's: what each adds
to plain torch, in the same environment and the same kind of process, can be compared.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.layout import ABSENT, Table, figures, ratio

Run = Mapping[str, Any]
COLUMNS = (
    "backend", "computes with", "transport", "plain: a round, s", "a round, s", "time", "CPU", "memory",
    "final weights",
)  # fmt: skip
METRICS = ("round_s", "round_cpu_s", "peak_rss_bytes")


def tables(cell: Mapping[str, Any], place: str) -> list[Table]:
    """Return the overheads of a cell of a comparison as one table; none where no backend has a baseline."""
    runs: dict[str, list[Run]] = {}
    for run in cell["runs"]:
        runs.setdefault(run["backend"], []).append(run)
    rows = [
        _row(name, own, runs[own[0]["baseline"]], cell["ratios"])
        for name, own in runs.items()
        if own[0].get("baseline") in runs
    ]
    if not rows:
        return []
    notes = (
        "time, CPU, memory: ratio to plain torch in the same environment, whose runs are interleaved with the"
        " framework's own, with its 95 % bootstrap interval.",
        "Final weights: the same as plain torch's, bit for bit, or not.",
    )
    return [Table(f"Overhead over plain torch{place}", COLUMNS, tuple(rows), notes)]


def arithmetic(versions: Mapping[str, Any]) -> str:
    """Say what does a backend's arithmetic, such as torch 1.4.0, Python 3.7."""
    if not versions.get("computes_with"):
        return ABSENT
    name, version = versions["computes_with"]
    return f"{name} {version}, Python {'.'.join(versions['python'].split('.')[:2])}"


def warnings(backends: Mapping[str, Sequence[Run]]) -> list[str]:
    """Say whose seconds may not be held against the others'."""
    own = {name: runs[0] for name, runs in backends.items() if runs[0].get("baseline")}
    if not own:
        return []
    told = ", ".join(f"{name} ({arithmetic(run['versions'])})" for name, run in own.items())
    return [f"No ratio for {told}: each is held against plain torch of its own environment; see its overhead."]


def _row(name: str, own: Sequence[Run], plain: Sequence[Run], ratios: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    found = {entry["metric"]: entry for entry in ratios if entry["a"] == name}
    versions = own[0]["versions"]
    return (
        name,
        arithmetic(versions),
        versions.get("transport") or ABSENT,
        _seconds(plain),
        _seconds(own),
        *(
            ratio(found[metric]) if metric in found else ABSENT
            for metric in ("round_s", "round_cpu_s", "peak_rss_bytes")
        ),
        _weights(own, plain),
    )


def _seconds(runs: Sequence[Run]) -> str:
    found = [entry["seconds"] for run in runs for entry in run["rounds"] if not entry["warmup"]]
    return figures(statistics.median(found)) if found else ABSENT


def _weights(own: Sequence[Run], plain: Sequence[Run]) -> str:
    mine, theirs = ({run["weights_sha256"] for run in runs if run["weights_sha256"]} for runs in (own, plain))
    if not mine or not theirs:
        return ABSENT
    return "the same" if len(mine | theirs) == 1 else "differ"
