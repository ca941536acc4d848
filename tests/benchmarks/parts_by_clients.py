"""How the parts of a round, plans, memory and files grow with the number of clients: everyone in every round.

    python -m tests.benchmarks.parts_by_clients torch
    python -m tests.benchmarks.parts_by_clients tff --clients 10,100,1000 --picture by-clients.svg

A few samples of 8 x 8 pixels a client, the mlp, one thread. Aggregation and harness are as `round_parts` tells them.
Each line of the table is measured in a process of its own, so that the harness' peak memory is its own: what imports
take is in it, the building of the plan, and the run's document. The worker's is of its whole process group, which gives
no memory back, as the allocator is set here.

Told besides is the slope of aggregation in a log-log picture, fitted through all and between the two largest numbers of
clients: 1 is in proportion. Exit code 1 where one of them is above 1.2: for ten times the clients, sixteen times the
seconds.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from bench import data, drawing, jobs, machine, partition, plan, record, runner, store
from bench.display import Plain
from bench.errors import UserError
from bench.layout import Table, size
from bench.palette import BLACK, colours
from bench.spec import Cell, Spec
from tests.benchmarks import round_parts
from tests.benchmarks.harness_cost import ALLOCATOR

CLIENTS = "10,100,1000,10000"
SHAPE, CLASSES, HELD_OUT = (3, 8, 8), ("a", "b", "c"), 30
STEPS = (1, 3)
ALLOWED = 1.2  # slope
Measured = dict[str, float]  # one number of clients: seconds, and bytes
SECONDS = {"aggregation": "o-", "harness": "s--", "building the plan": "^-.", "partitioning": "v:"}
BYTES = {"worker's memory": "o-", "harness' memory": "s--", "comparison.json": "^-.", "events of a round": "v:"}


def spec_of(clients: int, rounds: int) -> Spec:
    """Return the experiment: all clients in every round, one epoch of one batch each."""
    return Spec.model_validate(
        {
            "data": {"image_size": SHAPE[1]},
            "model": {"name": "mlp"},
            "federation": {"clients": clients, "fraction": 1.0, "rounds": rounds},
            "timing": {"threads": 1},
        }
    )


def made_up(folder: Path, count: int) -> data.Prepared:
    """Return a data set of so many samples to train on, without image files: rows in memory are all that is read."""
    folder.mkdir(parents=True)
    pixels = np.random.RandomState(0).randint(0, 256, (count + HELD_OUT, *SHAPE), np.uint8)
    labels = np.arange(len(pixels), dtype=np.int64) % len(CLASSES)
    train, test = np.split(np.arange(len(pixels), dtype=np.int32), [count])
    for name, array in (("packed", pixels), ("labels", labels), ("train", train), ("test", test)):
        np.save(folder / f"{name}.npy", array)
    for name in ("images", "npy"):
        (folder / f"{name}.json").write_text(json.dumps([f"{number}.none" for number in range(len(pixels))]))
    digest = hashlib.sha256(pixels).hexdigest()
    return data.Prepared(folder, CLASSES, SHAPE, labels, train, test, digest, digest, "in order", (), (), (), ())


def measured(backend: str, clients: int, samples: int, rounds: int) -> Measured:
    """Return what one number of clients takes, in the process that this is called in."""
    spec = spec_of(clients, rounds)
    with tempfile.TemporaryDirectory(prefix="parts-by-clients-") as name:
        folder = Path(name)
        own_data = made_up(folder / "data", clients * samples)
        found: Measured = {}
        started = time.perf_counter()
        partition.partition(spec.federation, own_data.train, own_data.labels, spec.seed)
        found["partitioning"] = time.perf_counter() - started
        started = time.perf_counter()
        built = plan.build(spec, SHAPE, len(CLASSES), own_data.labels, own_data.train)
        digests = {"data": own_data.digest} | built.digests()
        built.save(folder / "plan")
        found["building the plan"] = time.perf_counter() - started
        (own,) = runner.contenders([backend], Plain(Console(stderr=True)), companions=False)
        cell = jobs.Prepared(Cell({}, spec), own_data, built, digests)
        job = jobs.Job(cell, own, 1, folder / "job", folder / "plan", rounds)
        group = round_parts.measure(job, STEPS)
        found |= round_parts.seconds([group], STEPS)
        found["events of a round"] = (job.folder / "events.jsonl").stat().st_size / len(group.said)
        found["comparison.json"] = _written(cell, job, group)
        found["worker's memory"] = group.said[-1].peak_rss_bytes
        found["harness' memory"] = _peak_bytes()
        return found


def _peak_bytes() -> float:
    """The most memory that this process has had; `getrusage` would tell that of its parent, if it had more."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _written(cell: jobs.Prepared, job: jobs.Job, group: round_parts.Group) -> float:
    """Write what `bench run` would of one repeat; return its bytes."""
    spec = cell.cell.spec
    run = record.run_entry(job.contender, 1, spec.data, spec.timing, "done", None, group.said, None)
    entry = record.cell_entry(cell.cell, cell.digests, (len(cell.data.train), len(cell.data.test)), [run], {})
    path = job.folder / "comparison.json"
    held = {cell.digests["partition"]: runner.held_by_client(cell)}
    store.write_text(path, store.as_text({"partitions": held, "cells": [entry]}))
    return path.stat().st_size


def slopes(by_clients: Mapping[int, float]) -> tuple[float, float]:
    """Return the slopes in a log-log picture, fitted through all and between the two largest numbers of clients.

    NaN where seconds are too few to be told from nothing.
    """
    clients = sorted(by_clients)
    values = [by_clients[one] for one in clients]
    if min(values) <= 0:
        return float("nan"), float("nan")
    x, y = np.log(clients), np.log(values)
    return float(np.polyfit(x, y, 1)[0]), float((y[-1] - y[-2]) / (x[-1] - x[-2]))


def table(backend: str, found: Mapping[int, Measured]) -> Table:
    """Return a row a number of clients."""
    columns = (
        "clients", "a round, s", "aggregation, s", "harness, s", "its share, %", "partition, s", "plan, s",
        "worker", "harness", "events a round", "comparison.json",
    )  # fmt: skip
    rows = []
    for clients, own in sorted(found.items()):
        whole = sum(own[name] for name in ("compute", "feed", "aggregation", "harness"))
        times = [whole, own["aggregation"], own["harness"], 100 * own["harness"] / whole]
        times += [own["partitioning"], own["building the plan"]]
        sizes = [own[name] for name in BYTES if name != "comparison.json"] + [own["comparison.json"]]
        rows.append((f"{clients:,}", *(f"{value:.3g}" for value in times), *map(size, sizes)))
    every, last = slopes({clients: own["aggregation"] for clients, own in found.items()})
    notes = (
        f"Slope of aggregation: {every:.3g} through all, {last:.3g} between the two largest; 1 is in proportion, and"
        " noise of a tenth in either of two is 0.06 of a slope.",
        "plan: built, with digests, and written; events a round: the round's line in events.jsonl, about.",
    )
    return Table(f"{backend}: by the number of clients", columns, tuple(rows), notes)


def picture(found: Mapping[str, Mapping[int, Measured]]):
    """Return seconds and bytes by the number of clients, both axes logarithmic, with a line of slope 1 in each."""
    from matplotlib.figure import Figure

    from bench.charts import chart

    with chart.style():
        figure = Figure(figsize=(chart.WIDTH, 4.6), layout="constrained")
        left, right = chart.panels(figure, 2, 2)
        _panel(left, found, SECONDS, 1.0, "seconds", "aggregation")
        _panel(right, found, BYTES, 2.0**20, "MiB", "comparison.json")
        figure.suptitle("By the number of clients, all of them in every round", fontsize=9)
    return figure


def _panel(axes, found, lines: Mapping[str, str], unit: float, title: str, first: str) -> None:
    colour = colours(found)
    for backend, own in found.items():
        clients = sorted(own)
        for name, look in lines.items():
            values = [own[one][name] / unit for one in clients]
            axes.plot(
                clients, values, look, color=colour[backend], linewidth=1.3, markersize=3.5, label=f"{backend}: {name}"
            )
        top, values = clients[-1], [own[one][first] / unit for one in clients]
        axes.plot(clients, [values[-1] * one / top for one in clients], color=BLACK, linewidth=0.7, alpha=0.4)
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("log")
        axis.set_major_formatter("{x:g}")
    axes.set_title(f"{title}; thin: in proportion to clients")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(-0.05, -0.1))
    axes.grid(linewidth=0.4, alpha=0.3)


def main() -> int:
    """Measure as the command line says, print a table a backend, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="+", help="as bench run takes them")
    parser.add_argument("--clients", default=CLIENTS, help=f"numbers of clients, at least two ({CLIENTS})")
    parser.add_argument("--samples", type=int, default=2, help="to train on, a client (2)")
    parser.add_argument("--rounds", type=int, default=7, help="of which the first and the last don't count (7)")
    parser.add_argument("--picture", type=Path, help="draw it, too: an SVG or PNG file")
    asked = parser.parse_args()
    numbers = sorted({int(text) for text in asked.clients.split(",")})
    if len(numbers) < 2:
        parser.error("--clients: two numbers at least, for a slope")
    os.environ.update(ALLOCATOR)
    console = Console(width=None if sys.stdout.isatty() else 140)
    found: dict[str, dict[int, Measured]] = {backend: {} for backend in asked.backends}
    for backend, own in found.items():
        for clients in numbers:
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                try:
                    own[clients] = alone.apply(measured, (backend, clients, asked.samples, asked.rounds))
                except UserError as error:
                    print(f"parts_by_clients: {error}", file=sys.stderr)
                    return 2
            print(f"{backend}: {clients:,} clients measured", file=sys.stderr)
        drawing.draw(table(backend, own), console)
    facts = machine.facts()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"on {facts['cpu']}, {facts['cores']} cores, 1 thread; load at the end: {load}")
    if asked.picture:
        from bench.charts import chart

        drawn = picture(found)
        content = chart.svg(drawn).encode() if asked.picture.suffix == ".svg" else chart.png(drawn)
        store.write_bytes(asked.picture, content)
    told = [slopes({clients: one["aggregation"] for clients, one in own.items()}) for own in found.values()]
    return 1 if any(slope > ALLOWED for own in told for slope in own) else 0


if __name__ == "__main__":
    sys.exit(main())
