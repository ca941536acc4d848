"""What history is made of: one metric of one backend, measured at one commit on one machine, as a plain value."""

import hashlib
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

CALIBRATED = "round_calibrated"  # how many times as long as the kernel of `bench.calibration`, run beside it
UNITS = {
    "round_s": "s",
    CALIBRATED: "kernels",
    "round_cpu_s": "s",
    "load_s": "s",
    "first_round_s": "s",
    "peak_rss_bytes": "bytes",
    "accuracy": "share",
    "epsilon": "",
    "call_s": "s",
}
BETTER_WHEN_HIGHER = ("accuracy",)
_TEXTS = ("commit", "committed", "recorded", "source", "experiment", "digest", "backend", "metric", "unit")
_OPTIONAL = ("branch", "framework", "version")


@dataclass(frozen=True)
class Row:
    """A measurement.

    commit: its full hash; committed, recorded: moments in UTC (`moment`), when the commit was made and when the
    measurement ended; dirty: what was measured is the commit with changes; facts: the machine (cpu, cores,
    memory_bytes, system, python, fedbench, threads), JSON values; source: by what it was measured, which differ in
    how they measure: "run", "check" or "pytest-benchmark"; digest: of what was computed and how; values: one a round
    or process, in `unit`. Raises ValueError where that isn't so.
    """

    commit: str
    committed: str
    branch: str | None
    dirty: bool
    recorded: str
    facts: Mapping[str, Any]
    source: str
    experiment: str
    digest: str
    backend: str
    framework: str | None
    version: str | None
    metric: str
    unit: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in (*_TEXTS, *_OPTIONAL):
            text = getattr(self, name)
            if not (isinstance(text, str) or (text is None and name in _OPTIONAL)):
                raise ValueError(f"{name} is {text!r}, not a text")
            (text or "").encode()  # half a character is a ValueError
        if type(self.dirty) is not bool:
            raise ValueError(f"dirty is {self.dirty!r}, not true or false")
        if not isinstance(self.facts, Mapping):
            raise ValueError(f"facts are {self.facts!r}, not a table")
        if not self.values or not all(type(value) in (int, float) and math.isfinite(value) for value in self.values):
            raise ValueError(f"{self.metric} has to have finite numbers, and has {list(self.values)!r}")
        if (moment(self.committed), moment(self.recorded)) != (self.committed, self.recorded):
            raise ValueError(f"{self.committed} or {self.recorded} is no moment in UTC")

    @cached_property
    def machine(self) -> str:
        """Return the machine's key: processor, cores, memory in whole GiB, system and architecture.

        Not the kernel's release, nor Python's: these change on a machine that stays, which `bench.history.steps`
        tells beside a step.
        """
        system = str(self.facts.get("system") or "").split()
        memory = round((self.facts.get("memory_bytes") or 0) / 2**30)
        return _sha256([self.facts.get("cpu"), self.facts.get("cores"), memory, system[:1], system[-1:]])[:12]

    @cached_property
    def median(self) -> float:
        """Return the median of the values."""
        return float(statistics.median(self.values))

    @cached_property
    def series(self) -> tuple[str, ...]:
        """Return what rows have in common that can be put in one line: only the commit and the time differ."""
        return self.source, self.experiment, self.backend, self.metric, self.unit, self.machine, self.digest

    @cached_property
    def identity(self) -> str:
        """Return the SHA-256 of the measurement, whatever commit it is said to be of: nothing is measured twice."""
        return _sha256([*self.series, self.recorded, self.dirty, self.values])

    @cached_property
    def checksum(self) -> str:
        """Return the SHA-256 of the whole row."""
        return _sha256(self.document())

    def document(self) -> dict[str, Any]:
        """Return the row as JSON values; `from_document` reads it back."""
        return asdict(self) | {"facts": dict(self.facts), "values": list(self.values)}


def from_document(entry: Mapping[str, Any]) -> Row:
    """Return the row that `entry` holds. Raises KeyError, TypeError or ValueError where it holds none."""
    own = {field.name: entry[field.name] for field in fields(Row)}
    return Row(**own | {"values": tuple(own["values"])})


def moment(text: str) -> str:
    """Return an ISO 8601 moment in UTC; one without an offset is in UTC. Moments sort as texts."""
    read = datetime.fromisoformat(text)
    try:
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except OverflowError as error:
        raise ValueError(f"{text} is beyond what a calendar knows") from error


def digest(parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what says what was computed, and how."""
    return _sha256(parts)


def _sha256(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
