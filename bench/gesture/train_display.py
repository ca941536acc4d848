"""`bench gesture train`: a classifier from recordings, with its accuracy told."""

import time
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.errors import UserError
from bench.gesture import classifier, sets


def train(source: Path | None, out: Path, axes: str, seed: int) -> None:
    """Train on `source`, None for the simulator's set, write the model to `out` and print what came out."""
    if out.is_dir() or not out.parent.is_dir():
        raise UserError(f"--out {out}: must be a file in a folder that exists")
    console = Console(stderr=True, highlight=False)
    with console.status("reading the recordings") as status:
        recordings = sets.read(source, seed)
        status.update(f"{len(recordings)} recordings")

        def progress(done: int, count: int) -> None:
            status.update(f"cross-validating: fold {done + 1} of {count}" if done < count else "the model itself")

        trained = classifier.train(recordings, axes, seed, progress=progress)
    classifier.save(trained, out)
    accuracy, chosen = trained.facts["accuracy"], trained.facts["chosen"]
    right, count = sum(accuracy["correct"]), sum(accuracy["of"])
    shares = [part / whole for part, whole in zip(accuracy["correct"], accuracy["of"], strict=True)]
    held = "shuffled folds" if accuracy["held_out"] == "shuffled" else f"each {accuracy['held_out']} held out in turn"
    print(f"{count} recordings: {', '.join(f'{label} {many}' for label, many in trained.facts['recordings'].items())}")
    print(f"accuracy {right / count:.3f} ({right} of {count}), {held}; by fold {min(shares):.2f} to {max(shares):.2f}")
    print(f"chosen: {chosen['components']} components, C {chosen['C']:g}, gamma {chosen['gamma']}")
    movement = recordings[0].samples
    times = []
    for _ in range(100):
        began = time.perf_counter()
        trained.predict(movement)
        times.append(time.perf_counter() - began)
    print(f"one gesture is recognised in {1000 * float(np.median(times)):.2f} ms (median of 100)")
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")
