"""Sets of recorded movements: one's own, those that others have published, and simulated ones."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.errors import UserError
from bench.gesture import physics, recording
from bench.gesture.cutting import movement
from bench.gesture.motion import RATE_HZ, Recording

PEOPLE, EACH = 5, 30  # simulated: so many people, each of whom makes so many of each gesture
QUIET = 150  # samples of rest before a simulated movement, as a recording begins with
SHORTEST = 8  # samples: fewer tell nothing of a movement
REST = "idle"  # a label of what isn't a movement


def read(source: Path | None, seed: int) -> list[Recording]:
    """Return the movements of a set, cut out of the rest around them; None: 300 simulated ones of five people.

    A source is a folder that `bench gesture record` wrote, or one of such folders; or CSV files (one, or a folder of
    them) whose header names ax,ay,az,gx,gy,gz in any case: with columns `gesture` and `gesture_num` and much rest in
    each recording, or already cut, called after their label, a blank line between recordings. Raises UserError for
    anything else, for damaged lines, and where there are fewer than two labels.
    """
    found = list(_simulated(seed)) if source is None else _recorded(source)
    for one in found:
        if len(one.samples) < SHORTEST:
            raise UserError(f"{one.name}: has {len(one.samples)} samples; a movement needs at least {SHORTEST}")
    labels = sorted({one.label for one in found})
    if len(labels) < 2:
        raise UserError(f"{source}: movements of one label only ({', '.join(labels)}); at least two are needed")
    return found


def _simulated(seed: int) -> Iterator[Recording]:
    for person in range(PEOPLE):
        for number in range(EACH):
            for which, label in enumerate(physics.LABELS):
                rng = np.random.default_rng((seed, person, number, which))
                moved = None
                while moved is None:  # one that is too faint to be cut out is made again
                    rest = physics.rest(QUIET, person, rng)
                    moved = movement(np.concatenate([rest, physics.gesture(label, person, rng)]), RATE_HZ)
                name = f"person-{person + 1}/{label}-{number + 1:04d}"
                yield Recording(name, label, moved, RATE_HZ, f"person-{person + 1}")


def _recorded(source: Path) -> list[Recording]:
    if not source.exists():
        raise UserError(f"data.source = {source}: no such file or folder")
    sessions = recording.sessions(source) if source.is_dir() else []
    if sessions:
        return [one for session in sessions for one in recording.read(session)]
    paths = [source] if source.is_file() else sorted(source.glob("*.csv"))
    found = [one for path in paths for one in _of_file(path)]
    if not found:
        raise UserError(f"data.source = {source}: there is neither a session.json nor a CSV file with movements in it")
    return found


def _of_file(path: Path) -> list[Recording]:
    parts = recording.read_csv(path)
    if parts[0].label is None:
        return [
            Recording(f"{path.stem}-{number:04d}", path.stem, part.samples, part.rate_hz or RATE_HZ)
            for number, part in enumerate(parts, start=1)
        ]
    return list(_with_rest(path, parts))


def _with_rest(path: Path, parts: list[recording.Part]) -> Iterator[Recording]:
    """One movement a recording, the largest; its number begins anew in every file, which is a session."""
    numbers = list(dict.fromkeys((part.label, part.number) for part in parts))
    for label, number in numbers:
        if label == REST:
            continue
        own = [part for part in parts if (part.label, part.number) == (label, number)]
        for part in sorted(own, key=lambda part: -len(part.samples)):  # a clock that jumps cuts a recording in two
            moved = movement(part.samples, part.rate_hz or RATE_HZ)
            if moved is not None:
                rate_hz = part.rate_hz or RATE_HZ
                yield Recording(f"{path.stem}-{label}-{number}", str(label), moved, rate_hz, None, path.stem)
                break
