"""Results: what a job's events say, and the comparison of all of them as one document."""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import events, loading, privacy_summary
from bench.errors import UserError
from bench.jobs import Contender
from bench.ratios import ratios
from bench.spec import Cell, Data, Timing

STILL_COLD = 0.02  # of the pages looked at
SCHEMA = "bench.comparison/1"
Event = Any


def run_entry(
    contender: Contender,
    repeat: int,
    data: Data,
    timing: Timing,
    status: str,
    reason: str | None,
    seen: Sequence[Event],
    privacy: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return one run of the comparison document, from what its worker said and the `bench.privacy.entry` of it."""
    since = _rounds_since_started(seen)
    rounds = [
        {
            "round": event.number,
            "form": event.form,
            "seconds": event.seconds,
            "cpu_seconds": event.cpu_seconds,
            "cohort": event.cohort,
            "bytes_down": event.bytes_down,
            "bytes_up": event.bytes_up,
            "warmup": not contender.centralised and since[event.number] <= _warmup(event.number, since, timing),
        }
        for event in _only(seen, events.Round)
    ]
    evaluations = _only(seen, events.Evaluation)
    predicted = next(iter(_only(seen, events.Predicted)), None)
    timed = [entry["seconds"] for entry in rounds if not entry["warmup"]]
    warmup = 0 if contender.centralised else timing.warmup_rounds
    return {
        "backend": contender.label,
        "centralised": contender.centralised,
        "baseline": contender.baseline,
        "beside": contender.beside,
        "form": data.form,
        "loader": data.loader,
        "workers": data.workers,
        "cache": _cache(timing.cache, _only(seen, events.Dropped)),
        "repeat": repeat,
        "status": status,
        "reason": reason,
        "versions": contender.versions,
        "way": _way(seen),
        "resumed_after": [number - 1 for number, own in since.items() if own == 1][1:],
        "phases": _first_phases(seen)
        | {
            "first_round_s": rounds[0]["seconds"] if rounds else None,
            "train_s": _expected(rounds, warmup) * statistics.mean(timed) if timed else None,
            "evaluate_s": _evaluate_s(seen),
        },
        "loading": [event._asdict() for event in _only(seen, events.Fed)],
        "rounds": rounds,
        "evaluations": [
            {"round": event.round, "accuracy": event.accuracy, "loss": event.loss} for event in evaluations
        ],
        "predicted": predicted.classes if predicted else None,
        "sample_s": predicted.sample_s if predicted else None,
        "model_bytes": predicted.model_bytes if predicted else None,
        "weights_sha256": next((event.sha256 for event in reversed(_only(seen, events.Saved))), None),
        "privacy": privacy,
        "peak_device_bytes": max((event.peak_bytes for event in _only(seen, events.OnDevice)), default=None),
        "peak_rss_bytes": max(
            (event.peak_rss_bytes for event in seen if hasattr(event, "peak_rss_bytes")), default=None
        ),
    }


def _way(seen: Sequence[Event]) -> str | None:
    """How a backend that chooses its way ran."""
    return next((event.way for event in _only(seen, events.Chosen)), None)


def _warmup(number: int, since: Mapping[int, int], timing: Timing) -> int:
    """How many rounds of the process that a round was in are kept apart: of one that goes on, the first at least."""
    is_later = number != since[number]
    return max(timing.warmup_rounds, 1) if is_later else timing.warmup_rounds


def _expected(rounds: Sequence[Mapping[str, Any]], warmup: int) -> int:
    """How many rounds an untouched run times: what a later process warms up with counts as the others' mean."""
    return sum(entry["round"] > warmup for entry in rounds)


def _evaluate_s(seen: Sequence[Event]) -> float | None:
    """Seconds of all evaluations; a later process's first, which compiles once more, counts as the others' mean."""
    timed: list[float] = []
    again = processes = 0
    is_first = False
    for event in seen:
        if isinstance(event, events.Started):
            processes, is_first = processes + 1, True
        elif isinstance(event, events.Evaluation):
            if is_first and timed:
                again += 1
            else:
                timed.append(event.seconds)
            is_first = False
    return sum(timed) + again * statistics.mean(timed[1:] or timed) if timed else None


def _first_phases(seen: Sequence[Event]) -> dict[str, float]:
    """Seconds of the first process's phases: what a later one repeats is not a part of an untouched run."""
    found: dict[str, float] = {}
    for event in _only(seen, events.Phase):
        found.setdefault(f"{event.name}_s", event.seconds)
    return found


def _rounds_since_started(seen: Sequence[Event]) -> dict[int, int]:
    """By round, which one of its process it was: a job that was interrupted has had several, and each compiles anew."""
    found: dict[int, int] = {}
    own = 0
    for event in seen:
        if isinstance(event, events.Started):
            own = 0
        elif isinstance(event, events.Round):
            own += 1
            found[event.number] = own
    return found


def _cache(wanted: str, drops: Sequence[Event]) -> str:
    """What the page cache was: a system that doesn't drop, or only in part, is told."""
    if wanted == "warm":
        return "warm"
    problem = next((event.problem for event in drops if event.problem), None)
    if problem:
        return f"warm: can't be dropped: {problem}"
    if any(event.resident is None for event in drops):
        return "cold, unproven: this system doesn't tell what it dropped"
    kept = max((event.resident for event in drops), default=0.0)
    return "cold" if kept <= STILL_COLD else f"warm: the system kept {kept:.0%} of it"


def _only(seen: Sequence[Event], kind: type) -> list[Event]:
    return [event for event in seen if isinstance(event, kind)]


def cell_entry(
    cell: Cell,
    digests: Mapping[str, str],
    samples: tuple[int, int],
    runs: Sequence[dict[str, Any]],
    parity: Mapping[str, Any],
) -> dict[str, Any]:
    """Return one cell of the comparison; `samples` are the numbers to train on and held out."""
    return {
        "name": cell.name,
        "set": dict(cell.settings),
        "spec": cell.spec.model_dump(mode="json"),
        "scaled": {key: list(pair) for key, pair in cell.scaled.items()},
        "digests": dict(digests),
        "train_samples": samples[0],
        "test_samples": samples[1],
        "runs": list(runs),
        "parity": dict(parity),
        "ratios": ratios(runs),
    }


def problems(comparison: Mapping[str, Any], allow_skips: bool) -> list[str]:
    """Return why this comparison is not a success, a line each; nothing where it is."""
    found = []
    certified = set()
    for cell in comparison["cells"]:
        place = f" [{cell['name']}]" if cell["name"] else ""
        for run in cell["runs"]:
            if run["status"] == "failed" or (run["status"] == "skipped" and not allow_skips):
                found.append(f"{run['backend']}{place} repeat {run['repeat']} {run['status']}: {run['reason']}")
            found += [f"{run['backend']}{place}: {text}" for text in (run["privacy"] or {}).get("disagreements", ())]
        if cell["task"] in certified:
            continue  # cells of a task share their probes
        certified.add(cell["task"])
        for backend, verdict in cell["parity"]["backends"].items():
            if verdict["verdict"] == "fail":
                found.append(f"{backend}{place} failed the certificate: {verdict['reason']}")
            elif verdict["verdict"] == "not-comparable" and not allow_skips:
                found.append(f"{backend}{place} has no certificate: {verdict['reason']}")
    return list(dict.fromkeys([*found, *_changed_by_form(comparison)]))


def _changed_by_form(comparison: Mapping[str, Any]) -> list[str]:
    """Say whose final weights depend on the form that was read, where each form by itself gives the same each time."""
    finals: dict[tuple[int, str], dict[str, set[str]]] = {}
    for cell in comparison["cells"]:
        if cell["spec"]["timing"]["device"] != "cpu":
            continue  # a GPU's sums may come in another order every time
        if any(run["privacy"] for run in cell["runs"]):
            continue  # noise is never the same
        for run in cell["runs"]:
            if run["status"] == "done" and run["weights_sha256"]:
                forms = finals.setdefault((cell["task"], run["backend"]), {})
                forms.setdefault(cell["name"], set()).add(run["weights_sha256"])
    return [
        f"{backend}: the final weights depend on how samples were read: {' | '.join(forms)}"
        for (_, backend), forms in finals.items()
        if all(len(own) == 1 for own in forms.values()) and len(set.union(*forms.values())) > 1
    ]


def load(folder: Path) -> dict[str, Any]:
    """Return the comparison of a run folder. Raises UserError where there is none that can be trusted."""
    from bench.store import read_json

    if not folder.is_dir():
        raise UserError(f"{folder}: no such run folder")
    path = folder / "comparison.json"
    if not path.exists():
        raise UserError(f"{folder}: not a finished run (no comparison.json); the same bench run command resumes it")
    comparison = read_json(folder / "record.json")
    if comparison is None:
        raise UserError(f"{folder / 'record.json'}: missing, torn or altered: its checksum doesn't match")
    if comparison.get("schema") != SCHEMA:
        told = f"{folder}: schema {comparison.get('schema')!r}; this version of fedbench reads {SCHEMA}"
        raise UserError(f"{told}: read it with the version that wrote it, or run it again")
    cells = [{"spec": _spec_of(cell, comparison), **cell} for cell in comparison["cells"]]
    return summarised(dict(comparison) | {"cells": cells})


def _spec_of(cell: Mapping[str, Any], comparison: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a cell that was recorded before cells held their own."""
    spec = {key: dict(value) if isinstance(value, dict) else value for key, value in comparison["spec"].items()}
    for key, value in cell["set"].items():
        section, _, name = key.partition(".")
        if name:
            spec[section] = (spec[section] or {}) | {name: value}
        else:
            spec[section] = value
    return spec


def final_weights(folder: Path, run: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float32]]:
    """Return the canonical weights that a run of the comparison in `folder` ended with; found by their sha256."""
    for path in folder.rglob("weights-*.npz"):
        if hashlib.sha256(path.read_bytes()).hexdigest() == run["weights_sha256"]:
            with np.load(path) as stored:
                return {name: stored[name] for name in stored.files}
    raise UserError(f"{folder}: the final weights of {run['backend']}, repeat {run['repeat']}, are gone")


def join(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Put two comparisons side by side. Raises UserError unless every cell computed the same thing."""
    if len(a["cells"]) != len(b["cells"]):
        raise UserError(f"not the same experiment: {len(a['cells'])} cells against {len(b['cells'])}")
    cells = []
    for left, right in zip(a["cells"], b["cells"], strict=True):
        differing = [key for key in left["digests"] if left["digests"][key] != right["digests"].get(key)]
        if differing:
            place = f" in cell {left['name']}" if left["name"] else ""
            raise UserError(f"not comparable{place}: they differ in {', '.join(differing)}")
        others = differences(left["spec"], right["spec"])
        if others:
            place = f" in cell {left['name']}" if left["name"] else ""
            raise UserError(f"not comparable{place}: {'; '.join(others)}")
        if left["set"] != right["set"]:
            raise UserError(f"not comparable: cell {left['name']!r} of A stands where {right['name']!r} stands in B")
        runs = [_named(run, "A") for run in left["runs"]] + [_named(run, "B") for run in right["runs"]]
        backends = {f"{name} (A)": verdict for name, verdict in left["parity"]["backends"].items()}
        backends |= {f"{name} (B)": verdict for name, verdict in right["parity"]["backends"].items()}
        joined = {"runs": runs, "parity": left["parity"] | {"backends": backends}, "ratios": ratios(runs)}
        if "limits" in left and "limits" in right:
            joined["limits"] = [*left["limits"], *right["limits"]]
        cells.append(dict(left) | joined)
    sides = [{key: side.get(key) for key in ("machine", "command", "finished")} for side in (a, b)]
    best = {"sgemm_flops": None}  # of A's machine on its day, which B's runs are no share of
    return summarised(dict(a) | {"cells": cells, "joined": sides} | best)


def differences(
    a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, str] = ("A", "B"), but: Sequence[str] = ()
) -> list[str]:
    """Say in which settings two specs, as JSON, differ that change what is computed, beside the digests.

    `names` are what the two are called, `but` are keys that may differ.
    """
    apart = {"data": ("form", "loader", "workers", "source", "film_size", "skip_bad")}
    found = []
    for section in ("data", "model", "federation", "training", "privacy"):
        left, right = a.get(section) or {}, b.get(section) or {}
        for key in dict.fromkeys([*left, *right]):
            is_apart = key in apart.get(section, ()) or f"{section}.{key}" in but
            if not is_apart and left.get(key) != right.get(key):
                found.append(f"{section}.{key} is {left.get(key)} in {names[0]} and {right.get(key)} in {names[1]}")
    return found


def summarised(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparison with what follows from its cells: what loading costs, and privacy, where it has any."""
    found = dict(comparison)
    if any("limits" in cell for cell in comparison["cells"]):
        found["loading"] = loading.summary(comparison)
    if privacy_summary.is_private(comparison):
        found["privacy"] = privacy_summary.summary(comparison)
    return found


def _named(run: Mapping[str, Any], side: str) -> dict[str, Any]:
    labels = {key: f"{run[key]} ({side})" for key in ("backend", "baseline", "beside") if run.get(key)}
    return dict(run) | labels
