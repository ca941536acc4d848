"""How fast each backend has been on this machine, kept in the user's cache folder for estimates of time.

One JSON file: by machine, for a home may be shared, and by what was run, a list of observations. It is never needed:
where it is missing, torn or can't be written, less is known, and nothing fails.
"""

import contextlib
import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import environments, events, machine, store
from bench.jobs import REFERENCE, Job
from bench.work import Piece

KEPT = 32  # observations of one key; of clients that do about as much, the newest only
WAIT_S = 2.0  # for another run that is writing; rather than longer, the observation is let go


@dataclass(frozen=True)
class Observation:
    """What one job has shown: the FLOPs of a client's part and of a round, and seconds a round and to start up."""

    slot: float
    round: float
    seconds: float
    startup: float


Known = dict[str, list[Observation]]


def key(piece: Piece) -> str:
    """Name what makes times of one backend comparable. A probe reads from memory, whatever its cell reads from."""
    spec = piece.spec
    parts = [piece.label, spec.timing.device, f"{spec.timing.threads or machine.cores()} threads"]
    parts += [f"privacy by {spec.privacy.unit}, {spec.privacy.engine}"] if spec.privacy else []
    if piece.is_probe:
        return ", ".join(parts)
    parts += [f"{spec.data.form} by {spec.data.loader}"] if spec.data.form != "memory" else []
    parts += [f"{spec.data.workers} workers"] if spec.data.workers else []
    parts += ["compiled"] if spec.training.compile else []
    parts += ["cold"] if spec.timing.cache == "cold" else []
    return ", ".join(parts)


def load() -> Known:
    """Return what this machine has shown so far."""
    return _parsed(_machines(_path()).get(_machine()))


def add(job: Job, seen: Sequence[Any]) -> None:
    """Keep what a finished job has shown. Of probes the reference's only: it runs nowhere else."""
    shown = observed(job, seen)
    if shown is None or (job.repeat == 0 and job.contender.label != REFERENCE):
        return
    path = _path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            with store.locked(path.with_suffix(".lock")) as is_ours:
                if is_ours:
                    _write(path, key(Piece.of(job)), shown)
                    return
            time.sleep(0.05)


def observed(job: Job, seen: Sequence[Any]) -> Observation | None:
    """Return what a job's events show; None where no round was trained after the first."""
    rounds = [event.seconds for event in seen if isinstance(event, events.Round)]
    if job.contender.centralised:
        timed = rounds
    else:
        timed = rounds[max(1, job.cell.cell.spec.timing.warmup_rounds) :] if job.repeat else rounds[1:]
    if not timed:
        return None
    seconds = statistics.median(timed)
    before = sum(event.seconds for event in seen if isinstance(event, events.Phase | events.Fed))
    piece = Piece.of(job)
    return Observation(piece.slot, piece.round, seconds, before + max(0.0, rounds[0] - seconds))


def closest(observations: Sequence[Observation], slot: float) -> Observation:
    """Return the one whose clients do most nearly as much: overheads weigh alike."""
    return min(observations, key=lambda one: abs(math.log(one.slot / slot)))


def _write(path: Path, name: str, shown: Observation) -> None:
    machines = _machines(path)
    known = _parsed(machines.get(_machine()))
    others = [one for one in known.get(name, ()) if _octave(one) != _octave(shown)]
    known[name] = [*others, shown][-KEPT:]
    told = {key: [asdict(one) for one in own] for key, own in known.items()}
    store.write_json(path, {**machines, _machine(): told})


def _machines(path: Path) -> Mapping[str, Any]:
    body = store.read_json(path)
    return body if isinstance(body, Mapping) else {}


def _octave(one: Observation) -> int:
    return round(math.log2(one.slot))


def _parsed(told: Any) -> Known:
    """Take what is whole, or nothing."""
    try:
        return {str(name): [_checked(one) for one in own] for name, own in told.items() if own}
    except (TypeError, ValueError, AttributeError):
        return {}


def _checked(fields: Mapping[str, float]) -> Observation:
    found = Observation(**{name: float(value) for name, value in fields.items()})
    if not (found.slot > 0 and found.round > 0 and found.seconds >= 0 and found.startup >= 0):
        raise ValueError("no such speed")
    return found


def _machine() -> str:
    return str(machine.facts()["cpu"])  # how many of its cores were used is told by each key


def _path() -> Path:
    return Path(os.environ.get("FEDBENCH_SPEEDS") or environments.home() / "speeds.json")
