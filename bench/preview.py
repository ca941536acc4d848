"""What a run would be, before anything trains: its cells, its plans' digests, and about how long it takes here."""

from collections.abc import Iterable, Sequence
from math import ceil

from bench import plugins
from bench.estimate import Estimator, Reason, because, told
from bench.jobs import Prepared
from bench.layout import Table, roughly
from bench.spec import Experiment, Spec
from bench.work import Piece, Samples, pieces

SHORT = 10  # letters of a digest: all five fit beside each other


def cells(prepared: Sequence[Prepared], asked: Sequence[str], labels: Sequence[str], estimator: Estimator) -> Table:
    """Return a row a cell: what it sets, its size, and about how long all its repeats take on each backend.

    `labels` are of all that would run: what was `asked` for, and what runs for its sake.
    """
    rows = []
    for number, cell in enumerate(prepared, start=1):
        spec, samples = cell.cell.spec, _samples(cell)
        times = [estimator.of(Piece(label, spec, samples)) for label in asked]
        rows.append(
            (
                str(number),
                cell.cell.name or "one cell",
                str(spec.federation.rounds),
                f"{spec.federation.cohort_size} of {spec.federation.clients}",
                f"{samples.train} + {samples.held_out}",
                *(f"{roughly(spec.timing.repeats * one.seconds)}{'?' if one.rough else ''}" for one in times),
            )
        )
    columns = ("", "cell", "rounds", "cohort", "samples", *asked)
    own = pieces([(cell.cell.spec, _samples(cell)) for cell in prepared], labels)
    seconds, reasons = estimator.total(own)
    probes = sum(piece.is_probe for piece in own)
    jobs = f"{len(own)} jobs, {probes} of them parity probes" if probes else f"{len(own)} jobs"
    others = [label for label in labels if label not in asked]
    jobs += f", with {', '.join(others)} for comparison" if others else ""
    notes = [
        "Samples: to train on + held out " + ", ".join(dict.fromkeys(f"({cell.data.split_by})" for cell in prepared)),
        "Times: about what all repeats of a cell take on this machine" + ("; ?: rough" if reasons else ""),
        f"In all, {jobs}: {told(seconds, reasons)}",
    ]
    return Table("What would run", columns, tuple(rows), tuple(notes))


def digests(prepared: Sequence[Prepared]) -> Table:
    """Return a row a plan: the cells that share it, and its digests."""
    sharing: dict[tuple[str, ...], list[int]] = {}
    for number, cell in enumerate(prepared, start=1):
        sharing.setdefault(tuple(cell.digests.values()), []).append(number)
    rows = [(_spans(numbers), *(text[:SHORT] for text in found)) for found, numbers in sharing.items()]
    return Table("Digests", ("cells", *prepared[0].digests), tuple(rows))


def experiments(found: Iterable[tuple[Experiment, Sequence[str]]], estimator: Estimator) -> Table:
    """Return a row an experiment: what it is, its cells, the backends it is to run on, and how long that takes here."""
    rows: list[tuple[str, ...]] = []
    reasons: list[Reason] = []
    for one, labels in found:
        sized = [(cell.spec, _expected(cell.spec)) for cell in one.cells]
        own = [(spec, samples) for spec, samples in sized if samples]
        time = "depends on the source"
        if len(own) == len(sized):
            seconds, rough = estimator.total(pieces(own, labels))
            reasons += rough
            time = told(seconds) + (" (rough)" if rough else "")
        rows.append((one.name, one.description, str(len(one.cells)), ", ".join(labels), time))
    notes = ["Times: on this machine, probes and repeats included"]
    notes += [f"Rough: {because(reasons)}"] if reasons else []
    columns = ("experiment", "what it is", "cells", "backends", "time")
    return Table("Experiments: bench run NAME", columns, tuple(rows), tuple(notes))


def _samples(cell: Prepared) -> Samples:
    return Samples(len(cell.data.train), len(cell.data.test), len(cell.data.classes))


def _expected(spec: Spec) -> Samples | None:
    """How many samples there will be, as far as that can be told without looking at any."""
    count = spec.data.samples
    if count is None and spec.data.source is None:
        plugin = plugins.find("datasets", spec.data.dataset)
        count = getattr(plugins.load_module(plugin), "DEFAULT_SAMPLES", None)
    if count is None:
        return None
    held_out = ceil(count / spec.data.folds if spec.data.folds else count * spec.data.holdout)
    return Samples(count - held_out, held_out)


def _spans(numbers: Sequence[int]) -> str:
    """1-3, 7: numbers in a row are told by the first and the last."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)
