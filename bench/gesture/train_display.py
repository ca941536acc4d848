"""`bench gesture train`: a classifier from recordings, with its accuracy told."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.errors import UserError
from bench.gesture import classifier, sets
from bench.gesture.motion import CHOICES, Recording


def train(source: Path | None, out: Path, axes: str, seed: int) -> None:
    """Train on `source`, None for the simulator's set, write the model to `out` and print what came out."""
    if out.is_dir() or not out.parent.is_dir():
        raise UserError(f"--out {out}: must be a file in a folder that exists")
    if axes not in CHOICES:
        raise UserError(f"--axes {axes!r}: must be one of {', '.join(CHOICES)}")
    console = Console(stderr=True, highlight=False)

    def warn(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    with console.status("reading the recordings") as status:
        recordings = sets.read(source, seed, "--source", warn)
        status.update(f"{len(recordings)} recordings")

        def progress(done: int, count: int) -> None:
            status.update(f"cross-validating: fold {done + 1} of {count}" if done < count else "the model itself")

        try:
            trained = classifier.train(recordings, axes, seed, progress=progress)
        except UserError as error:
            raise UserError(str(error) if source is None else f"--source {source}: {error}") from None
    classifier.save(trained, out)
    accuracy, chosen = trained.facts["accuracy"], trained.facts["chosen"]
    right, count = sum(accuracy["correct"]), sum(accuracy["of"])
    shares = [part / whole for part, whole in zip(accuracy["correct"], accuracy["of"], strict=True)]
    folds = f"{len(shares)} folds {'' if accuracy['held_out'] == 'shuffled' else 'by '}{accuracy['held_out']}"
    print(f"{count} recordings: {', '.join(f'{label} {many}' for label, many in trained.facts['recordings'].items())}")
    print(lengths(recordings))
    print(f"accuracy {right / count:.3f} ({right} of {count}), {folds}: {min(shares):.2f} to {max(shares):.2f}")
    print(f"chosen: {chosen['components']} components, C {chosen['C']:g}, gamma {chosen['gamma']}")
    movement = recordings[0].samples
    times = []
    for _ in range(100):
        began = time.perf_counter()
        trained.predict(movement)
        times.append(time.perf_counter() - began)
    print(f"one gesture is recognised in {1000 * float(np.median(times)):.2f} ms (median of 100)")
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def lengths(recordings: Sequence[Recording]) -> str:
    """How long the movements are, and of how many recordings they are not all."""
    counts = sorted(len(one.samples) for one in recordings)
    spread = f"{counts[0]} to {counts[-1]} samples, median {np.median(counts):g}"
    told = f"movements of {spread if counts[0] < counts[-1] else f'{counts[0]} samples each'}"
    cut = [one.bursts for one in recordings if one.bursts is not None]
    if not cut:
        return f"{told}; they came cut"
    several = sum(bursts > 1 for bursts in cut)
    return f"{told}; {several} of {len(cut)} recordings hold more than one, of which the largest counts"
