"""Runs an experiment: Spec -> Plan -> Jobs, interleaved, a fresh process each, resumable -> Comparison.

All tasks' probes come first; then the repeats, each of all tasks in turn, so that what slows the machine for a while
slows a cell and the one that it is compared with.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench import (
    calibration,
    checkpoints,
    data,
    environments,
    events,
    folders,
    jobs,
    limits,
    machine,
    parity,
    plan,
    plugins,
    privacy,
    process,
    record,
    side_by_side,
    speeds,
    store,
    throughput,
)
from bench.crossval import scatter
from bench.errors import UserError
from bench.jobs import REFERENCE, Contender, Job, Prepared, Task
from bench.spec import Experiment


class Display(Protocol):
    """Where a run tells what it is doing."""

    def say(self, text: str) -> None:
        """Tell one thing that happened."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how far a preparation is."""

    def jobs(self, tasks: Sequence[Task]) -> None:
        """Tell what is to come."""

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        """Tell that a job starts, or goes on after the round `resumed`, or that its earlier result is taken."""

    def event(self, job: Job, event: Any) -> None:
        """Pass on what its worker said."""

    def ended(self, job: Job, outcome: process.Outcome) -> None:
        """Tell how it ended."""


class Foregone(Protocol):
    """What is known of jobs before they run."""

    def learn(self, job: Job, outcome: process.Outcome) -> None:
        """Take note of how a job ended."""

    def outcome(self, job: Job) -> process.Outcome | None:
        """Return how a job would end, or None where it has to run."""


def prepare(experiment: Experiment, display: Display) -> list[Prepared]:
    """Prepare the data and the plan of every cell; what cells share is prepared once."""
    sets: dict[str, data.Prepared] = {}
    plans: dict[str, plan.Plan] = {}
    cells = []
    told: set[str] = set()  # folds of one set have the same to tell
    for cell in experiment.cells:
        spec = cell.spec
        key = spec.data.model_dump_json(exclude={"form", "loader", "workers"}) + str(spec.seed)
        if key not in sets:
            plugin = plugins.find("datasets", spec.data.dataset)
            name = plugin.name
            sets[key] = data.prepare(plugins.load_module(plugin), name, spec.data, spec.seed, display.progress)
            for warning in sets[key].warnings:
                if warning not in told:
                    display.say(warning)
                told.add(warning)
        samples = sets[key]
        if spec.task not in plans:
            groups = samples.groups
            plans[spec.task] = plan.build(
                spec, samples.shape, len(samples.classes), samples.labels, samples.train, groups
            )
        built = plans[spec.task]
        noise = None if spec.privacy is None else privacy.noise_multiplier(spec, built)
        cells.append(Prepared(cell, samples, built, {"data": samples.digest} | built.digests(), noise))
    return cells


def labels(requests: Sequence[str], companions: bool = True) -> list[str]:
    """Return the labels of all that would run for these requests; nothing is built."""
    found: list[str] = []
    for request in requests:
        plugin, _, variant = plugins.requested(request)
        own = _unbuilt(request, plugin, variant)
        found += [own.label, *(one.label for one in _companions(own) if companions)]
    return list(dict.fromkeys(found))


def contenders(requests: Sequence[str], display: Display, companions: bool = True) -> list[Contender]:
    """Find every requested backend, then build what is missing. One that can't be built fails alone.

    Those that have an overhead to tell of are followed by their `companions`.
    """
    found = [(request, *plugins.requested(request)) for request in requests]
    missing = [request for request, plugin, version, _ in found if environments.built(plugin, version) is None]
    ready: list[Contender] = []
    for number, (request, plugin, version, variant) in enumerate(found):
        if missing:
            display.progress("environments", number, len(found))
        own = contender(request, plugin, version, variant, display)
        told = {*requests, *(one.label for one in ready)}
        ready += [own, *(one for one in _companions(own) if companions and one.label not in told)]
    if missing:
        display.progress("environments", len(found), len(found))
    return ready


def refuse_one_name_for_two(requests: Sequence[str]) -> None:
    """Two files of one name would be one column, and one folder. Raises UserError, too, for what there isn't."""
    named: dict[str, str] = {}
    for request in requests:
        plugin, _, _ = plugins.requested(request)
        label = request if plugin.shipped else plugin.name
        if label in named:
            raise UserError(f"--backends: {named[label]} and {request} are both called {label}: rename one file")
        named[label] = request


def contender(
    label: str, plugin: plugins.Plugin, version: str | None, variant: str | None, display: Display
) -> Contender:
    """Return a backend with its environment, built where it is missing; or with the reason why there is none."""
    own = _unbuilt(label, plugin, variant)
    try:
        return replace(own, environment=environments.ensure(plugin, version, display.say))
    except environments.EnvironmentFailed as error:
        display.say(f"{own.label}: {error}")
        return replace(own, problem=str(error), is_skipped=isinstance(error, environments.NoInterpreter))


def _unbuilt(label: str, plugin: plugins.Plugin, variant: str | None) -> Contender:
    label = label if plugin.shipped else plugin.name
    bare = plugin.header.baseline if plugin.shipped else None
    baseline = f"{label.partition('+')[0]}+{bare}" if bare and variant != bare else None
    return Contender(label, plugin, variant, None, baseline=baseline)


def _companions(own: Contender) -> list[Contender]:
    """The variants of a backend that run for its sake: what its overhead is taken against, and what mends it."""
    header, name = own.plugin.header, own.label.partition("+")[0]
    variants = [header.baseline] if own.baseline else []
    variants += header.beside if own.variant is None else []
    return [
        replace(
            own,
            label=f"{name}+{variant}",
            variant=variant,
            baseline=None if variant == header.baseline else own.baseline,
            beside=own.label,
        )
        for variant in variants
    ]


def run(
    experiment: Experiment,
    requests: Sequence[str],
    out: Path,
    display: Display,
    fresh: bool = False,
    cells: Sequence[Prepared] | None = None,
    companions: bool = True,
    command: Sequence[str] | None = None,
    foregone: Foregone | None = None,
    at_once: int = 1,
) -> tuple[Path, dict[str, Any]]:
    """Run the experiment on the backends and return the run folder and the comparison in it.

    `cells` are the experiment's, where the caller has prepared them; without `companions` just what is asked for runs;
    `command` is what the user typed, to be told in reports; what is `foregone` isn't run; so many tasks run
    `at_once`, where times are of no interest.
    """
    refuse_one_name_for_two(requests)
    folders.refuse_unwritable(out)
    if cells is None:
        cells = prepare(experiment, display)
    backends = contenders(requests, display, companions)
    reference = contender(REFERENCE, plugins.find("backends", REFERENCE), None, None, display)
    key = _key(cells, requests)
    with folders.claim(out, experiment.name, key, fresh) as folder:
        tasks = jobs.tasks(cells, backends, reference, folder)
        comparison = _run_tasks(experiment, cells, tasks, display, foregone, at_once)
        comparison |= {"command": list(command) if command else None}
        store.write_json(folder / "record.json", comparison)
        store.write_text(folder / "comparison.json", store.as_text(comparison))
    return folder, comparison


def _run_tasks(
    experiment: Experiment,
    cells: Sequence[Prepared],
    tasks: Sequence[Task],
    display: Display,
    foregone: Foregone | None,
    at_once: int,
) -> dict[str, Any]:
    display.jobs(tasks)
    spec = cells[0].cell.spec
    calibrated, peaks = [], []
    with side_by_side.threads(at_once, display) as (each, shown):
        underway = list(each(partial(_probed, display=shown, foregone=foregone), range(1, len(tasks) + 1), tasks))
        for repeat in range(1, max(task.repeated for task in tasks) + 1):
            folder, threads = tasks[0].folder.parent, jobs.threads(spec)
            calibrated.append(_measured(folder / f"calibration-{repeat}.json", calibration.measure, threads))
            peaks.append(_measured(folder / f"sgemm-{repeat}.json", throughput.measure, threads))
            list(each(partial(_Underway.repeat, number=repeat, display=shown, foregone=foregone), underway))
    entries = {cell: entry for own in underway for cell, entry in own.entries().items()}
    comparison = {
        "schema": record.SCHEMA,
        "experiment": {
            "name": experiment.name,
            "description": experiment.description,
            "study": experiment.study,
        },
        "spec": spec.model_dump(mode="json"),
        "machine": machine.facts() | {"threads": jobs.threads(spec)},
        "calibration": {"kernel": calibration.KERNEL, "seconds": calibrated},
        "sgemm_flops": max(peaks),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "partitions": {cell.digests["partition"]: held_by_client(cell) for cell in cells},
        "cells": [entries[cell] for cell in cells],
    }
    found = scatter.scatters(cells)
    return record.summarised(comparison | ({"scatter": found} if found else {}))


def _measured(path: Path, measure: Callable[[int], float], threads: int) -> float:
    """What the machine could do when the repeat began; as it was then, where the run is resumed."""
    found: float | None = store.read_json(path)
    if found is None:
        found = measure(threads)
        store.write_json(path, found)
    return found


def held_by_client(cell: Prepared) -> dict[str, Any]:
    """Who holds what: the number of samples of each class, a list a client."""
    samples, held = cell.plan.arrays["part_samples"], np.diff(cell.plan.arrays["part_offsets"])
    classes = len(cell.data.classes)
    squares = np.repeat(np.arange(len(held)) * classes, held) + cell.data.labels[samples]
    counts = np.bincount(squares, minlength=len(held) * classes).reshape(-1, classes)
    return {"classes": list(cell.data.classes), "counts": counts.tolist()}


@dataclass
class _Underway:
    """A task whose probes are done, and what its repeats have brought so far.

    skipped: by label, the outcomes of the probes that a backend couldn't honour: it can't honour the repeats either,
    which ask for no less, and importing a framework to be told so once more takes its time.
    """

    number: int
    task: Task
    verdicts: dict[str, Any]
    skipped: dict[str, process.Outcome]
    finished: list[tuple[Job, process.Outcome]] = field(default_factory=list)
    measured: list[dict[str, float]] = field(default_factory=list)

    def repeat(self, number: int, display: Display, foregone: Foregone | None) -> None:
        """Run each cell on each backend once more."""
        if number <= self.task.repeated and self.task.first.cell.spec.timing.loading_passes:
            self.measured.append(_limits(self.task, number))
        for job in self.task.repeats:
            if job.repeat == number:
                outcome = self.skipped.get(job.contender.label)
                own = _answered(job, outcome, display) if outcome else _outcome(job, display, foregone)
                self.finished.append((job, own))

    def entries(self) -> dict[Prepared, dict[str, Any]]:
        """Return an entry of the comparison for each cell."""
        return {
            cell: _cell_entry(
                self.number,
                cell,
                [pair for pair in self.finished if pair[0].cell is cell],
                self.verdicts,
                self.measured,
            )
            for cell in self.task.cells
        }


def _probed(number: int, task: Task, display: Display, foregone: Foregone | None) -> _Underway:
    verdicts, skipped = certify(task, display, foregone)
    return _Underway(number, task, verdicts, skipped)


def certify(
    task: Task, display: Display, foregone: Foregone | None = None
) -> tuple[dict[str, Any], dict[str, process.Outcome]]:
    """Write the task's plans into its folder and run its probes.

    Returns each backend's verdict, and the outcomes of those that were skipped, by label.
    """
    task.first.plan.save(task.folder / "plan")
    plan.probe(task.first.plan).save(task.folder / "probe")
    if any(one.centralised for one in task.backends):
        plan.centralised(task.first.plan).save(task.folder / "centralised")
    probes = [(job, _outcome(job, display, foregone)) for job in task.probes]
    skipped = {job.contender.label: outcome for job, outcome in probes if outcome.status == "skipped"}
    return _verdicts(task.first, probes), skipped


def _outcome(job: Job, display: Display, foregone: Foregone | None) -> process.Outcome:
    known = foregone.outcome(job) if foregone else None
    if known:
        return _answered(job, known, display)
    outcome = _finish(job, display)
    if foregone:
        foregone.learn(job, outcome)
    return outcome


def _answered(job: Job, outcome: process.Outcome, display: Display) -> process.Outcome:
    """Tell an outcome that is known without running the job."""
    display.started(job, reused=False)
    display.ended(job, outcome)
    return process.Outcome(outcome.status, outcome.reason, ())


def _limits(task: Task, repeat: int) -> dict[str, float]:
    """What the machine could do when the repeat began; as it was then, where the run is resumed."""
    path = task.folder / f"limits-{repeat}.json"
    found: dict[str, float] | None = store.read_json(path)
    if found is None:
        found = limits.measure(task.first.data.folder / "packed.npy", task.first.plan.epoch())
        store.write_json(path, found)
    return found


def _finish(job: Job, display: Display) -> process.Outcome:
    """Return the job's outcome: its earlier one if that was finished and is intact, else a new one.

    What isn't finished goes on after its last checkpoint.
    """
    told = jobs.told(job)
    key = jobs.key(job, told)
    earlier = store.read_json(job.folder / "result.json")
    if earlier is not None and earlier["key"] == key and earlier["status"] == "done":
        display.started(job, reused=True)
        seen = tuple(events.from_line(line) for line in earlier["events"])
        outcome = process.Outcome("done", None, seen)
    else:
        facts = machine.facts()
        whose = f"{key} {facts['cpu']} {facts['fedbench']}"  # a job's rounds are one machine's and one harness'
        kept = checkpoints.earlier(job.folder, whose)
        display.started(job, reused=False, resumed=kept[-1].round if kept else 0)
        outcome = _execute(job, told, whose, kept, display)
        if kept and _failed_at(outcome) == "resume":
            display.say(f"{job.contender.label}: can't go on from its checkpoint, begins anew: {outcome.reason}")
            kept = ()
            outcome = _execute(job, told, whose, kept, display)
        lines = [events.to_line(event) for event in outcome.events]
        result = {"key": key, "status": outcome.status, "reason": outcome.reason, "events": lines}
        store.write_json(job.folder / "result.json", result)
        if outcome.status == "done" and not kept:
            speeds.add(job, outcome.events)
    if outcome.status == "done":
        checkpoints.discard(job.folder)  # only now: until the result is on disk, they are all there is
    display.ended(job, outcome)
    return outcome


def _failed_at(outcome: process.Outcome) -> str | None:
    """The stage that a worker failed at, by its own account."""
    last = outcome.events[-1] if outcome.events else None
    return last.stage if isinstance(last, events.Failed) else None


def _execute(job: Job, told: Mapping[str, Any], whose: str, kept: Sequence[Any], display: Display) -> process.Outcome:
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.contender.environment is None:
        return process.Outcome("skipped" if job.contender.is_skipped else "failed", job.contender.problem, ())
    checkpoints.begin(job.folder, whose, kept)
    resume = {"round": kept[-1].round, "file": kept[-1].file} if kept else None
    store.write_text(job.folder / "job.json", json.dumps({**told, "resume": resume}))
    timing = job.cell.cell.spec.timing
    return process.execute(
        job.contender.environment.python,
        job.folder,
        process.worker_environ(os.environ, jobs.threads(job.cell.cell.spec), timing.device),
        timing.silence_s,
        lambda event: display.event(job, event),
        kept,
    )


def _cell_entry(
    task: int,
    cell: Prepared,
    finished: Sequence[tuple[Job, process.Outcome]],
    verdicts: dict[str, Any],
    measured: Sequence[dict[str, float]],
) -> dict[str, Any]:
    spec = cell.cell.spec
    runs = [
        record.run_entry(
            job.contender,
            job.repeat,
            spec.data,
            spec.timing,
            outcome.status,
            outcome.reason,
            outcome.events,
            _spent(cell, outcome),
        )
        for job, outcome in finished
    ]
    certificate = {"reference": REFERENCE, "tolerance": parity.TOLERANCE, "backends": verdicts}
    samples = (len(cell.data.train), len(cell.data.test))
    entry = record.cell_entry(cell.cell, cell.digests, samples, runs, certificate)
    return entry | {"task": task, "held_out": _held_out(cell)} | ({"limits": list(measured)} if measured else {})


def _held_out(cell: Prepared) -> dict[str, list[int]]:
    """Which samples are held out, of which class and, where groups are held out whole, of which of them, by number."""
    samples, own = cell.data, cell.data.test
    found = {"samples": own.tolist(), "classes": samples.labels[own].tolist()}
    if cell.cell.spec.data.groups and all(group is not None for group in samples.groups):
        _, numbers = np.unique(np.array(samples.groups), return_inverse=True)
        found["groups"] = numbers[own].tolist()
    return found


def _spent(cell: Prepared, outcome: process.Outcome) -> dict[str, Any] | None:
    noised = next((event for event in outcome.events if isinstance(event, events.Noised)), None)
    if noised is None or cell.noise_multiplier is None:
        return None
    return privacy.entry(cell.cell.spec, cell.plan, cell.noise_multiplier, noised.own)


def _verdicts(cell: Prepared, probes: Sequence[tuple[Job, process.Outcome]]) -> dict[str, Any]:
    if not probes:
        return {}
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
