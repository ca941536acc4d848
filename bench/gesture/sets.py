"""Sets of recorded movements: one's own, those that others have published, and simulated ones."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from bench.errors import UserError
from bench.gesture import physics, recording
from bench.gesture.cutting import movement
from bench.gesture.motion import RATE_HZ, Recording

PEOPLE, EACH = 5, 30  # simulated: so many people, each of whom makes so many of each gesture
SIMULATED = PEOPLE * EACH * len(physics.LABELS)
QUIET = 150  # samples of rest before a simulated movement, as a recording begins with
SHORTEST = 8  # samples: fewer tell nothing of a movement
NAMED = 3  # names that a message gives
REST = "idle"  # a label of what isn't a movement


def read(
    source: Path | None,
    seed: int,
    option: str = "data.source =",
    notice: Callable[[str], None] = lambda text: None,
) -> list[Recording]:
    """Return the movements of a set, cut out of the rest around them; None: 300 simulated ones of five people.

    A source is a folder that `bench gesture record` wrote, or one of such folders; or CSV files (one, or a folder of
    them) whose header names ax,ay,az,gx,gy,gz in any case: with columns `gesture` and `gesture_num` and much rest in
    each recording, or already cut, called after their label, a blank line between recordings. `notice` is given a line
    for whatever in a file isn't as it should be, and can be lived with. Raises UserError, in which the source is called
    by `option`, for anything else, for damaged lines, and where there are fewer than two labels.
    """
    found = list(_simulated(seed)) if source is None else _recorded(source, f"{option} {source}", notice)
    for one in found:
        if len(one.samples) < SHORTEST:
            raise UserError(
                f"{one.path}: recording {one.name} has {len(one.samples)} samples; a movement needs at least {SHORTEST}"
            )
    files: dict[str, list[Path | None]] = {}
    for one in found:
        files.setdefault(one.label, []).append(one.path)
    if len(files) < 2:
        ((label, paths),) = files.items()
        told = _some(dict.fromkeys(path.name for path in paths if path is not None))
        raise UserError(f"{option} {source}: movements of one label only ({label}, in {told}); at least two are needed")
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
                yield Recording(name, label, moved.samples, RATE_HZ, f"person-{person + 1}", bursts=moved.bursts)


def _recorded(source: Path, told: str, notice: Callable[[str], None]) -> list[Recording]:
    if not source.exists():
        raise UserError(f"{told}: no such file or folder")
    sessions = recording.sessions(source) if source.is_dir() else []
    if sessions:
        found = [one for session in sessions for one in recording.read(session, notice)]
        if not found:
            where = _some(session.name for session in sessions)
            raise UserError(f"{told}: no gesture was recorded in {where}: there is no LABEL-0001.csv")
        return found
    paths = [source] if source.is_file() else sorted(source.glob("*.csv"))
    found = [one for path in paths for one in _of_file(path, notice)]
    if not found:
        raise UserError(f"{told}: there is neither a session.json nor a CSV file with movements in it")
    return found


def _of_file(path: Path, notice: Callable[[str], None]) -> list[Recording]:
    parts = recording.read_csv(path, notice)
    if parts[0].label is None:
        return [
            Recording(f"{path.stem}-{number:04d}", path.stem, part.samples, part.rate_hz or RATE_HZ, path=path)
            for number, part in enumerate(parts, start=1)
        ]
    return list(_with_rest(path, parts, notice))


def _with_rest(path: Path, parts: list[recording.Part], notice: Callable[[str], None]) -> Iterator[Recording]:
    """One movement a recording, the largest; its number begins anew in every file, which is a session."""
    numbers = list(dict.fromkeys((part.label, part.number) for part in parts))
    still = []
    for label, number in numbers:
        if label == REST:
            continue
        own = [part for part in parts if (part.label, part.number) == (label, number)]
        found = _largest(path, own, f"{path.stem}-{label}-{number}")
        if found is None:
            still.append(f"{label} {number}")
        else:
            yield found
    if still:
        count = "1 recording, which is" if len(still) == 1 else f"{len(still)} recordings, which are"
        notice(f"{path}: nothing moves in {count} left out: {_some(still)}")


def _largest(path: Path, parts: list[recording.Part], name: str) -> Recording | None:
    """The movement of a recording that a jumping clock may have cut in parts: of the longest in which there is one."""
    longest_first = sorted(parts, key=lambda part: -len(part.samples))
    cut = [(part, movement(part.samples, part.rate_hz or RATE_HZ)) for part in longest_first]
    found = [(part, moved) for part, moved in cut if moved is not None]
    if not found:
        return None
    part, moved = found[0]
    bursts = sum(own.bursts for _, own in found)
    return Recording(name, str(part.label), moved.samples, part.rate_hz or RATE_HZ, None, path.stem, path, bursts)


def _some(names: Iterable[str]) -> str:
    """The first few of them, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more
