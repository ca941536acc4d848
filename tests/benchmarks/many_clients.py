"""Time and memory of a plan for many clients: python -m tests.benchmarks.many_clients --cohort 1000

Each part runs in a process of its own, so that its peak memory is its own; what importing takes is in it.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import plan
from bench.job import Job
from bench.spec import Spec

CLASSES, SHAPE = 10, (3, 8, 8)


def build(settings: dict[str, int], samples: int, folder: Path) -> str:
    spec = Spec.model_validate({"model": {"name": "mlp"}, "data": {"image_size": 8}, "federation": settings})
    labels = np.arange(settings["clients"] * samples, dtype=np.int64) % CLASSES
    made = plan.build(spec, SHAPE, CLASSES, labels, np.arange(len(labels), dtype=np.int32))
    made.digests()
    made.save(folder / "plan")
    on_disk = sum(file.stat().st_size for file in (folder / "plan").iterdir())
    return f"{len(made.arrays['slot_seeds'])} slots, {on_disk / 2**20:.0f} MiB on disk"


def read(settings: dict[str, int], samples: int, folder: Path) -> str:
    """What a worker does of it: every round's clients with their batches, one round after another."""
    job = Job(str(folder))
    trained = sum(
        len(batch)
        for number in range(1, settings["rounds"] + 1)
        for one in job.work(number).clients
        for batch in one.batches
    )
    return f"{trained} samples in all batches"


def write_job(settings: dict[str, int], folder: Path) -> None:
    """A job without samples: only the plan is read."""
    np.save(folder / "nothing.npy", np.zeros(1, np.int64))
    (folder / "nothing.json").write_text("[]")
    array, names = str(folder / "nothing.npy"), str(folder / "nothing.json")
    nothing = dict.fromkeys(("adapter", "needs", "variant", "threads", "device", "privacy", "cache", "turns", "resume"))
    nothing |= dict.fromkeys(("strategy", "way"))
    nothing |= dict.fromkeys(("evaluate_every", "save_every", "passes", "checkpoint_s", "slowdown", "seed"), 0)
    paths = {"packed": array, "labels": array, "test": array, "images": names, "npy": names}
    told = nothing | {
        "training": {"batch_size": 20, "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "compile": False},
        "loading": {"form": "memory", "loader": "gather", "workers": 0},
        "data": paths | {"classes": [], "shape": SHAPE, "pixels": ""},
        "plan": str(folder / "plan"),
        "rounds": settings["rounds"],
        "restarts": {},
    }
    (folder / "job.json").write_text(json.dumps(told))


def measured(part, *arguments) -> tuple[str, float, float]:
    """What a part tells, its seconds, and the peak of its process' memory in MiB."""
    started = time.perf_counter()
    told = part(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return told, time.perf_counter() - started, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("clients", 10_000), ("cohort", 10), ("rounds", 1000), ("samples", 6)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    settings = {"clients": asked.clients, "clients_per_round": asked.cohort, "rounds": asked.rounds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_job(settings, folder)
        for part in (build, read):
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                told, seconds, peak = alone.apply(measured, (part, settings, asked.samples, folder))
            print(f"{part.__name__:6} {seconds:6.1f} s, peak {peak:4.0f} MiB: {told}", flush=True)


if __name__ == "__main__":
    main()
