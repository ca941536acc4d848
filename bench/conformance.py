"""Tells whether a backend is right: small cases, trained beside the float64 reference.

Each case exposes a way of being wrong that an easy one hides: unequal clients (weighting), momentum
(restarts), odd last batches (dropped ones), several local epochs, drop-outs, weight decay, one channel, samples
decoded at each access, a loader with workers (which may draw from the training's random numbers), and an end before
its time; with privacy, empty batches and empty cohorts.
A backend passes a case when its certificate passes, its evaluation loss is the reference's, and its final weights
depend neither on how samples were read nor on an interruption. Where privacy adds noise, the weights are those without
it, and off by noise of the deviation that follows from the spec, never the same twice.
"""

import itertools
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench import events, machine, plugins, privacy, record, runner, spec
from bench.errors import UserError
from bench.foregone import Foregone
from bench.jobs import REFERENCE, Job, Prepared, Task
from bench.process import Outcome
from bench.side_by_side import Counted

LOSS_TOLERANCE = 1e-3
NOISE_TOLERANCE = 0.05  # beside chance: what noise changes in later gradients is in the weights too
CHANCE = 5.0  # standard deviations
ENOUGH = 300  # weights, to tell a deviation; of fewer only that they have noise
BARE = 0.05

_COMMON = {
    "data": {"samples": 90, "image_size": 16},
    "model": {"dropout": False},
    "federation": {"clients": 4, "fraction": 0.75, "rounds": 3, "partition": "unequal"},
    "training": {"batch_size": 7, "lr": 0.02, "momentum": 0.8},
}
_BY_EXAMPLE = ("training.batch_size=2", "privacy.max_grad_norm=0.5")  # some batches are drawn empty
_BY_CLIENT = (  # with this seed nobody, two and three of five take part, where two are expected
    "privacy.unit=client",
    "privacy.max_grad_norm=0.005",
    "federation.clients=5",
    "federation.clients_per_round=2",
    "seed=18",
)
_INTERRUPTED_AFTER = 2
_INTERRUPTED = "timing.checkpoint_s=1e-9"
_QUIET, _LOUD, _LOUDER = (f"privacy.noise_multiplier={noise}" for noise in (0, 1, 2))
_FIRST = "unequal clients, momentum, odd batches"
_SAME_AS_FIRST = ("interrupted", "image files", "the framework's own loader")  # must end in its weights
CASES: Mapping[str, Sequence[str]] = {
    _FIRST: (),
    "several local epochs, weight decay": ("federation.local_epochs=2", "training.weight_decay=0.01"),
    "interrupted": (_INTERRUPTED,),
    "two classes a client, drop-outs": (
        "federation.partition=classes",
        "federation.drop_rate=0.4",
        "federation.clients=5",
    ),
    "one channel, no momentum": ("data.channels=1", "training.momentum=0.0"),
    "no convolution, the study's softmax": ("model.name=mlp", "model.softmax_in_model=true"),
    "batch normalisation": ("model.batch_norm=true", "training.lr=0.002"),
    "group normalisation": ("model.group_norm=true",),
    "image files": ("data.form=image",),
    "the framework's own loader": ("data.form=npy", "data.loader=framework", "data.workers=2"),
    "private by example, stock: clipping": (*_BY_EXAMPLE, _QUIET),
    "private by example, stock: noise": (*_BY_EXAMPLE, _LOUD),
    "private by example, stock: twice the noise": (*_BY_EXAMPLE, _LOUDER),
    "private by example, stock: noise, interrupted": (*_BY_EXAMPLE, _LOUD, _INTERRUPTED),
    "private by example, fused: clipping": (*_BY_EXAMPLE, "privacy.engine=fused", _QUIET),
    "private by example, fused: noise": (*_BY_EXAMPLE, "privacy.engine=fused", _LOUD),
    "private by example, fused: twice the noise": (*_BY_EXAMPLE, "privacy.engine=fused", _LOUDER),
    "private by example, stock: shuffled, group normalisation, weight decay": (
        "privacy.sampling=shuffled",
        "model.group_norm=true",
        "training.weight_decay=0.01",
        _QUIET,
    ),
    "private by example, fused: shuffled, group normalisation, weight decay": (
        "privacy.sampling=shuffled",
        "privacy.engine=fused",
        "model.group_norm=true",
        "training.weight_decay=0.01",
        _QUIET,
    ),
    "private by client: clipping": (*_BY_CLIENT, _QUIET),
    "private by client: noise": (*_BY_CLIENT, _LOUD),
    "private by client: twice the noise": (*_BY_CLIENT, _LOUDER),
    "private by client: noise, interrupted": (*_BY_CLIENT, _LOUD, _INTERRUPTED),
}


@dataclass(frozen=True)
class Result:
    """How a backend did in one case; a skip is an honest answer, not a failure."""

    case: str
    status: Literal["pass", "fail", "skip"]
    why: str = ""


def experiment(only: Sequence[str] = (), threads: int = 0) -> spec.Experiment:
    """Return the cases whose name holds any of the texts `only`, or all cases, as one experiment, a cell each.

    Each trains with so many `threads`, or, for 0, as many as there are cores.
    """
    for text in only:
        if not any(text in name for name in CASES):
            raise UserError(f"--only {text}: no case is called so; there are: {'; '.join(CASES)}")
    found = [name for name in CASES if not only or any(text in name for text in only)]
    needed = {f"{name.partition(':')[0]}: clipping" for name in found if "noise" in name}  # to tell the noise from
    if any(name in _SAME_AS_FIRST for name in found):
        needed.add(_FIRST)
    chosen = {name: own for name, own in CASES.items() if name in found or name in needed}
    shared = _COMMON | ({"timing": {"threads": threads}} if threads else {})
    cells = [spec.Cell({"case": name}, spec.build(shared, own).cells[0].spec) for name, own in chosen.items()]
    return spec.Experiment("conformance", "Is this backend right?", tuple(cells))


def run(
    backend: str, out: Path | None, display: runner.Display, only: Sequence[str] = (), at_once: int = 1
) -> list[Result]:
    """Run every case, or those whose name holds any of `only`. The run folder stays where `out` is given.

    Cases that train the same follow each other; of others so many run `at_once`, each with its share of the cores.
    """
    if at_once < 1:
        raise UserError(f"--jobs {at_once}: must be at least 1")
    with tempfile.TemporaryDirectory(prefix="bench-conformance-") as temporary:
        requests = [REFERENCE, *([backend] if backend != REFERENCE else [])]
        plugin, _, _ = plugins.requested(backend)
        if plugin.header.centralised:
            raise UserError(f"{backend} is centralised: it has no federated averaging to hold against the reference's")
        cases = experiment(only, threads=max(1, machine.cores() // at_once) if at_once > 1 else 0)
        cells = runner.prepare(cases, display)
        label = runner.labels([backend], companions=False)[0]
        interrupting = _Interrupting(label, Counted(display) if at_once > 1 else display)
        known = Foregone(label, cells)
        folder, comparison = _run(cases, requests, out or Path(temporary), interrupting, cells, known, at_once)
        tasks: dict[int, list[Case]] = {}
        for cell, prepared in zip(comparison["cells"], cells, strict=True):
            tasks.setdefault(cell["task"], []).append(Case(cell["set"]["case"], cell, prepared, folder))
        results = [_judge(case, task[: task.index(case)]) for task in tasks.values() for case in task]
    return sorted(results, key=lambda result: list(CASES).index(result.case))


def _run(
    cases: spec.Experiment,
    requests: Sequence[str],
    out: Path,
    display: "_Interrupting",
    cells: Sequence[Prepared],
    foregone: Foregone,
    at_once: int,
) -> tuple[Path, dict[str, Any]]:
    """Run the cases, once more after each interruption."""
    while True:
        try:
            fresh = not display.interrupted
            return runner.run(
                cases, requests, out, display, fresh, cells, companions=False, foregone=foregone, at_once=at_once
            )
        except _Interrupted:
            continue


class _Interrupted(Exception):
    """A job was ended on purpose."""


class _Interrupting:
    """Tells what is going on as `display` does, and ends each of the backend's jobs of the interrupted cases once."""

    def __init__(self, label: str, display: runner.Display) -> None:
        self.label = label
        self.display = display
        self.interrupted: set[Path] = set()
        self.ended_before: set[Path] = set()

    def say(self, text: str) -> None:
        self.display.say(text)

    def progress(self, what: str, done: int, total: int) -> None:
        self.display.progress(what, done, total)

    def jobs(self, tasks: Sequence[Task]) -> None:
        if not self.interrupted:
            self.display.jobs(tasks)

    def started(self, job: Job, reused: bool, resumed: int = 0) -> None:
        if job.folder in self.ended_before:
            return
        if job.folder in self.interrupted:
            self.display.say(f"{job.title}: interrupted on purpose, goes on after round {resumed}")
        else:
            self.display.started(job, reused, resumed)

    def event(self, job: Job, event: Any) -> None:
        self.display.event(job, event)
        is_due = isinstance(event, events.Checkpoint) and event.round == _INTERRUPTED_AFTER
        if is_due and job.contender.label == self.label and job.folder not in self.interrupted:
            self.interrupted.add(job.folder)
            raise _Interrupted

    def ended(self, job: Job, outcome: Outcome) -> None:
        if job.folder not in self.ended_before:
            self.display.ended(job, outcome)
            self.ended_before.add(job.folder)


@dataclass(frozen=True, eq=False)
class Case:
    """A case that was run."""

    name: str
    cell: Mapping[str, Any]
    prepared: Prepared
    folder: Path

    @property
    def own(self) -> Mapping[str, Any]:
        """The run of the backend that is judged."""
        run: Mapping[str, Any] = self.cell["runs"][-1]
        return run

    @property
    def noise_multiplier(self) -> float:
        return self.prepared.noise_multiplier or 0.0

    @property
    def is_noisy(self) -> bool:
        return self.noise_multiplier > 0

    def weights(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the final weights of the backend, flat."""
        found = record.final_weights(self.folder, self.own)
        return {name: own.ravel().astype(np.float64) for name, own in found.items()}

    def noise(self, quiet: "Case") -> dict[str, npt.NDArray[np.float64]]:
        """Return what noise did to each tensor; `quiet` is the case that trains the same without."""
        bare = quiet.weights()
        return {name: own - bare[name] for name, own in self.weights().items()}


def _judge(case: Case, earlier: Sequence[Case]) -> Result:
    """`earlier` are the cases before it that train the same; how samples are read must make no difference."""
    golden, own = (earlier[0] if earlier else case).cell["runs"][0], case.own
    if own["status"] == "skipped":
        return Result(case.name, "skip", own["reason"])
    if own["status"] != "done":
        return Result(case.name, "fail", own["reason"])
    for verdict in case.cell["parity"]["backends"].values():
        if verdict["verdict"] != "pass":
            return Result(case.name, "fail", verdict["reason"])
    if "interrupted" in case.name and own["resumed_after"] != [_INTERRUPTED_AFTER]:
        return Result(case.name, "fail", "it doesn't go on from its checkpoint: see set_weights and count_noise")
    if case.is_noisy:
        why = _noise_fault(case, [one for one in earlier if one.own["status"] == "done"])
        return Result(case.name, "fail" if why else "pass", why)
    for expected, found in zip(golden["evaluations"], own["evaluations"], strict=True):
        off = abs(expected["loss"] - found["loss"])
        if off > LOSS_TOLERANCE:
            return Result(case.name, "fail", f"the loss after round {found['round']} is off by {off:.2g}: see predict")
    if earlier and own["weights_sha256"] != earlier[0].own["weights_sha256"]:
        by = "an interruption" if "interrupted" in case.name else "how samples were read"
        return Result(case.name, "fail", f"the final weights depend on {by}")
    return Result(case.name, "pass")


def _noise_fault(case: Case, earlier: Sequence[Case]) -> str:
    """Say what is wrong with the noise, if anything: how much a tensor has, or that it was seen before."""
    quiet = next((one for one in earlier if not one.is_noisy), None)
    if quiet is None:
        return "there are no weights without noise to compare with"
    asked = privacy.noise_deviation(case.prepared.cell.spec, case.prepared.plan, case.noise_multiplier)
    noise = case.noise(quiet)
    for name, own in noise.items():
        ratio = float(np.sqrt((own**2).mean())) / asked
        chance = CHANCE / math.sqrt(2 * len(own))
        if ratio < BARE or (len(own) >= ENOUGH and abs(ratio - 1) > NOISE_TOLERANCE + chance):
            return f"{name} has {ratio:.3f} times the noise that was asked for"
    large = {name: own for name, own in noise.items() if len(own) >= ENOUGH}
    for (first, one), (second, other) in itertools.combinations(large.items(), 2):
        if _are_alike(one, other):
            return f"{first} and {second} have the same noise"
    for before in earlier:
        seen = before.noise(quiet) if before.is_noisy else {}
        if any(_are_alike(large[name], seen[name]) for name in large if seen):
            return f"the noise is that of {before.name!r} once more: whoever knows it takes it off"
    return ""


def _are_alike(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    shared = min(len(one), len(other))
    correlation = np.corrcoef(one[:shared], other[:shared])[0, 1]
    return bool(abs(correlation) > NOISE_TOLERANCE + CHANCE / math.sqrt(shared))


def render(results: Sequence[Result]) -> str:
    """Return the results, a line each, and the sum."""
    lines = [f"{one.status:<4}  {one.case}" + (f": {one.why}" if one.why else "") for one in results]
    counts = {status: sum(one.status == status for one in results) for status in ("pass", "fail", "skip")}
    return "\n".join([*lines, f"{counts['pass']} pass, {counts['fail']} fail, {counts['skip']} skipped"])
