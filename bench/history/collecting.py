"""Rows from what other commands left: a run folder, a check, a pytest-benchmark JSON, an exported history."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import record
from bench.data.wording import quoted
from bench.errors import UserError
from bench.history import pytest_benchmark
from bench.history.commits import HASH, Commit
from bench.history.rows import CALIBRATED, UNITS, Row, digest, from_document, moment
from bench.history.settings import unusual
from bench.regression import verdicts

HISTORY = "bench.history/1"
ALLOWED = (
    f"a run folder, or JSON of bench check ({verdicts.SCHEMA}), bench history export ({HISTORY}) or pytest-benchmark"
)
_NOT_THE_SAME_WORK = ("parity", "weights")
CommitOf = Callable[[Commit | None], Commit]
Document = Mapping[str, Any]
Values = Mapping[str, Sequence[float | str | None]]


@dataclass(frozen=True)
class Collected:
    """Rows, and what a person should know of what became none, a line each."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def collect(path: Path, commit_of: CommitOf) -> Collected:
    """Return the rows of a run folder or file; `commit_of` turns the commit that a result tells, if it tells one,
    into the one that was measured. Raises UserError where there are none that can be trusted.
    """
    document = record.load(path) if path.is_dir() else _read(path)
    return from_result(document, commit_of, str(path))


def from_result(document: Document, commit_of: CommitOf, place: str) -> Collected:
    """Return the rows of a document; `place` is what a message calls it."""
    kind, rows_of = _kind(document, place)
    try:
        found = rows_of(document, commit_of)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        told = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{quoted(place)}: not a whole {kind}: {told}") from error
    if not found.rows:
        because = f": {'; '.join(found.notes)}" if found.notes else ""
        raise UserError(f"{quoted(place)}: it holds nothing that was measured{because}")
    return found


def _read(path: Path) -> Document:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{quoted(path)}{line}: not JSON; allowed: {ALLOWED}") from error
    if not isinstance(document, dict):
        raise UserError(f"{quoted(path)}: no result; allowed: {ALLOWED}")
    return document


def _kind(document: Document, place: str) -> tuple[str, Callable[[Document, CommitOf], Collected]]:
    schema = document.get("schema")
    known = {record.SCHEMA: _of_runs, verdicts.SCHEMA: _of_check, HISTORY: _of_history}
    if isinstance(schema, str) and schema in known:
        return f"{schema} document", known[schema]
    if schema is None and "benchmarks" in document and "machine_info" in document:
        return "pytest-benchmark JSON", lambda own, of: Collected(tuple(pytest_benchmark.rows(own, of)))
    raise UserError(f"{quoted(place)}: no result (schema {schema!r}); allowed: {ALLOWED}")


def _of_runs(document: Document, commit_of: CommitOf) -> Collected:
    """A row a metric, backend and cell; round times of all repeats together, without the rounds that warm up."""
    commit = commit_of(None)
    rows: list[Row] = []
    notes = []
    for cell in document["cells"]:
        name = document["experiment"]["name"] + (f" [{cell['name']}]" if cell["name"] else "")
        settings = {"digests": cell["digests"], "settings": unusual(cell["spec"])}
        by_backend: dict[str, list[Document]] = {}
        for run in cell["runs"]:
            if run["status"] == "done":
                by_backend.setdefault(run["backend"], []).append(run)
        for backend, runs in by_backend.items():
            if cell["parity"]["backends"].get(backend, {}).get("verdict") == "fail":
                notes.append(f"{backend} of {name} failed its certificate: it is left out")
                continue
            about = _About(document, "run", name, backend, runs[0]["versions"], settings)
            rows += about.rows(commit, _values_of_runs(runs, document.get("calibration")))
    return Collected(tuple(rows), tuple(notes))


def _values_of_runs(runs: Sequence[Document], calibration: Document | None) -> Values:
    rounds = [entry for run in runs for entry in run["rounds"] if not entry["warmup"]]
    kernels = [
        entry["seconds"] / calibration["seconds"][run["repeat"] - 1]
        for run in runs
        for entry in run["rounds"]
        if calibration and not entry["warmup"]
    ]
    return {
        "round_s": [entry["seconds"] for entry in rounds],
        CALIBRATED: kernels,
        "round_cpu_s": [entry["cpu_seconds"] for entry in rounds],
        "load_s": [run["phases"].get("load_s") for run in runs],
        "first_round_s": [run["phases"].get("first_round_s") for run in runs],
        "peak_rss_bytes": [run["peak_rss_bytes"] for run in runs],
        "accuracy": [run["evaluations"][-1]["accuracy"] for run in runs if run["evaluations"]],
        "epsilon": [run["privacy"]["epsilon_pld"] for run in runs if run["privacy"]],
    }


def _of_check(document: Document, commit_of: CommitOf) -> Collected:
    """A row a metric and backend, of head alone."""
    subject = document["subject"]
    told = Commit(subject["commit"], dirty=subject["dirty"]) if subject["commit"] else None
    if told and not HASH.fullmatch(told.hash):
        raise ValueError(f"subject.commit is {told.hash!r}, not a full hash")
    commit = commit_of(told)
    rows: list[Row] = []
    notes = []
    for entry in document["backends"]:
        failed = [gate["gate"] for gate in entry["gates"] if not gate["passed"] and gate["gate"] in _NOT_THE_SAME_WORK]
        if failed:
            notes.append(f"{entry['head']} failed the gate of {failed[0]}: it is left out")
            continue
        settings = {"digests": document["digests"], "settings": unusual(document["spec"])}
        about = _About(document, "check", document["experiment"], entry["head"], entry["versions"]["head"], settings)
        calibrated = statistics.median(document["calibration"]["head_s"])
        rows += about.rows(commit, _values_of_processes(entry["processes"]["head"], calibrated))
    return Collected(tuple(rows), tuple(notes))


def _values_of_processes(heads: Sequence[Document], calibrated_s: float) -> Values:
    rounds = [value for head in heads for value in head["round_s"]]
    return {
        "round_s": rounds,
        CALIBRATED: [value / calibrated_s for value in rounds],
        "round_cpu_s": [value for head in heads for value in head["round_cpu_s"]],
        **{name: [head[name] for head in heads] for name in ("load_s", "peak_rss_bytes", "accuracy")},
    }


def _of_history(document: Document, commit_of: CommitOf) -> Collected:
    """The rows as they are: they tell their commit."""
    return Collected(tuple(from_document(entry) for entry in document["rows"]))


@dataclass(frozen=True)
class _About:
    """What the rows of one backend have in common."""

    document: Document
    source: str
    experiment: str
    backend: str
    versions: Document
    settings: Mapping[str, Any]

    def rows(self, commit: Commit, values: Values) -> Iterable[Row]:
        """Yield a row for each metric that has values; what is missing or infinite is none."""
        recorded = moment(self.document["finished"])
        facts = self.document["machine"]
        work = dict(self.settings) | {"threads": facts.get("threads")}
        for metric, own in values.items():
            finite = tuple(number for value in own if value is not None and math.isfinite(number := float(value)))
            if finite:
                yield Row(
                    commit=commit.hash,
                    committed=commit.committed or recorded,
                    branch=commit.branch,
                    dirty=commit.dirty,
                    recorded=recorded,
                    facts=facts,
                    source=self.source,
                    experiment=self.experiment,
                    digest=digest(work | self._kernel() if metric == CALIBRATED else work),
                    backend=self.backend,
                    framework=self.versions["framework"],
                    version=self.versions["version"],
                    metric=metric,
                    unit=UNITS[metric],
                    values=finite,
                )

    def _kernel(self) -> dict[str, Any]:
        return {"kernel": self.document["calibration"]["kernel"]}
