"""What tells one gesture from another: the study's PCA + SVM, trained, kept in a file, and asked.

The file is an .npz of plain arrays, without pickles: the fields of `svm.Machine` and `header`, JSON that says
`schema`, `classes`, `axes`, `length` and `facts` (what was trained on, chosen and found).
"""

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench import store
from bench.errors import UserError
from bench.gesture.motion import CHOICES, Recording, Samples
from bench.gesture.svm import Floats, Machine
from bench.gesture.windows import window

SCHEMA = "bench.gesture.classifier/1"
LENGTH = 64


@dataclass(frozen=True)
class Classifier:
    """Tells `classes` apart by windows of `length` samples, of which it sees `axes`; `facts` say where it is from."""

    classes: tuple[str, ...]
    axes: str
    length: int
    machine: Machine
    facts: dict[str, Any]

    def predict(self, movement: Samples) -> tuple[str, float]:
        """The label of one movement, float (n, 6) in g and deg/s, n at least 1, and its probability from 0 to 1."""
        inputs = flattened([movement], self.axes, self.length)
        (number,), (probabilities,) = self.machine.decide(inputs)
        return self.classes[number], float(probabilities[number])


def train(
    recordings: Sequence[Recording],
    axes: str = "all",
    seed: int = 0,
    length: int = LENGTH,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Classifier:
    """Train on recordings, each one movement; `facts["accuracy"]` is cross-validated, by person or session if told.

    `progress` is given the folds done and how many there are. Raises UserError where there are fewer than two labels,
    too few recordings of one, or other axes than all, accelerometer and gyroscope.
    """
    from bench.gesture import training

    if axes not in CHOICES:
        raise UserError(f"axes {axes!r}: must be one of {', '.join(CHOICES)}")
    labels = [recording.label for recording in recordings]
    counts = Counter(labels)
    if len(counts) < 2:
        told = f"all {len(labels)} have the label {labels[0]!r}" if labels else "there are none"
        raise UserError(f"training needs recordings of two labels at least; {told}")
    for label, count in sorted(counts.items()):
        if count < training.FEWEST:
            raise UserError(f"label {label!r} has {count} recordings; training needs {training.FEWEST} of each")
    inputs = flattened([recording.samples for recording in recordings], axes, length)
    if not np.isfinite(inputs).all():
        bad = recordings[int(np.flatnonzero(~np.isfinite(inputs).all(1))[0])]
        raise UserError(f"recording {bad.name}: holds numbers that are not finite; leave it out")
    movements = training.Movements(inputs, [recording.name for recording in recordings], labels, *_groups(recordings))
    checked = training.check(movements, seed, progress)
    machine, chosen = training.fit(movements, seed)
    facts = {
        "recordings": dict(sorted(counts.items())),
        "people": len({recording.person for recording in recordings} - {None}),
        "chosen": chosen,
        "accuracy": {"held_out": checked.by, "correct": list(checked.correct), "of": list(checked.count)},
        "seed": seed,
    }
    return Classifier(tuple(sorted(counts)), axes, length, machine, facts)


def flattened(movements: Sequence[Samples], axes: str, length: int) -> Floats:
    """Movements, each float (n, 6), as float64 (count, length * axes): resampled, sample by sample in a row."""
    return np.stack([window(movement, length)[:, CHOICES[axes]].astype(np.float64).ravel() for movement in movements])


def save(classifier: Classifier, path: Path) -> None:
    """Write the file, all of it or nothing. Raises UserError where it can't be."""
    header = {
        "schema": SCHEMA,
        "classes": classifier.classes,
        "axes": classifier.axes,
        "length": classifier.length,
        "facts": classifier.facts,
    }
    content = io.BytesIO()
    arrays = {field.name: getattr(classifier.machine, field.name) for field in fields(Machine)}
    np.savez_compressed(content, header=np.array(json.dumps(header)), **arrays)
    try:
        store.write_bytes(path, content.getvalue())
    except OSError as error:
        raise UserError(f"{path}: can't be written: {error.strerror}") from None


def load(path: Path) -> Classifier:
    """Read what `save` wrote. Raises UserError, one line, for whatever is not that."""
    try:
        content = path.read_bytes()
    except OSError as error:
        told = "there is no such model; bench gesture train makes one" if not path.exists() else error.strerror
        raise UserError(f"--model {path}: {told}") from None
    try:
        return _read(content)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RecursionError) as why:
        told = str(why) if isinstance(why, _Foreign) else "it is damaged, or no model at all"
        raise UserError(f"--model {path}: {told}; bench gesture train makes one") from None


class _Foreign(ValueError):
    """A file of another kind; the message tells which."""


def _read(content: bytes) -> Classifier:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile) or "header" not in archive.files:
            raise _Foreign("it is a file of arrays, but no model")
        header = json.loads(str(archive["header"]))
        if header["schema"] != SCHEMA:
            raise _Foreign(f"its schema is {header['schema']!r}, where this version reads {SCHEMA!r}")
        machine = Machine(**{field.name: archive[field.name] for field in fields(Machine)})
    classes, axes, length = tuple(map(str, header["classes"])), str(header["axes"]), int(header["length"])
    if axes not in CHOICES or not 2 <= length <= 10_000:
        raise ValueError
    _check(machine, len(classes), length * len(range(6)[CHOICES[axes]]))
    return Classifier(classes, axes, length, machine, dict(header["facts"]))


def _check(machine: Machine, classes: int, inputs: int) -> None:
    components, support = len(machine.components), len(machine.support)
    sigmoids = 1 if classes == 2 else classes
    shapes = {
        "mean": (inputs,),
        "scale": (inputs,),
        "centre": (inputs,),
        "components": (components, inputs),
        "support": (support, components),
        "support_counts": (classes,),
        "dual": (classes - 1, support),
        "intercept": (classes * (classes - 1) // 2,),
        "gamma": (),
        "slopes": (sigmoids,),
        "offsets": (sigmoids,),
    }
    for name, shape in shapes.items():
        array = getattr(machine, name)
        kind = np.int64 if name == "support_counts" else np.float64
        if array.shape != shape or array.dtype != kind or not np.isfinite(array).all():
            raise _Foreign(f"its array {name} is not {np.dtype(kind).name} {shape}, finite")
    if classes < 2 or (machine.support_counts < 0).any() or machine.support_counts.sum() != support:
        raise ValueError
    if (machine.scale <= 0).any() or machine.gamma <= 0:
        raise ValueError


def _groups(recordings: Sequence[Recording]) -> tuple[list[str] | None, Literal["person", "session"]]:
    """What may be held out whole: people where there are several, else sessions, else nothing."""
    people, sessions = ([getattr(one, by) for one in recordings] for by in ("person", "session"))
    if _tell_apart(people):
        return people, "person"
    return (sessions, "session") if _tell_apart(sessions) else (None, "person")


def _tell_apart(names: Sequence[str | None]) -> bool:
    return None not in names and len(set(names)) > 1
