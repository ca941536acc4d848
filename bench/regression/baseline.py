"""What was measured earlier, read from a run folder, its comparison.json, or the result of another check."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import calibration, record
from bench.errors import UserError
from bench.jobs import Prepared
from bench.regression.pairing import Process
from bench.regression.verdicts import SCHEMA


@dataclass(frozen=True)
class Baseline:
    """Processes by backend, as sides of pairs, and their versions; `calibrated` are the kernel's seconds.

    evaluate_every: rounds; None for once, after the last, as a check does.
    """

    kind: str
    path: Path
    told: str
    commit: str | None
    digests: Mapping[str, str]
    spec: Mapping[str, Any]
    machine: Mapping[str, Any]
    calibrated: tuple[float, ...]
    processes: Mapping[str, list[Process]]
    versions: Mapping[str, Mapping[str, Any]]
    epsilons: Mapping[str, float | None]
    evaluate_every: int | None = None


def read(path: Path) -> Baseline:
    """Return what is at `path`. Raises UserError where it is no result, or one that nothing can be held against."""
    if path.is_dir():
        return _of_run(path, record.load(path))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"--against {path}: not a result that can be read: {error}") from None
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema not in (record.SCHEMA, SCHEMA):
        raise UserError(f"--against {path}: schema {schema!r}; it must be {record.SCHEMA} or {SCHEMA}")
    try:
        return _of_run(path, found) if schema == record.SCHEMA else _of_check(path, found)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(f"--against {path}: is damaged: {type(error).__name__}: {error}") from None


def refuse_another(baseline: Baseline, cell: Prepared) -> None:
    """Raise UserError where the baseline is of another experiment, data or settings than the cell."""
    where = f"--against {baseline.path}"
    apart = [name for name, digest in cell.digests.items() if baseline.digests.get(name) != digest]
    if apart:
        raise UserError(f"{where}: doesn't compute what is checked: they differ in {', '.join(apart)}")
    own = cell.cell.spec.model_dump(mode="json")
    others = record.differences(baseline.spec, own, names=("the baseline", "this check"))
    if others:
        raise UserError(f"{where}: doesn't compute what is checked: {'; '.join(others)}")


def _of_run(path: Path, comparison: Mapping[str, Any]) -> Baseline:
    if len(comparison["cells"]) != 1:
        raise UserError(f"--against {path}: has {len(comparison['cells'])} cells; a baseline has one")
    (cell,) = comparison["cells"]
    for backend, verdict in cell["parity"]["backends"].items():
        if verdict["verdict"] == "fail":
            raise UserError(f"--against {path}: {backend} failed its certificate there: {verdict['reason']}")
    calibrated = comparison.get("calibration")
    if calibrated is None or calibrated["kernel"] != calibration.KERNEL:
        raise UserError(f"--against {path}: holds no calibration of this version's kernel; run it again")
    processes: dict[str, list[Process]] = {}
    for run in cell["runs"]:
        if run["status"] == "done" and not run["resumed_after"]:
            processes.setdefault(run["backend"], []).append(_process(run))
    return Baseline(
        kind="run",
        path=path,
        told=f"{path.name}, of {comparison['finished']}",
        commit=None,
        digests=cell["digests"],
        spec=cell["spec"],
        machine=comparison["machine"],
        calibrated=tuple(calibrated["seconds"]),
        processes=processes,
        versions={run["backend"]: run["versions"] for run in cell["runs"]},
        epsilons={run["backend"]: _epsilon(run["privacy"]) for run in cell["runs"]},
        evaluate_every=cell["spec"]["timing"]["evaluate_every"],
    )


def _epsilon(spent: Mapping[str, Any] | None) -> float | None:
    return None if spent is None else _number(spent["epsilon_pld"])


def _number(epsilon: float | str | None) -> float | None:
    """What `privacy.plain` told."""
    return None if epsilon is None else float(epsilon)


def _process(run: Mapping[str, Any]) -> dict[str, Any]:
    timed = [entry for entry in run["rounds"] if not entry["warmup"]]
    return {
        "round_s": [entry["seconds"] for entry in timed],
        "round_cpu_s": [entry["cpu_seconds"] for entry in timed],
        "rounds": len(run["rounds"]),
        "load_s": run["phases"]["load_s"],
        "peak_rss_bytes": run["peak_rss_bytes"],
        "accuracy": run["evaluations"][-1]["accuracy"],
        "loss": run["evaluations"][-1]["loss"],
        "weights_sha256": run["weights_sha256"],
    }


def _of_check(path: Path, document: Mapping[str, Any]) -> Baseline:
    for entry in document["backends"]:
        for gate in entry["gates"]:
            if not gate["passed"]:
                raise UserError(f"--against {path}: {entry['backend']} failed there: {gate['gate']}: {gate['told']}")
    calibrated = document["calibration"]
    if calibrated["kernel"] != calibration.KERNEL:
        raise UserError(f"--against {path}: holds no calibration of this version's kernel; check again")
    return Baseline(
        kind="baseline",
        path=path,
        told=f"{path.name}, of {document['finished']}",
        commit=document["subject"]["commit"],
        digests=document["digests"],
        spec=document["spec"],
        machine=document["machine"],
        calibrated=tuple(calibrated["head_s"]),
        processes={entry["backend"]: list(entry["processes"]["head"]) for entry in document["backends"]},
        versions={entry["backend"]: entry["versions"]["head"] for entry in document["backends"]},
        epsilons={entry["backend"]: _number(entry["epsilon"]["head"]) for entry in document["backends"]},
        evaluate_every=document.get("evaluate_every"),
    )
