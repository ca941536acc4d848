"""What is to be done, as values: which backend takes which cell, in which order, and what each worker is told."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import data, environments, events, machine, plan, plugins, store
from bench.spec import Cell, Spec

REFERENCE = "reference"
PROBED = {"form": "memory", "loader": "gather", "workers": 0}  # what every backend can read from; the bits are alike


@dataclass(frozen=True)
class Contender:
    """A backend with the environment it runs in, or why there is none.

    baseline: the label of what its times are taken against, where that is a variant of its own; beside: the label of
    the backend that was asked for, where this is a variant that runs for its sake.
    """

    label: str
    plugin: plugins.Plugin
    variant: str | None
    environment: environments.Environment | None
    problem: str | None = None
    is_skipped: bool = False
    baseline: str | None = None
    beside: str | None = None

    @property
    def centralised(self) -> bool:
        """Whether it learns without federation, in one round of everyone's samples."""
        return self.plugin.header.centralised

    @property
    def versions(self) -> dict[str, Any]:
        """Framework, version, release date, Python, packages and its own ways of loading, as recorded in results."""
        own, header = self.environment, self.plugin.header
        is_bare = self.variant is not None and self.variant == header.baseline
        return {
            "framework": header.framework,
            "version": own.framework_version if own else None,
            "released": own.released if own else None,
            "python": own.python_version if own else None,
            "locked": own.locked if own else False,
            "computes_with": [header.computes_with, own.packages.get(header.computes_with)]
            if own and header.computes_with
            else None,
            "transport": None if is_bare else header.transport,
            "loader": header.loader,
            "decoder": header.decoder,
            "packages": dict(own.packages) if own else {},
        }


@dataclass(frozen=True, eq=False)
class Prepared:
    """A cell with its data and plan."""

    cell: Cell
    data: data.Prepared
    plan: plan.Plan
    digests: dict[str, str]
    noise_multiplier: float | None = None  # with privacy: as given, or calibrated

    @property
    def trained(self) -> bool:
        """Whether training follows loading: on a framework's own decoding it never does."""
        return self.cell.spec.data.form != "image-native"

    @property
    def rounds(self) -> int:
        """How many rounds are trained."""
        return self.cell.spec.federation.rounds if self.trained else 0


@dataclass(frozen=True)
class Job:
    """One backend's task in one process: a timed repeat, or the untimed parity probe."""

    cell: Prepared
    contender: Contender
    repeat: int  # 0 for the probe
    folder: Path
    plan: Path
    rounds: int
    golden: Path | None = None  # folder of the reference's probe, each of whose rounds this one starts from
    probe: Path | None = None  # folder of its backend's own probe, whose way it takes

    @property
    def what(self) -> str:
        """The job in words, without its cell."""
        return f"{self.contender.label} " + ("parity probe" if self.repeat == 0 else f"repeat {self.repeat}")

    @property
    def title(self) -> str:
        """The job in words."""
        return self.what + (f" [{self.cell.cell.name}]" if self.cell.cell.name else "")


@dataclass(frozen=True)
class Task:
    """Cells that train the same batches, and the backends that take them.

    They differ only in how samples reach training, and in how much noise privacy adds.
    """

    cells: tuple[Prepared, ...]
    backends: tuple[Contender, ...]
    reference: Contender
    folder: Path

    @property
    def first(self) -> Prepared:
        """The cell that stands for all of them: the first that is trained, if any is."""
        return next((cell for cell in self.cells if cell.trained), self.cells[0])

    @property
    def probes(self) -> list[Job]:
        """The parity probes, the reference's first; none where nothing is trained, or nothing in federation."""
        certified = [one for one in self.backends if not one.centralised]
        if not self.first.trained or not certified:
            return []
        probed = [self.reference] + [one for one in certified if one.label != REFERENCE]
        rounds = plan.probe_rounds(self.first.plan)
        places = [self._probe(one) for one in probed]
        return [
            Job(self.first, one, 0, place, self.folder / "probe", rounds, places[0] if place != places[0] else None)
            for one, place in zip(probed, places, strict=True)
        ]

    @property
    def repeated(self) -> int:
        """How often each cell is timed."""
        return self.first.cell.spec.timing.repeats

    @property
    def repeats(self) -> list[Job]:
        """The timed jobs, interleaved A B A B."""
        return [
            self._repeat(arm, cell, one, repeat)
            for repeat in range(1, self.repeated + 1)
            for arm, cell in enumerate(self.cells, start=1)
            for one in self.backends
        ]

    def _repeat(self, arm: int, cell: Prepared, one: Contender, repeat: int) -> Job:
        planned, rounds = ("centralised", min(1, cell.rounds)) if one.centralised else ("plan", cell.rounds)
        place = self._place(arm, one, repeat)
        return Job(cell, one, repeat, place, self.folder / planned, rounds, probe=self._probe(one))

    def _probe(self, one: Contender) -> Path:
        return self.folder / f"{_slug(one.label)}-probe"

    def _place(self, arm: int, one: Contender, repeat: int) -> Path:
        return self.folder / ((f"{arm}-" if len(self.cells) > 1 else "") + f"{_slug(one.label)}-{repeat}")


def tasks(cells: Sequence[Prepared], backends: Sequence[Contender], reference: Contender, folder: Path) -> list[Task]:
    """Return the tasks of a run in `folder`, in the order of their first cells."""
    found: dict[str, list[Prepared]] = {}
    for cell in cells:
        found.setdefault(cell.cell.spec.task, []).append(cell)
    return [
        Task(tuple(own), tuple(backends), reference, folder / f"task-{number}")
        for number, own in enumerate(found.values(), start=1)
    ]


def _slug(label: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-.@+" else "_" for letter in label)


def key(job: Job, told: Mapping[str, Any]) -> str:
    """Names all that a result depends on: what is told, the plan, the adapter's texts and its packages."""
    plugin = job.contender.plugin
    texts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (plugin.path, *plugin.needed)]
    starts = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in told["restarts"].values()]
    parts = [told, job.cell.digests, texts, job.contender.versions, starts]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def told(job: Job) -> dict[str, Any]:
    """What the worker is told (`bench.job.Job`)."""
    spec, samples, plugin = job.cell.cell.spec, job.cell.data, job.contender.plugin
    is_probe = job.repeat == 0
    return {
        "adapter": str(plugin.path),
        "needs": [str(path) for path in plugin.needed],
        "variant": job.contender.variant,
        "threads": threads(spec),
        "device": "cpu" if job.contender.label == REFERENCE else spec.timing.device,
        "strategy": "eager" if job.contender.label == REFERENCE else spec.timing.strategy,
        "way": _way(job),
        "seed": spec.seed,
        "evaluate_every": 0 if is_probe else spec.timing.evaluate_every,
        "save_every": 1 if is_probe else spec.timing.save_every,
        "training": spec.training.model_dump(),
        "privacy": _told_of_privacy(job),
        "loading": spec.data.model_dump(include={"form", "loader", "workers"}) if not is_probe else PROBED,
        "cache": "warm" if is_probe else spec.timing.cache,
        "passes": 0 if is_probe else spec.timing.loading_passes,
        "checkpoint_s": _checkpoint_s(job),
        "turns": False,
        "slowdown": 0.0,
        "rounds": job.rounds,
        "restarts": _restarts(job),
        "plan": str(job.plan.resolve()),
        "data": {
            "classes": list(samples.classes),
            "shape": list(samples.shape),
            "images": str(samples.folder / "images.json"),
            "npy": str(samples.folder / "npy.json"),
            "packed": str(samples.folder / "packed.npy"),
            "labels": str(samples.folder / "labels.npy"),
            "test": str(samples.folder / "test.npy"),
            "pixels": samples.pixels,
        },
    }


def _way(job: Job) -> str | None:
    """The way that the backend's probe chose, if it chose one."""
    found = store.read_json(job.probe / "result.json") if job.probe else None
    told = [events.from_line(line) for line in found["events"]] if found else []
    return next((event.way for event in told if isinstance(event, events.Chosen)), None)


def _checkpoint_s(job: Job) -> float:
    """Seconds between checkpoints; none of probes, which are short, and none where noise comes from a seed."""
    spec = job.cell.cell.spec
    is_seeded = spec.privacy is not None and spec.privacy.noise_seed is not None
    return spec.timing.checkpoint_s if job.repeat > 0 and not is_seeded else 0.0


def _restarts(job: Job) -> dict[str, str]:
    """The reference's weights before each round but the first, as far as it came."""
    if job.golden is None:
        return {}
    files = {number: job.golden / f"weights-{number - 1:06d}.npz" for number in range(2, job.rounds + 1)}
    return {str(number): str(path.resolve()) for number, path in files.items() if path.exists()}


def _told_of_privacy(job: Job) -> dict[str, Any] | None:
    """What is to be private; a probe keeps the clipping and adds no noise."""
    spec = job.cell.cell.spec
    if spec.privacy is None:
        return None
    probed = {"noise_multiplier": 0.0, "noise_seed": None} if job.repeat == 0 else {}
    return {
        **spec.privacy.model_dump(exclude={"target_epsilon"}),
        "noise_multiplier": job.cell.noise_multiplier,
        "cohort_size": spec.federation.cohort_size,
        "cohort_rate": spec.federation.cohort_size / spec.federation.clients,
    } | probed


def threads(spec: Spec) -> int:
    return spec.timing.threads or machine.cores()
