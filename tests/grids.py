"""Grids that nobody trains: tasks and events, for what looks at them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench import events, jobs, plan, plugins, spec
from bench.jobs import Contender, Job, Prepared, Task
from bench.process import Outcome

TRAIN, HELD_OUT, CLASSES = 24, 6, 3


def tasks(
    settings: dict[str, Any], labels: tuple[str, ...] = ("quick", "slow"), folder: Path = Path("run")
) -> list[Task]:
    """Return the tasks of an experiment with these settings, on backends of these names."""
    small = {"data.image_size": 8, "model.name": "mlp", "federation.rounds": 4}
    experiment = spec.build({}, list((small | settings).items()))
    plugin = plugins.find("backends", "reference")
    contenders = [Contender(label, plugin, None, None) for label in labels]
    return jobs.tasks(
        [_prepared(cell) for cell in experiment.cells], contenders, Contender("reference", plugin, None, None), folder
    )


def _prepared(cell: spec.Cell) -> Prepared:
    labels = np.arange(TRAIN + HELD_OUT) % CLASSES
    train = np.arange(TRAIN, dtype=np.int32)
    data: Any = SimpleNamespace(
        train=train, test=np.arange(HELD_OUT), classes=("a", "b", "c"), labels=labels, shape=(3, 8, 8),
        folder=Path("data"), pixels="d" * 64,
    )  # fmt: skip
    built = plan.build(cell.spec, (3, 8, 8), CLASSES, labels, train)
    return Prepared(cell, data, built, {"data": "d" * 64} | built.digests())


def everything(found: list[Task]) -> list[Job]:
    """All jobs of a run, in its order."""
    repeated = [job for number in (1, 2) for task in found for job in task.repeats if job.repeat == number]
    return [*(job for task in found for job in task.probes), *repeated]


def seen(job: Job, seconds: float = 1.0, startup: float = 3.0, accuracy: float | None = 0.5) -> list[Any]:
    """What the worker of a job says that ends well: rounds of so many seconds."""
    said: list[Any] = [events.Phase("import", startup, startup, 0)]
    said += [events.Round(number, "memory", seconds, seconds, [0], 0, 0, 0) for number in range(1, job.rounds + 1)]
    if job.repeat and accuracy is not None:
        said.append(events.Evaluation(job.rounds, accuracy, 1.0, 0.0))
    return [*said, events.Done(job.rounds)]


def done(job: Job, **how: Any) -> Outcome:
    """How it ends."""
    return Outcome("done", None, tuple(seen(job, **how)))
