"""A comparison document as plain tables: one place for wording, units and number formats."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench import loading, loading_table, overhead, privacy_table, throughput
from bench.crossval import pools
from bench.crossval import tables as crossval
from bench.layout import ABSENT, Table, figures, ratio, size
from bench.study import report as study

TOLD_EACH = 3  # cells, on a terminal

Run = Mapping[str, Any]
Cell = Mapping[str, Any]


def tables(comparison: Mapping[str, Any]) -> list[Table]:
    """Return all that there is to tell: what the whole run says, then every cell by itself."""
    return [*whole(comparison), *(table for cell in told_alone(comparison) for table in of_cell(comparison, cell))]


def shortened(comparison: Mapping[str, Any]) -> list[Table]:
    """Return the same for a terminal: of a large grid, what the whole run says alone."""
    return whole(comparison) if len(told_alone(comparison)) > TOLD_EACH else tables(comparison)


def whole(comparison: Mapping[str, Any]) -> list[Table]:
    """Return what cells say together: beside the study, at a glance, and what loading or privacy cost."""
    found = study.tables(comparison)
    alone = told_alone(comparison)
    if len(alone) > 1:
        found.append(_overview(alone))
    found += crossval.tables(comparison)
    if "loading" in comparison:
        found += [*loading_table.tables(comparison), *_certificates(comparison)]
    if "privacy" in comparison:
        found += privacy_table.tables(comparison)
        found += _certificates_by_task([cell for cell in comparison["cells"] if _is_priced(cell, comparison)])
    if len(alone) < len(comparison["cells"]) or len(alone) > TOLD_EACH:
        found += [*_failures(comparison), *_resumptions(comparison)]
    return found


def told_alone(comparison: Mapping[str, Any]) -> list[Cell]:
    """The cells that have tables of their own: loading, the price of privacy, and folds are told together."""
    alone = [cell for cell in comparison["cells"] if "limits" not in cell and not pools.is_fold(cell)]
    return [cell for cell in alone if not _is_priced(cell, comparison)]


def of_cell(comparison: Mapping[str, Any], cell: Cell) -> list[Table]:
    """Return costs, overheads, accuracy and certificate of one cell."""
    place = f" [{cell['name']}]" if cell["name"] else ""
    overheads = overhead.tables(cell, place)
    certificates = [_certificate(cell, place)] if not _is_all_centralised(cell) else []
    return [_costs(comparison, cell, place), *overheads, _accuracies(cell, place), *certificates]


def _is_all_centralised(cell: Cell) -> bool:
    return all(run.get("centralised") for run in cell["runs"])


def _is_priced(cell: Cell, comparison: Mapping[str, Any]) -> bool:
    """Whether the cell is one of those that the price of privacy is told of."""
    rows = comparison.get("privacy", ())
    priced = [row["group"] for row in rows if row["price"]]
    return any(comparison["cells"][row["cell"]] is cell and row["group"] in priced for row in rows)


def _overview(cells: Sequence[Cell]) -> Table:
    """A row a cell: how accurate each backend got, and what a round took."""
    backends = list(dict.fromkeys(name for cell in cells for name in _by_backend(cell)))
    rows = tuple((cell["name"], *(_glance(cell, backend) for backend in backends)) for cell in cells)
    notes = (
        "Final accuracy; median time of a round, the warm-up kept apart, and its ratio to the first backend's; a"
        " certificate that isn't passed.",
    )
    return Table("All cells", ("cell", *backends), rows, notes)


def _glance(cell: Cell, backend: str) -> str:
    runs = _by_backend(cell).get(backend)
    if not runs:
        return ABSENT
    done = [run for run in runs if run["status"] == "done"]
    if not done:
        return _status(runs)
    accuracy = _spread(lambda run: _last(run, "accuracy", 100.0), 1)(done)
    own = [entry for entry in cell["ratios"] if (entry["a"], entry["metric"]) == (backend, "round_s")]
    times = f" ({figures(own[0]['ratio'])}x)" if own and not runs[0].get("baseline") else ""
    verdict = cell["parity"]["backends"].get(backend, {}).get("verdict", "pass")
    told = "" if verdict == "pass" else f", certificate: {verdict}"
    return f"{accuracy} %, {_median(_round_values('seconds'), figures)(done)} s{times}{told}"


def _certificates(comparison: Mapping[str, Any]) -> list[Table]:
    """One a task: its cells train the same, and share their probes."""
    tasks = {cell["task"]: cell for cell in comparison["cells"] if "limits" in cell and cell["parity"]["backends"]}
    return [_certificate(cell, f" [{loading.source(cell)}]") for _, cell in sorted(tasks.items())]


def _certificates_by_task(cells: Sequence[Cell]) -> list[Table]:
    """One a task, named by what tells its cells from those of others."""
    values: dict[str, set[Any]] = {}
    tasks: dict[int, list[Cell]] = {}
    for cell in cells:
        tasks.setdefault(cell["task"], []).append(cell)
        for key, value in cell["set"].items():
            values.setdefault(key, set()).add(value)
    found = []
    for own in tasks.values():
        common = set.intersection(*(set(cell["set"].items()) for cell in own))
        words = [f"{key.split('.')[-1]} {value}" for key, value in sorted(common) if len(values[key]) > 1]
        found.append(_certificate(own[0], f" [{', '.join(words)}]" if words else ""))
    return found


def _failures(comparison: Mapping[str, Any]) -> list[Table]:
    """What isn't in the tables of privacy, and why."""
    rows = [
        (run["backend"], cell["name"], str(run["repeat"]), run["status"], run["reason"] or "")
        for cell in comparison["cells"]
        for run in cell["runs"]
        if run["status"] != "done"
    ]
    return [Table("Not done", ("backend", "cell", "repeat", "status", "why"), tuple(rows))] if rows else []


def _resumptions(comparison: Mapping[str, Any]) -> list[Table]:
    """Whose processes were interrupted."""
    rows = tuple(
        (run["backend"], cell["name"], str(run["repeat"]), " and ".join(map(str, run["resumed_after"])))
        for cell in comparison["cells"]
        for run in cell["runs"]
        if run.get("resumed_after")
    )
    notes = (
        "Each went on in a new process from its weights; the first rounds there warm up, too, and are kept apart.",
    )
    columns = ("backend", "cell", "repeat", "after round")
    return [Table("Interrupted and gone on with", columns, rows, notes)] if rows else []


def _by_backend(cell: Cell) -> dict[str, list[Run]]:
    """The runs of what was asked for; what runs for its sake has a table of its own."""
    found: dict[str, list[Run]] = {}
    for run in cell["runs"]:
        if not run.get("beside"):
            found.setdefault(run["backend"], []).append(run)
    return found


def _costs(comparison: Mapping[str, Any], cell: Cell, place: str) -> Table:
    backends = _by_backend(cell)
    own_baseline = {name for name, runs in backends.items() if runs[0].get("baseline")}
    ratios = {(entry["a"], entry["metric"]): entry for entry in cell["ratios"] if entry["a"] not in own_baseline}

    def row(title: str, text: Callable[[Sequence[Run]], str], metric: str | None = None) -> tuple[str, ...]:
        return (
            title,
            *(text([run for run in runs if run["status"] == "done"]) + _ratio(ratios.get((name, metric or "")))
              for name, runs in backends.items()),
        )  # fmt: skip

    rows = (
        ("framework", *(_framework(runs[0]["versions"]) for runs in backends.values())),
        *_ways(backends),
        ("status", *(_status(runs) for runs in backends.values())),
        row("a round, s", _median(_round_values("seconds"), figures), "round_s"),
        row("a round, CPU s", _median(_round_values("cpu_seconds"), figures), "round_cpu_s"),
        *_throughput_rows(comparison, cell, backends),
        row("first round, s", _median(_phase("first_round_s"), figures), "first_round_s"),
        row("import, s", _median(_phase("import_s"), figures), "import_s"),
        row("open and compile, s", _median(_phase("open_s"), figures), "open_s"),
        row("load data, s", _median(_phase("load_s"), figures), "load_s"),
        row("all evaluations, s", _median(_phase("evaluate_s"), figures), "evaluate_s"),
        row("peak memory", _median(lambda run: [run["peak_rss_bytes"]], size), "peak_rss_bytes"),
        *_device_rows(backends, row),
        row("sent down a round", _median(_round_values("bytes_down"), size)),
        row("sent up a round", _median(_round_values("bytes_up"), size)),
        row("final accuracy, %", _spread(lambda run: _last(run, "accuracy", 100.0), 1)),
        row("final loss", _spread(lambda run: _last(run, "loss", 1.0), 3)),
        *_privacy_rows(backends),
    )
    return Table(f"What it costs{place}", ("", *backends), rows, _cost_notes(comparison, cell, backends))


def _throughput_rows(
    comparison: Mapping[str, Any], cell: Cell, backends: Mapping[str, Sequence[Run]]
) -> list[tuple[str, ...]]:
    """What training computes a second, over what sgemm does here; nothing where that wasn't measured."""
    peak = comparison.get("sgemm_flops")
    if not peak:
        return []
    partition = comparison["partitions"][cell["digests"]["partition"]]
    found = [throughput.of_runs(cell, partition, runs) for runs in backends.values()]
    if not any(found):
        return []
    return [(f"GFLOP/s (over sgemm's {peak / 1e9:.0f})", *(throughput.told(own, peak) for own in found))]


def _device_rows(backends: Mapping[str, Sequence[Run]], row: Callable[..., tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What a GPU's memory held; nothing where no GPU was used."""
    if not any(run.get("peak_device_bytes") for runs in backends.values() for run in runs):
        return []
    return [row("peak GPU memory", _median(lambda run: [run.get("peak_device_bytes")], size))]


def _ways(backends: Mapping[str, Sequence[Run]]) -> list[tuple[str, ...]]:
    """What computes, and how it is reached, where arithmetics of different years stand side by side."""
    if not any(runs[0].get("baseline") for runs in backends.values()):
        return []
    versions = [runs[0]["versions"] for runs in backends.values()]
    return [
        ("computes with", *(overhead.arithmetic(own) for own in versions)),
        ("transport", *(own.get("transport") or ABSENT for own in versions)),
    ]


def _privacy_rows(backends: Mapping[str, Sequence[Run]]) -> list[tuple[str, ...]]:
    """What was protected and what it spent; nothing where no run was private."""
    spent = [next((run["privacy"] for run in runs if run["privacy"]), None) for runs in backends.values()]
    if not any(spent):
        return []

    def row(title: str, text: Callable[[Mapping[str, Any]], str]) -> tuple[str, ...]:
        return (title, *(text(own) if own else ABSENT for own in spent))

    epsilon = privacy_table.epsilon
    return [
        row("privacy: engine, unit", privacy_table.way),
        row("noise multiplier", lambda own: figures(own["noise_multiplier"])),
        row("epsilon, PLD", lambda own: epsilon(own["epsilon_pld"])),
        row("epsilon, RDP", lambda own: epsilon(own["epsilon_rdp"])),
        row(
            "epsilon, its own",
            lambda own: ", ".join(f"{one['name']} {epsilon(one['epsilon'])}" for one in own["own"]) or ABSENT,
        ),
    ]


def _cost_notes(comparison: Mapping[str, Any], cell: Cell, backends: Mapping[str, Sequence[Run]]) -> tuple[str, ...]:
    machine = comparison["machine"]
    repeats = max((run["repeat"] for run in cell["runs"]), default=0)
    warm = cell["spec"]["timing"]["warmup_rounds"]
    notes = [
        f"Medians over {repeats} fresh process{'es' if repeats != 1 else ''} a backend{_apart(comparison)}; the first"
        f" {warm} round{'s' if warm != 1 else ''} kept apart. {machine['threads']} threads each on {machine['cpu']},"
        f" {machine['cores']} cores.",
        "Memory and CPU are of the whole process group; its peaks are added up, so memory is an upper bound.",
        f"Accuracy on {cell['test_samples']} held-out samples, {cell['train_samples']} to train on.",
    ]
    if comparison.get("sgemm_flops"):
        notes.append(
            "GFLOP/s: what convolutions and dense layers compute over the seconds of a round, products of zeros counted"
            f" where a backend skips them, too; sgemm: numpy's product of float32 matrices of {throughput.SIDE} a side,"
            " on the same threads, in this run."
        )
    baseline = next((entry["b"] for entry in cell["ratios"] if entry["a"] in backends and entry["b"] in backends), None)
    if baseline:
        notes.insert(1, f"x = ratio to {baseline}, pair by pair, with its 95 % bootstrap interval.")
    ways = {name: runs[0]["way"] for name, runs in backends.items() if runs[0].get("way")}
    notes += [_raced(name, way) for name, way in ways.items() if not name.endswith(f"+{way}")]
    notes += [_centralised(name) for name, runs in backends.items() if runs[0].get("centralised")]
    notes += [_resumption(run, warm) for run in cell["runs"] if run.get("resumed_after")]
    notes += overhead.warnings(backends)
    notes += privacy_table.notes_of([run["privacy"] for run in cell["runs"] if run["privacy"]])
    for name, runs in backends.items():
        for run in runs:
            if run["status"] != "done":
                notes.append(f"{name}, repeat {run['repeat']}, {run['status']}: {run['reason']}")
    return tuple(dict.fromkeys(notes))


def _raced(name: str, way: str) -> str:
    return f"{name} ran the way that its race found fastest on this machine: {way}."


def _centralised(name: str) -> str:
    return (
        f"{name} is centralised: its one round learns from everyone's samples together, so it has no ratio and no"
        " certificate; its loss is of its scores, which are no logits."
    )


def _resumption(run: Run, warm: int) -> str:
    rounds = run["resumed_after"]
    where = f"round{'s' if len(rounds) > 1 else ''} {' and '.join(map(str, rounds))}"
    apart = f"; its first {f'{warm} rounds' if warm > 1 else 'round'} there kept apart as well" if warm else ""
    return f"{run['backend']}, repeat {run['repeat']}: went on after {where} in a new process, from its weights{apart}."


def _apart(comparison: Mapping[str, Any]) -> str:
    """Whether what slows the machine slows all that is compared."""
    return ", A and B at different times" if comparison.get("joined") else ", interleaved"


def _framework(versions: Mapping[str, Any]) -> str:
    if not versions["framework"]:
        return ABSENT
    words = f"{versions['framework']} {versions['version'] or '?'}"
    words += f" ({versions['released']})" if versions["released"] else ""
    return words if versions["locked"] or versions["framework"] == "numpy" else f"{words}, unlocked"


def _status(runs: Sequence[Run]) -> str:
    states = sorted({run["status"] for run in runs})
    return " / ".join(states) + (", centralised" if runs[0].get("centralised") else "")


def _ratio(entry: Mapping[str, Any] | None) -> str:
    return "" if entry is None else f" ({ratio(entry)})"


def _round_values(key: str) -> Callable[[Run], list[float]]:
    return lambda run: [entry[key] for entry in run["rounds"] if not entry["warmup"]]


def _phase(key: str) -> Callable[[Run], list[float | None]]:
    return lambda run: [run["phases"].get(key)]


def _median(
    values: Callable[[Run], Iterable[float | None]], text: Callable[[float], str]
) -> Callable[[Sequence[Run]], str]:
    def of(runs: Sequence[Run]) -> str:
        found = [value for run in runs for value in values(run) if value is not None]
        return text(statistics.median(found)) if found else ABSENT

    return of


def _spread(value: Callable[[Run], float | None], digits: int) -> Callable[[Sequence[Run]], str]:
    """The mean, and the range where repeats differ."""

    def of(runs: Sequence[Run]) -> str:
        found = [one for one in map(value, runs) if one is not None]
        if not found:
            return ABSENT
        mean = f"{statistics.mean(found):.{digits}f}"
        low, high = f"{min(found):.{digits}f}", f"{max(found):.{digits}f}"
        return mean if low == high else f"{mean} ({low} to {high})"

    return of


def _last(run: Run, key: str, scale: float) -> float | None:
    return run["evaluations"][-1][key] * scale if run["evaluations"] else None


def _accuracies(cell: Cell, place: str) -> Table:
    backends = _by_backend(cell)
    at: dict[int, dict[str, list[float]]] = {}
    for name, runs in backends.items():
        for run in runs:
            for entry in run["evaluations"]:
                at.setdefault(entry["round"], {}).setdefault(name, []).append(100.0 * entry["accuracy"])
    rows = tuple(
        (str(number), *(f"{statistics.mean(own[name]):.1f}" if name in own else ABSENT for name in backends))
        for number, own in sorted(at.items())
    )
    return Table(f"Accuracy (%) by round{place}", ("round", *backends), rows)


def _certificate(cell: Cell, place: str) -> Table:
    parity = cell["parity"]
    rows = tuple(
        (
            name,
            verdict["verdict"],
            ", ".join(f"{value:.1e}" for value in verdict["max_abs_by_round"]) or ABSENT,
            f"{100 * max(verdict['relative_by_round']):.3g} %" if verdict["relative_by_round"] else ABSENT,
        )
        for name, verdict in parity["backends"].items()
    )
    tolerance = parity["tolerance"]
    notes = (
        f"Weights after each of the plan's first rounds against {parity['reference']} (float64). Pass: none is off by"
        f" more than {tolerance['absolute']:g}, nor by more than {tolerance['relative']:.0%} of the largest movement.",
        "Same for all: " + ", ".join(f"{name} {digest[:12]}" for name, digest in cell["digests"].items()),
    )
    reasons = tuple(f"{name}: {own['reason']}" for name, own in parity["backends"].items() if own["reason"])
    columns = ("backend", "verdict", "largest difference by round", "of the movement")
    return Table(f"Certificate{place}", columns, rows, reasons + notes)
