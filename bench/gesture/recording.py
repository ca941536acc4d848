"""Recordings on disk: a folder a session, `session.json` and a CSV a gesture, each written whole or not at all."""

import csv
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import store
from bench.errors import UserError
from bench.gesture.motion import AXES, RATE_HZ, Recording, Samples

SCHEMA = "bench.gesture/1"
HEADER = ("time_s", *AXES)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_FILE = re.compile(r"(?P<label>[A-Za-z0-9][A-Za-z0-9_-]{0,39})-(?P<number>\d{4,})\.csv")


@dataclass(frozen=True)
class Take:
    """One run of `bench gesture record`: when, from where, and what was learnt at rest."""

    started: str
    port: str
    threshold: float
    bias_dps: tuple[float, float, float]


class Session:
    """A session's folder, made or gone on with. UserError where it holds another person's or another rate."""

    def __init__(self, folder: Path, person: str | None, rate_hz: float | None) -> None:
        self.folder, self.person, self.rate_hz = folder, person, rate_hz
        self.takes: list[dict[str, Any]] = []
        if (folder / "session.json").exists():
            facts = read_session(folder)
            if person is not None and facts["person"] != person:
                raise UserError(f"{folder}: is a session of {facts['person']}, not of {person}; give another --out")
            if rate_hz is not None and abs(facts["rate_hz"] / rate_hz - 1) > 0.05:
                raise UserError(
                    f"{folder}: was recorded at {facts['rate_hz']:g} Hz, not {rate_hz:g}; give another --out"
                )
            self.person, self.rate_hz, self.takes = facts["person"], facts["rate_hz"], facts["takes"]

    def begin(self, take: Take) -> None:
        """Make the folder, and note in it how this run was taken."""
        self.takes.append(asdict(take))
        facts = {"schema": SCHEMA, "person": self.person, "rate_hz": self.rate_hz, "takes": self.takes}
        self.folder.mkdir(parents=True, exist_ok=True)
        store.write_text(self.folder / "session.json", json.dumps(facts, indent=1) + "\n")

    def count(self, label: str) -> int:
        """How many gestures of a label there are already."""
        return len(numbers(self.folder, label))

    def save(self, label: str, times: Sequence[float], samples: Samples) -> Path:
        """Write one gesture under the next free number; on the disk when this returns."""
        number = max(numbers(self.folder, label), default=0) + 1
        path = self.folder / f"{label}-{number:04d}.csv"
        store.write_text(path, to_csv(times, samples))
        return path


def check_label(label: str) -> None:
    """UserError for a label that could not be part of a file's name."""
    if not _LABEL.fullmatch(label):
        raise UserError(f"--label {label!r}: 1 to 40 letters, digits, - and _, beginning with a letter or digit")


def numbers(folder: Path, label: str) -> list[int]:
    """The numbers of the gestures of a label in a session's folder, in order."""
    found = (_FILE.fullmatch(path.name) for path in folder.glob("*.csv"))
    return sorted(int(name["number"]) for name in found if name and name["label"] == label)


def to_csv(times: Sequence[float], samples: Samples) -> str:
    """The text of a gesture's file: `times` in s, samples float (n, 6) in g and deg/s."""
    rows = zip(times, samples.tolist(), strict=True)
    lines = (f"{at:.4f}," + ",".join(f"{value:.5f}" for value in values) for at, values in rows)
    return "\n".join([",".join(HEADER), *lines]) + "\n"


def read_session(folder: Path) -> dict[str, Any]:
    """What session.json says; UserError where it is damaged or of another schema."""
    path = folder / "session.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{path}: is damaged; it must be the JSON that bench gesture record wrote") from None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise UserError(f"{path}: its schema must be {SCHEMA!r}")
    rate = facts.get("rate_hz")
    if not isinstance(rate, int | float) or not 1 <= rate <= 100_000:
        raise UserError(f"{path}: rate_hz must be a number from 1 to 100000")
    if not isinstance(facts.get("takes"), list) or not isinstance(facts.get("person"), str | None):
        raise UserError(f"{path}: must hold person, a text or null, and takes, a list")
    return facts


def read(folder: Path, notice: Callable[[str], None] = lambda text: None) -> list[Recording]:
    """The gestures of a session's folder, in the order of their names; `notice` as in `read_csv`."""
    facts = read_session(folder)
    found = []
    for path in sorted(folder.glob("*.csv")):
        name = _FILE.fullmatch(path.name)
        if name is None:
            raise UserError(f"{path}: a gesture's file is called LABEL-0001.csv")
        parts = read_csv(path, notice)
        if len(parts) != 1:
            raise UserError(f"{path}: holds {len(parts)} recordings rather than one gesture")
        found.append(
            Recording(
                f"{folder.name}/{path.stem}",
                name["label"],
                parts[0].samples,
                facts["rate_hz"],
                facts["person"],
                folder.name,
                path,
            )
        )
    return found


def sessions(folder: Path) -> list[Path]:
    """The session folders at or right below a folder."""
    return sorted(path.parent for path in (*folder.glob("session.json"), *folder.glob("*/session.json")))


class Part(NamedTuple):
    """Samples float32 (n, 6) without a gap; what a set's own columns say of them, None where they don't."""

    samples: Samples
    rate_hz: float | None
    label: str | None
    number: str | None


def read_csv(path: Path, notice: Callable[[str], None] = lambda text: None) -> list[Part]:
    """The recordings in any CSV whose header names the six axes, with their rates where a time column tells.

    A blank line, or another value in a column `gesture` or `gesture_num`, begins another recording; a clock that jumps,
    another part of the same, of which `notice` is given a line. A missing value, NaN or a line of another length is a
    UserError with its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    lines = text.splitlines()
    names = [name.strip().lower() for name in next(csv.reader(lines[:1]), [])]
    missing = [axis for axis in AXES if axis not in names]
    if missing:
        raise UserError(f"{path}: has no column {', '.join(missing)}; its first line must name {', '.join(AXES)}")
    columns = [names.index(axis) for axis in AXES]
    clock, scale = next(((names.index(name), unit) for name, unit in _CLOCKS if name in names), (None, 1.0))
    restart = names.index("gesture_num") if "gesture_num" in names else None
    kind = names.index("gesture") if "gesture" in names else None
    parts: list[list[tuple[float, list[float]]]] = [[]]
    told: list[tuple[str | None, str | None]] = [(None, None)]
    before: tuple[str | None, str | None] = (None, None)
    jumps: list[tuple[int, float]] = []
    for number, row in enumerate(csv.reader(lines[1:]), 2):
        if not any(field.strip() for field in row):
            parts.append([])
            told.append((None, None))
            continue
        if len(row) != len(names):
            raise UserError(f"{path}: line {number} has {len(row)} fields rather than {len(names)}")
        mark = (None if kind is None else row[kind], None if restart is None else row[restart])
        if mark != before:
            parts.append([])
            told.append((None, None))
            before = mark
        values = [_number(row[column], path, number, names[column]) for column in columns]
        at = math.nan if clock is None or not row[clock].strip() else _number(row[clock], path, number, names[clock])
        if parts[-1] and abs(at * scale - parts[-1][-1][0]) >= JUMP_S:
            jumps.append((number, at * scale - parts[-1][-1][0]))
            parts.append([])
            told.append((None, None))
        told[-1] = mark
        parts[-1].append((at * scale, values))
    found = [
        Part(np.array([values for _, values in part], np.float32), _rate(part), *own)
        for part, own in zip(parts, told, strict=True)
        if part
    ]
    if not found:
        raise UserError(f"{path}: holds no sample")
    if jumps:
        (line, by_s), times = jumps[0], "once" if len(jumps) == 1 else f"{len(jumps)} times"
        notice(
            f"{path}: line {line}: the clock jumps by {by_s:.1f} s, {times} in this file; each cuts a recording in two"
        )
    return found


JUMP_S = 1.0  # between two samples: not a recording any more, but two
_CLOCKS = (("time_s", 1.0), ("timestamp", 0.001))


def _rate(part: list[tuple[float, list[float]]]) -> float | None:
    steps = np.diff([at for at, _ in part])
    steps = steps[np.isfinite(steps) & (steps > 0)]  # clocks jump
    return float(1 / np.median(steps)) if len(steps) else None


def _number(text: str, path: Path, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{path}: line {line}, column {column}: {text!r} is no number")
    return value


def to_replay(source: Path) -> list[Recording]:
    """What a file, or the files of a folder, hold, for replaying: uncut, at the rate that their clocks tell."""
    if not source.exists():
        raise UserError(f"--replay {source}: there is no such file or folder")
    paths = [source] if source.is_file() else sorted(source.rglob("*.csv"))
    if not paths:
        raise UserError(f"--replay {source}: there is no CSV file in it")
    found = []
    for path in paths:
        name = _FILE.fullmatch(path.name)
        for number, part in enumerate(read_csv(path), 1):
            label = name["label"] if name else part.label or path.stem
            found.append(Recording(f"{path.name} {number}", label, part.samples, part.rate_hz or RATE_HZ))
    return found
