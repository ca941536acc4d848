"""Runs an experiment: Spec -> Plan -> Jobs, interleaved, a fresh process each, resumable -> Comparison."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench import data, environments, events, folders, machine, parity, plan, plugins, process, record, store
from bench.errors import UserError
from bench.spec import Cell, Experiment, Spec

REFERENCE = "reference"


class Display(Protocol):
    """Where a run tells what it is doing."""

    def say(self, text: str) -> None:
        """Tell one thing that happened."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how far a preparation is."""

    def jobs(self, total: int, rounds: int) -> None:
        """Tell how many jobs, with how many rounds in all, are to come."""

    def started(self, job: "Job", reused: bool) -> None:
        """Tell that a job starts, or that its earlier result is taken."""

    def event(self, job: "Job", event: Any) -> None:
        """Pass on what its worker said."""

    def ended(self, job: "Job", outcome: process.Outcome) -> None:
        """Tell how it ended."""


@dataclass(frozen=True)
class Contender:
    """A backend that was asked for, with the environment it runs in, or why there is none."""

    label: str
    plugin: plugins.Plugin
    variant: str | None
    environment: environments.Environment | None
    problem: str | None = None

    @property
    def versions(self) -> dict[str, Any]:
        """Framework, version, release date, Python and packages, as recorded in results."""
        own = self.environment
        return {
            "framework": self.plugin.header.framework,
            "version": own.framework_version if own else None,
            "released": own.released if own else None,
            "python": own.python_version if own else None,
            "locked": own.locked if own else False,
            "packages": dict(own.packages) if own else {},
        }


@dataclass(frozen=True)
class Prepared:
    """A cell with its data and plan."""

    cell: Cell
    data: data.Prepared
    plan: plan.Plan
    digests: dict[str, str]


@dataclass(frozen=True)
class Job:
    """One backend's task in one process: a timed repeat, or the untimed parity probe."""

    cell: Prepared
    contender: Contender
    repeat: int  # 0 for the probe
    folder: Path
    plan: Path
    rounds: int

    @property
    def title(self) -> str:
        """The job in words."""
        what = "parity probe" if self.repeat == 0 else f"repeat {self.repeat}"
        return f"{self.contender.label} {what}" + (f" [{self.cell.cell.name}]" if self.cell.cell.name else "")


def prepare(experiment: Experiment, display: Display) -> list[Prepared]:
    """Prepare the data and the plan of every cell; a data set that cells share is prepared once."""
    done: dict[str, data.Prepared] = {}
    cells = []
    for cell in experiment.cells:
        spec = cell.spec
        key = spec.data.model_dump_json() + str(spec.seed)
        if key not in done:
            plugin = plugins.find("datasets", spec.data.dataset)
            name = plugin.name
            done[key] = data.prepare(plugins.load_module(plugin), name, spec.data, spec.seed, display.progress)
        samples = done[key]
        built = plan.build(spec, samples.shape, len(samples.classes), samples.labels, samples.train)
        cells.append(Prepared(cell, samples, built, {"data": samples.digest} | built.digests()))
    return cells


def contenders(requests: Sequence[str], display: Display) -> list[Contender]:
    """Find every requested backend, then build what is missing. One that can't be built fails alone."""
    found = [(request, *plugins.requested(request)) for request in requests]
    missing = [request for request, plugin, version, _ in found if environments.built(plugin, version) is None]
    ready: list[Contender] = []
    for one in found:
        if missing:
            display.progress("environments", len(ready), len(found))
        ready.append(_contender(*one, display))
    if missing:
        display.progress("environments", len(ready), len(found))
    return ready


def _contender(
    label: str, plugin: plugins.Plugin, version: str | None, variant: str | None, display: Display
) -> Contender:
    label = label if plugin.shipped else plugin.name
    try:
        environment = environments.ensure(plugin, version, display.say)
    except environments.EnvironmentFailed as error:
        display.say(f"{label}: {error}")
        return Contender(label, plugin, variant, None, str(error))
    return Contender(label, plugin, variant, environment)


def run(
    experiment: Experiment, requests: Sequence[str], out: Path, display: Display, fresh: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Run the experiment on the backends and return the run folder and the comparison in it."""
    for request in requests:
        plugins.requested(request)
    folders.refuse_unwritable(out)
    cells = prepare(experiment, display)
    backends = contenders(requests, display)
    reference = _contender(REFERENCE, plugins.find("backends", REFERENCE), None, None, display)
    key = _key(cells, requests)
    with folders.claim(out, experiment.name, key, fresh) as folder:
        comparison = _run_cells(experiment, cells, backends, reference, folder, display)
        store.write_json(folder / "record.json", comparison)
        store.write_text(folder / "comparison.json", json.dumps(comparison, indent=1) + "\n")
    return folder, comparison


def _run_cells(
    experiment: Experiment,
    cells: Sequence[Prepared],
    backends: Sequence[Contender],
    reference: Contender,
    folder: Path,
    display: Display,
) -> dict[str, Any]:
    jobs = [list(_jobs(cell, backends, reference, folder / f"cell-{index}")) for index, cell in enumerate(cells, 1)]
    everything = [job for own in jobs for job in own]
    display.jobs(len(everything), sum(job.rounds for job in everything))
    entries = []
    for index, (cell, own) in enumerate(zip(cells, jobs, strict=True), 1):
        cell.plan.save(folder / f"cell-{index}" / "plan")
        plan.probe(cell.plan).save(folder / f"cell-{index}" / "probe")
        entries.append(_cell_entry(cell, [(job, _finish(job, display)) for job in own]))
    spec = cells[0].cell.spec
    return {
        "schema": record.SCHEMA,
        "experiment": {"name": experiment.name, "description": experiment.description},
        "spec": spec.model_dump(mode="json"),
        "machine": machine.facts() | {"threads": _threads(spec)},
        "cells": entries,
    }


def _jobs(cell: Prepared, backends: Sequence[Contender], reference: Contender, folder: Path) -> Iterator[Job]:
    """Probes first, then the repeats, interleaved A B A B."""
    probes = [reference] + [one for one in backends if one.label != REFERENCE]
    for one in probes:
        yield Job(cell, one, 0, folder / f"{_slug(one.label)}-probe", folder / "probe", plan.PROBE_ROUNDS)
    for repeat in range(1, cell.cell.spec.timing.repeats + 1):
        for one in backends:
            rounds = cell.cell.spec.federation.rounds
            yield Job(cell, one, repeat, folder / f"{_slug(one.label)}-{repeat}", folder / "plan", rounds)


def _slug(label: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-.@+" else "_" for letter in label)


def _finish(job: Job, display: Display) -> process.Outcome:
    """Return the job's outcome: its earlier one if that was finished and is intact, else a new one."""
    told = _told(job)
    key = _job_key(job, told)
    earlier = store.read_json(job.folder / "result.json")
    if earlier is not None and earlier["key"] == key and earlier["status"] == "done":
        display.started(job, reused=True)
        seen = tuple(events.from_line(line) for line in earlier["events"])
        outcome = process.Outcome("done", None, seen)
    else:
        display.started(job, reused=False)
        outcome = _execute(job, told, display)
        lines = [events.to_line(event) for event in outcome.events]
        result = {"key": key, "status": outcome.status, "reason": outcome.reason, "events": lines}
        store.write_json(job.folder / "result.json", result)
    display.ended(job, outcome)
    return outcome


def _job_key(job: Job, told: Mapping[str, Any]) -> str:
    """Names all that a result depends on: what is told, the plan, the adapter's text and its packages."""
    adapter = hashlib.sha256(job.contender.plugin.path.read_bytes()).hexdigest()
    parts = [told, job.cell.digests, adapter, job.contender.versions]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _execute(job: Job, told: Mapping[str, Any], display: Display) -> process.Outcome:
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.contender.environment is None:
        return process.Outcome("failed", job.contender.problem, ())
    store.write_text(job.folder / "job.json", json.dumps(told))
    timing = job.cell.cell.spec.timing
    return process.execute(
        job.contender.environment.python,
        job.folder,
        process.worker_environ(os.environ, _threads(job.cell.cell.spec), timing.device),
        timing.silence_s,
        lambda event: display.event(job, event),
    )


def _told(job: Job) -> dict[str, Any]:
    """What the worker is told (`bench.job.Job`)."""
    spec, samples, plugin = job.cell.cell.spec, job.cell.data, job.contender.plugin
    is_probe = job.repeat == 0
    return {
        "adapter": str(plugin.path),
        "needs": [str(plugin.folder.parent / need) for need in plugin.header.needs],
        "variant": job.contender.variant,
        "threads": _threads(spec),
        "device": "cpu" if job.contender.label == REFERENCE else spec.timing.device,
        "seed": spec.seed,
        "evaluate_every": 0 if is_probe else spec.timing.evaluate_every,
        "save_every": 1 if is_probe else spec.timing.save_every,
        "training": spec.training.model_dump(),
        "form": spec.data.form,
        "plan": str(job.plan.resolve()),
        "data": {
            "classes": list(samples.classes),
            "shape": list(samples.shape),
            "images": str(samples.folder / "images.json"),
            "npy": str(samples.folder / "npy"),
            "packed": str(samples.folder / "packed.npy"),
            "labels": str(samples.folder / "labels.npy"),
            "test": str(samples.folder / "test.npy"),
            "pixels": samples.pixels,
        },
    }


def _threads(spec: Spec) -> int:
    return spec.timing.threads or machine.cores()


def _cell_entry(cell: Prepared, finished: Sequence[tuple[Job, process.Outcome]]) -> dict[str, Any]:
    spec = cell.cell.spec
    runs = [
        record.run_entry(
            job.contender.label,
            job.repeat,
            spec.data.form,
            job.contender.versions,
            spec.timing.warmup_rounds,
            outcome.status,
            outcome.reason,
            outcome.events,
        )
        for job, outcome in finished
        if job.repeat > 0
    ]
    probes = [(job, outcome) for job, outcome in finished if job.repeat == 0]
    certificate = {
        "reference": REFERENCE,
        "tolerance": parity.TOLERANCE,
        "backends": _verdicts(cell, probes),
    }
    samples = (len(cell.data.train), len(cell.data.test))
    return record.cell_entry(cell.cell.name, cell.cell.settings, cell.digests, samples, runs, certificate)


def _verdicts(cell: Prepared, probes: Sequence[tuple[Job, process.Outcome]]) -> dict[str, Any]:
    (golden_job, golden), *others = probes
    if golden.status != "done":
        reason = f"the reference did not finish: {golden.reason}"
        return {job.contender.label: parity.not_comparable(reason) for job, _ in others}
    expected = _saved_weights(golden_job, golden)
    verdicts = {}
    for job, outcome in others:
        if outcome.status != "done":
            verdict = parity.not_comparable(f"the probe {outcome.status}: {outcome.reason}")
        elif found := _saved_weights(job, outcome):
            verdict = parity.certify(cell.plan.weights, expected, found)
        else:
            verdict = parity.not_comparable("the method has no weights to compare")
        verdicts[job.contender.label] = verdict
    return verdicts


def _saved_weights(job: Job, outcome: process.Outcome) -> list[dict[str, Any]]:
    found = []
    for event in outcome.events:
        if isinstance(event, events.Saved):
            path = job.folder / event.file
            if hashlib.sha256(path.read_bytes()).hexdigest() != event.sha256:
                raise UserError(f"{path}: altered since it was written; run again with --fresh")
            with np.load(path) as stored:
                found.append({name: stored[name] for name in stored.files})
    return found


def _key(cells: Sequence[Prepared], requests: Sequence[str]) -> str:
    parts = [[cell.cell.spec.digest, cell.digests] for cell in cells]
    return hashlib.sha256(json.dumps([parts, list(requests)], sort_keys=True).encode()).hexdigest()
