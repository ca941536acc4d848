"""History as files for other programs: CSV, JSON, and what pytest-benchmark reads."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from bench import store
from bench.errors import UserError
from bench.history import pytest_benchmark
from bench.history.collecting import HISTORY
from bench.history.rows import Row

FORMATS = ("csv", "json", "pytest-benchmark")


def export(rows: Sequence[Row], form: str, out: Path) -> str:
    """Write `rows` to `out`, for pytest-benchmark a folder that is new or empty; return what to tell of it."""
    if form not in FORMATS:
        raise UserError(f"--format {form}: there is no such format; there are: {', '.join(FORMATS)}")
    if form != "pytest-benchmark":
        store.write_text(out, as_csv(rows) if form == "csv" else as_json(rows))
        return f"{out}: {len(rows)} rows"
    files = pytest_benchmark.files([row for row in rows if row.unit == "s"])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: pytest-benchmark keeps a file a commit: give a folder that is new or empty")
    out.mkdir(exist_ok=True)
    for name, document in files.items():
        store.write_text(out / name, json.dumps(document, indent=1) + "\n")
    others = sum(row.unit != "s" for row in rows)
    left_out = f"; {others} rows that aren't seconds are left out: it knows nothing else" if others else ""
    return f"{out}: {len(files)} files{left_out}"


def as_csv(rows: Sequence[Row]) -> str:
    """Return a line a row, its values in one column with spaces between, and the machine's facts a column each."""
    facts = list(dict.fromkeys(key for row in rows for key in row.facts))
    stream = io.StringIO()
    own = ("commit", "committed", "branch", "dirty", "recorded", "machine", "source", "experiment", "digest", "backend")
    more = ("framework", "version", "metric", "unit", "median")
    writer = csv.writer(stream)
    writer.writerow([*own, *more, "values", *facts])
    for row in rows:
        texts = [getattr(row, name) for name in (*own, *more)]
        writer.writerow([*texts, " ".join(map(repr, row.values)), *(row.facts.get(key) for key in facts)])
    return stream.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """Return the document `bench.history/1`, which `bench history add` reads back."""
    return json.dumps({"schema": HISTORY, "rows": [row.document() for row in rows]}, indent=1) + "\n"
