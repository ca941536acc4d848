"""What a comparison says, in sentences computed from its numbers."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cells import finished
from bench.crossval import tables as crossval
from bench.layout import figures
from bench.privacy_table import epsilon
from bench.study import report as study
from bench.table import told_alone

Cell = Mapping[str, Any]


def words(comparison: Mapping[str, Any]) -> list[str]:
    """Return the summary: the study beside it, speed, accuracy, privacy, certificates, and what isn't done."""
    cells = told_alone(comparison)
    return [
        *study.words(comparison),
        *crossval.words(comparison),
        *_speed(cells),
        *_accuracy(cells),
        *_privacy(comparison),
        *_certificates(comparison["cells"]),
        *_undone(comparison["cells"]),
    ]


def _speed(cells: Sequence[Cell]) -> list[str]:
    by_pair: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell in cells:
        beside = {run["backend"] for run in cell["runs"] if run.get("beside")}
        for entry in cell["ratios"]:
            if entry["metric"] == "round_s" and not {entry["a"], entry["b"]} & beside:
                by_pair.setdefault((entry["a"], entry["b"]), []).append(entry)
    return [_compared(a, b, entries) for (a, b), entries in by_pair.items()]


def _compared(a: str, b: str, entries: Sequence[Mapping[str, Any]]) -> str:
    if len(entries) > 1:
        ratios = [entry["ratio"] for entry in entries]
        slower = sum(entry["low"] is not None and entry["low"] > 1 for entry in entries)
        faster = sum(entry["high"] is not None and entry["high"] < 1 for entry in entries)
        counts = ((slower, "longer"), (faster, "shorter"), (len(entries) - slower - faster, "not told apart"))
        told = ", ".join(f"{verdict} in {count}" for count, verdict in counts if count)
        return (
            f"A round of {a} took {figures(min(ratios))} to {figures(max(ratios))} times as long as one of {b}, over"
            f" {len(entries)} cells: {told}{_drift(a, b)}."
        )
    (entry,) = entries
    told = f"{figures(entry['ratio'])} times as long as one of {b}"
    if _drift(a, b):
        return f"A round of {a} took {told}{_drift(a, b)}."
    if entry["low"] is None:
        return f"A round of {a} took {told}; one pair of rounds tells no interval."
    interval = f"95 % interval {figures(entry['low'])} to {figures(entry['high'])}"
    if entry["low"] <= 1 <= entry["high"]:
        return f"A round of {a} took {told} ({interval}): no difference that can be told."
    return f"A round of {a} took {told} ({interval})."


def _drift(a: str, b: str) -> str:
    """What to say of two sides of a joined comparison: they weren't interleaved."""
    is_joined = {a[-4:], b[-4:]} == {" (A)", " (B)"}
    return "; they ran at different times, so what slowed the machine is in that" if is_joined else ""


def _accuracy(cells: Sequence[Cell]) -> list[str]:
    finals: dict[str, list[tuple[float, str]]] = {}
    for cell in cells:
        for backend, runs in finished(cell).items():
            values = [100 * run["evaluations"][-1]["accuracy"] for run in runs if run["evaluations"]]
            if not values:
                continue
            finals.setdefault(backend, []).append((statistics.mean(values), cell["name"]))
    if not finals:
        return []
    if len(cells) == 1:
        told = ", ".join(f"{values[0][0]:.1f} % with {backend}" for backend, values in finals.items())
        return [f"Final accuracy on {cells[0]['test_samples']} held-out samples: {told}."]
    return [
        f"Final accuracy with {backend}{_in_some(len(values), len(cells))}: from {min(values)[0]:.1f} %"
        f" ({min(values)[1]}) to {max(values)[0]:.1f} % ({max(values)[1]})."
        for backend, values in finals.items()
    ]


def _in_some(finished_in: int, cells: int) -> str:
    return f" in {finished_in} of {cells} cells" if finished_in < cells else ""


def _privacy(comparison: Mapping[str, Any]) -> list[str]:
    runs = [run for cell in comparison["cells"] for run in cell["runs"]]
    spent = [run["privacy"] for run in runs if run["privacy"] and run["status"] == "done"]
    if not spent:
        return []
    values = sorted(float(own["epsilon_pld"]) for own in spent)
    told = epsilon(values[0]) if values[0] == values[-1] else f"{epsilon(values[0])} to {epsilon(values[-1])}"
    deltas = " and ".join(f"{delta:g}" for delta in sorted({own["delta"] for own in spent}))
    return [f"Private runs spent an epsilon of {told} each, by privacy loss distributions, at delta {deltas}."]


def _certificates(cells: Sequence[Cell]) -> list[str]:
    verdicts: dict[tuple[int, str], Mapping[str, Any]] = {
        (cell["task"], backend): own for cell in cells for backend, own in cell["parity"]["backends"].items()
    }
    if not verdicts:
        return []
    passed = sum(own["verdict"] == "pass" for own in verdicts.values())
    found = [f"{backend}: {own['reason']}" for (_, backend), own in verdicts.items() if own["verdict"] == "fail"]
    if passed == len(verdicts):
        told = "The certificate passes" if passed == 1 else f"All {passed} certificates pass"
        return [f"{told}: in the plan's first rounds every backend computed what the float64 reference computed."]
    failed = [
        f"A certificate failed, and what is beside it can't be compared: {text}." for text in dict.fromkeys(found)
    ]
    return [f"{passed} of {len(verdicts)} certificates pass.", *failed]


def _undone(cells: Sequence[Cell]) -> list[str]:
    found: dict[str, int] = {}
    for cell in cells:
        for run in cell["runs"]:
            if run["status"] != "done":
                text = f"{run['backend']} {run['status']}: {run['reason']}"
                found[text] = found.get(text, 0) + 1
    return [f"{text} ({count} run{'s' if count > 1 else ''})." for text, count in found.items()]
