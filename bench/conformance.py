"""Tells whether a backend is right: small cases, trained beside the float64 reference.

Each case exposes a way of being wrong that an easy one hides: unequal clients (weighting), momentum
(restarts), odd last batches (dropped ones), several local epochs, drop-outs, weight decay, one channel, samples
decoded at each access, and a loader with workers (which may draw from the training's random numbers).
A backend passes a case when its certificate passes, its evaluation loss is the reference's, and its final weights
don't depend on how samples were read.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench import runner, spec
from bench.jobs import REFERENCE

LOSS_TOLERANCE = 1e-3

_COMMON = {
    "data": {"samples": 90, "image_size": 16},
    "model": {"dropout": False},
    "federation": {"clients": 4, "fraction": 0.75, "rounds": 3, "partition": "unequal"},
    "training": {"batch_size": 7, "lr": 0.02, "momentum": 0.8},
}
CASES: Mapping[str, Sequence[str]] = {
    "unequal clients, momentum, odd batches": (),
    "several local epochs, weight decay": ("federation.local_epochs=2", "training.weight_decay=0.01"),
    "two classes a client, drop-outs": (
        "federation.partition=classes",
        "federation.drop_rate=0.4",
        "federation.clients=5",
    ),
    "one channel, no momentum": ("data.channels=1", "training.momentum=0.0"),
    "no convolution": ("model.name=mlp",),
    "batch normalisation": ("model.batch_norm=true", "training.lr=0.002"),
    "image files": ("data.form=image",),
    "the framework's own loader": ("data.form=npy", "data.loader=framework", "data.workers=2"),
}


@dataclass(frozen=True)
class Result:
    """How a backend did in one case; a skip is an honest answer, not a failure."""

    case: str
    status: Literal["pass", "fail", "skip"]
    why: str = ""


def experiment() -> spec.Experiment:
    """Return all cases as one experiment, a cell each."""
    cells = [spec.build(_COMMON, settings).cells[0] for settings in CASES.values()]
    named = [spec.Cell({"case": name}, cell.spec) for name, cell in zip(CASES, cells, strict=True)]
    return spec.Experiment("conformance", "Is this backend right?", tuple(named))


def run(backend: str, out: Path | None, display: runner.Display) -> list[Result]:
    """Run every case. The run folder stays where `out` is given."""
    with tempfile.TemporaryDirectory(prefix="bench-conformance-") as folder:
        requests = [REFERENCE, *([backend] if backend != REFERENCE else [])]
        _, comparison = runner.run(experiment(), requests, out or Path(folder), display, fresh=True)
    firsts: dict[int, Mapping[str, Any]] = {}
    for cell in comparison["cells"]:
        firsts.setdefault(cell["task"], cell)
    cells = zip(CASES, comparison["cells"], strict=True)
    return [_judge(name, cell, firsts[cell["task"]]) for name, cell in cells]


def _judge(case: str, cell: Mapping[str, Any], first: Mapping[str, Any]) -> Result:
    """`first` is the first case that trains the same: how samples are read must make no difference to it."""
    golden, own = first["runs"][0], cell["runs"][-1]
    if own["status"] == "skipped":
        return Result(case, "skip", own["reason"])
    if own["status"] != "done":
        return Result(case, "fail", own["reason"])
    for verdict in cell["parity"]["backends"].values():
        if verdict["verdict"] != "pass":
            return Result(case, "fail", verdict["reason"])
    for expected, found in zip(golden["evaluations"], own["evaluations"], strict=True):
        off = abs(expected["loss"] - found["loss"])
        if off > LOSS_TOLERANCE:
            return Result(case, "fail", f"the loss after round {found['round']} is off by {off:.2g}: look at predict")
    if own["weights_sha256"] != first["runs"][-1]["weights_sha256"]:
        return Result(case, "fail", "the final weights depend on how samples were read")
    return Result(case, "pass")


def render(results: Sequence[Result]) -> str:
    """Return the results, a line each, and the sum."""
    lines = [f"{one.status:<4}  {one.case}" + (f": {one.why}" if one.why else "") for one in results]
    counts = {status: sum(one.status == status for one in results) for status in ("pass", "fail", "skip")}
    return "\n".join([*lines, f"{counts['pass']} pass, {counts['fail']} fail, {counts['skip']} skipped"])
