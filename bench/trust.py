"""What approval really opens, by generation of PySyft: the same questions to each, answered by trying."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench import duet, environments, plugins, process
from bench.duet_data import AGES
from bench.duet_stage import Played, Settings, Shown
from bench.environments import Environment
from bench.errors import UserError
from bench.layout import ABSENT, Table

SCHEMA = "bench.trust/1"
LIMIT_S = 300.0
QUESTIONS = {
    "before": "before any approval",
    "denied": "after a denial",
    "derived": "after a derived value was accepted",
    "left": "after the owner left",
}
DUETS = {  # variant: is it mended, and which of Duet's steps answers which question
    "Duet, as published": (False, {"before": "raw before", "denied": "raw after", "derived": "raw after sum"}),
    "Duet, mended": (True, {"before": "raw before", "denied": "raw after", "derived": "raw after sum"}),
    "Duet, mended, by a roundabout way": (
        True,
        {"before": "raw aside before", "denied": "raw aside after", "derived": "raw aside after sum"},
    ),
}
LONGEST = 110  # of an answer's detail in a note


@dataclass(frozen=True)
class Answer:
    """Whether the raw data could be had: closed, open, or not applicable, and how that was found, in one line."""

    answer: str
    detail: str


@dataclass(frozen=True)
class Row:
    """One generation, in one variant; `reason` where it was skipped or failed."""

    backend: str
    title: str
    variant: str = ""
    status: Literal["done", "skipped", "failed"] = "done"
    reason: str | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)


def names(text: str | None) -> list[str]:
    """Return the generations of a comma-separated list, or all. Raises UserError for others than there are."""
    known = [own.name for own in plugins.every("backends") if own.header.trust or own.name == duet.BACKEND]
    found = known if text is None else plugins.names(text)
    unknown = [name for name in found if name not in known]
    if unknown:
        raise UserError(f"--backends: no trust report for {', '.join(unknown)}; there are {', '.join(known)}")
    return found


def rows(backends: Sequence[str], shown: Shown) -> Iterator[Row]:
    """Try each generation in turn; one whose environment can't be built is skipped with its reason."""
    for name in backends:
        plugin = plugins.find("backends", name)
        try:
            environment = environments.ensure(plugin, report=shown.say)
        except environments.EnvironmentFailed as error:
            yield Row(name, name, status="skipped", reason=str(error))
            continue
        yield from _probed(plugin, environment, shown) if plugin.header.trust else _duets(environment, shown)


def _title(environment: Environment) -> str:
    return f"PySyft {environment.framework_version}"


def _duets(environment: Environment, shown: Shown) -> Iterator[Row]:
    title = _title(environment)
    duets: dict[bool, Played] = {}
    for variant, (is_mended, steps) in DUETS.items():
        if is_mended not in duets:
            shown.say(f"{title}: {variant}.")
            duets[is_mended] = _play(environment, is_mended, shown)
        played = duets[is_mended]
        problem = _problem(played)
        if problem:
            yield Row(duet.BACKEND, title, variant, "failed", problem)
        else:
            found = _answers(played, {**steps, "left": "raw after the owner left"})
            yield Row(duet.BACKEND, title, variant, answers=found)


def _play(environment: Environment, is_mended: bool, shown: Shown) -> Played:
    settings = Settings(
        values=AGES, decisions=("deny", "accept"), statistics=("mean", "sum"), is_mended=is_mended, probe=True
    )
    return duet.both(environment, settings, shown)


def _problem(played: Played) -> str | None:
    """Why the answers mean nothing: a side was lost, or the owner didn't deny and accept as it should have."""
    if played.problems:
        return played.problems[0]
    decided = [played.outcome("request"), played.outcome("request sum")]
    return None if decided == ["denied", "accepted"] else f"the requests were answered {decided}"


def _answers(played: Played, steps: Mapping[str, str]) -> dict[str, Answer]:
    found = {}
    for question, name in steps.items():
        step = played.step(name)
        if step is not None:
            found[question] = Answer("open" if step["outcome"] == "open" else "closed", step["detail"])
    return found


def _probed(plugin: plugins.Plugin, environment: Environment, shown: Shown) -> list[Row]:
    """Run the generation's own probe and return a row for each variant that it tells of."""
    assert plugin.header.trust is not None
    script = plugin.folder.parent / plugin.header.trust
    name, title = plugin.name, _title(environment)
    shown.say(f"{title}: {script.stem.replace('_', ' ')}.")
    out, problem = _run(environment.python, script)
    if problem is not None:
        return [Row(name, title, status="failed", reason=problem)]
    variants: dict[str, dict[str, Answer]] = {}
    try:
        for line in out.splitlines():
            told = json.loads(line)
            variants.setdefault(told["variant"], {})[told["question"]] = Answer(told["answer"], told["detail"])
    except (ValueError, KeyError, TypeError) as error:
        return [Row(name, title, status="failed", reason=f"{script.name} answered with no answer: {error}")]
    return [Row(name, title, variant, answers=answers) for variant, answers in variants.items()]


def _run(python: Path, script: Path) -> tuple[str, str | None]:
    """Run a script and return what it printed, and what went wrong; nothing that it started is left."""
    with tempfile.TemporaryDirectory(prefix="bench-trust-", ignore_cleanup_errors=True) as folder:
        environ = process.worker_environ(os.environ, threads=1, device="cpu") | {"TMPDIR": folder}
        output, errors = Path(folder, "out"), Path(folder, "err")
        with output.open("wb") as out, errors.open("wb") as err:
            started = subprocess.Popen(
                [str(python), "-I", str(script)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=environ,
                start_new_session=True,
            )
            try:
                code = started.wait(LIMIT_S)
                problem = None if code == 0 else f"{script.name} ended with exit code {code}{_last_line(errors)}"
            except subprocess.TimeoutExpired:
                problem = f"{script.name} was ended after {LIMIT_S:g} s"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(started.pid, signal.SIGKILL)
                started.wait()
        return output.read_text(errors="replace"), problem


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""


def table(found: Sequence[Row]) -> Table:
    """Return generation by question, with notes on what is open, and what wasn't tried."""
    body = [(row.title, row.variant, *(_cell(row, question) for question in QUESTIONS)) for row in found]
    notes = [f"{_name(row)} {row.status}: {row.reason}" for row in found if row.status != "done"]
    for row in found:
        how = [own.detail for own in row.answers.values() if own.answer == "open"]
        notes += [f"{_name(row)}: {_shortened(how[0])}"] if how else []
    without = {row.title: None for row in found if any(own.answer == "not applicable" for own in row.answers.values())}
    notes += [f"{title}: nothing can be requested, so nothing is denied." for title in without]
    if any(row.backend == duet.BACKEND and row.status == "done" for row in found):
        notes.append("Duet's mend closes one gap. Approval there is an agreement between people, not a wall.")
    return Table(
        "Can the scientist have the raw data?", ("generation", "how", *QUESTIONS.values()), tuple(body), tuple(notes)
    )


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _cell(row: Row, question: str) -> str:
    if row.status != "done":
        return row.status
    return row.answers[question].answer if question in row.answers else ABSENT


def _name(row: Row) -> str:
    return f"{row.title} ({row.variant})" if row.variant else row.title


def document(found: Sequence[Row]) -> dict[str, Any]:
    """Return the report as data."""
    return {
        "schema": SCHEMA,
        "questions": QUESTIONS,
        "rows": [
            {
                "backend": row.backend,
                "framework": row.title,
                "variant": row.variant,
                "status": row.status,
                "reason": row.reason,
                "answers": {name: {"answer": own.answer, "detail": own.detail} for name, own in row.answers.items()},
            }
            for row in found
        ],
    }
