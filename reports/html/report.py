"""The report that people read: one page that needs nothing but itself, offline, printed, by keyboard and by ear."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bench import __version__, stability
from bench.charts import chart, charts
from bench.layout import ABSENT, Table, size
from bench.study import report as study
from bench.table import of_cell, told_alone, whole
from bench.words import words

SUFFIX = ".html"
FOLDER = Path(__file__).parent
SECTIONS = {
    "summary": "Summary",
    "study": "Beside the study",
    "charts": "Charts",
    "tables": "Tables",
    "stability": "Stability",
    "environment": "Environment",
    "reproduce": "Reproduce",
}


def render(comparison: Mapping[str, Any]) -> str:
    """Return the page. Every text in it is escaped but for the pictures, which matplotlib has escaped."""
    alone = told_alone(comparison)
    beside = study.tables(comparison)
    parts = {
        "words": words(comparison),
        "study": beside,
        "charts": [(one, Markup(chart.inline(one))) for one in charts(comparison)],
        "whole": [table for table in whole(comparison) if table not in beside],
        "cells": [(cell["name"] or "This run", of_cell(comparison, cell)) for cell in alone],
        "stability": stability.table(alone),
        "environment": [_versions(comparison), *_machines(comparison)],
        "digests": _digests(comparison),
    }
    machine = comparison["machine"]
    facts = [
        f"{len(comparison['cells'])} cell{'s' if len(comparison['cells']) != 1 else ''}",
        f"{machine['cpu']}, {machine['cores']} cores",
        *([f"finished {comparison['finished'][:16].replace('T', ' ')} UTC"] if comparison.get("finished") else []),
    ]
    page = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined)
    text = page.get_template("page.html").render(
        parts,
        name=comparison["experiment"]["name"],
        description=comparison["experiment"]["description"],
        facts=facts,
        sections=[(key, title) for key, title in SECTIONS.items() if parts.get(key, True)],
        style=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        commands=[shlex.join(side["command"]) for side in _sides(comparison) if side.get("command")],
        spec=json.dumps([cell["spec"] for cell in comparison["cells"]], indent=1),
        version=__version__,
    )
    return text.encode("utf-8", "replace").decode()  # a file's name may hold bytes that are no text


def _versions(comparison: Mapping[str, Any]) -> Table:
    found = {run["backend"]: run["versions"] for cell in comparison["cells"] for run in cell["runs"]}
    rows = tuple(
        (
            backend,
            own.get("framework") or ABSENT,
            own.get("version") or ABSENT,
            own.get("released") or ABSENT,
            own.get("python") or ABSENT,
            "yes" if own.get("locked") else "no",
            " ".join(map(str, own.get("computes_with") or [ABSENT])),
        )
        for backend, own in found.items()
    )
    columns = ("backend", "framework", "version", "released", "Python", "locked", "computes with")
    return Table("Frameworks", columns, rows)


def _sides(comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The run, or the two of which it was joined."""
    return list(comparison.get("joined") or [comparison])


def _machines(comparison: Mapping[str, Any]) -> list[Table]:
    sides = _sides(comparison)
    names = ("Machine",) if len(sides) == 1 else ("Machine of A", "Machine of B")
    return [_machine(name, side) for name, side in zip(names, sides, strict=True)]


def _machine(title: str, side: Mapping[str, Any]) -> Table:
    own = side["machine"]
    rows = {
        "processor": f"{own['cpu']}, {own['cores']} cores, {own['threads']} threads a backend",
        "memory": size(own["memory_bytes"]) if own.get("memory_bytes") else ABSENT,
        "system": own.get("system", ABSENT),
        "Python of the harness": own.get("python", ABSENT),
        "fedbench": own.get("fedbench", ABSENT),
        "finished (UTC)": side.get("finished") or ABSENT,
    }
    return Table(title, ("part", "what"), tuple(rows.items()))


def _digests(comparison: Mapping[str, Any]) -> Table:
    names = list(dict.fromkeys(name for cell in comparison["cells"] for name in cell["digests"]))
    rows = tuple(
        (cell["name"] or "this run", *(cell["digests"].get(name, ABSENT)[:16] for name in names))
        for cell in comparison["cells"]
    )
    return Table("Digests", ("cell", *names), rows, ("sha256, the first 16 digits.",))
