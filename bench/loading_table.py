"""The loading part of a comparison as tables: what each way of loading costs, and which to use."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.layout import ABSENT, Table, count, duration, figures, ratio, share
from bench.study.published import published

ORDER = ("memory", "packed", "npy", "image", "image-native")
Row = Mapping[str, Any]


def tables(comparison: Mapping[str, Any]) -> list[Table]:
    """Return a table a source and backend, then the ratios, the study beside this machine, and the advice."""
    loading = comparison["loading"]
    rows = in_order(loading["arms"])
    found = []
    for task, source in dict.fromkeys((row["task"], row["source"]) for row in loading["arms"]):
        own = [row for row in rows if row["task"] == task]
        backends = list(dict.fromkeys(row["backend"] for row in own))
        for backend in backends:
            notes = tuple(_notes(task, own, comparison)) if backend == backends[-1] else ()
            found.append(_arms(source, backend, [row for row in own if row["backend"] == backend], notes))
        found.append(_ratios(source, [entry for entry in loading["ratios"] if entry["task"] == task]))
    found += [_study(loading["advice"], loading["ratios"]), _advice(loading["advice"])]
    return [table for table in found if table.rows]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Warm before cold, fedbench's reader before the framework's, forms from the fastest to the slowest."""
    return sorted(
        rows,
        key=lambda row: (row["cache"] != "warm", row["loader"] != "gather", row["workers"], ORDER.index(row["form"])),
    )


def loader(row: Row) -> str:
    """The loader in a word: gather, or the framework's own with its workers."""
    return "gather" if row["loader"] == "gather" else f"own+{row['workers']}"


def way(row: Row) -> str:
    """All that tells an arm from another of its backend and source."""
    return f"{row['form']}, {loader(row)}" + ("" if row["cache"] == "warm" else f", {_cache(row)}")


def _cache(row: Row) -> str:
    """Cold; with a question mark where that isn't proven, as a note explains."""
    return "cold" if row["cache"] == "cold" else "cold?"


def _arms(source: str, backend: str, rows: Sequence[Row], notes: tuple[str, ...]) -> Table:
    columns = ("read from, by", "samples/s", "MB/s", "of copy", "epoch, s", "waiting")
    body = tuple(
        (
            way(row),
            count(row["samples_per_s"]),
            figures(row["bytes_per_s"] / 1e6),
            share(row["of_copy"]),
            figures(row["epoch_s"]) if row["epoch_s"] else ABSENT,
            _waiting(row["waiting"]),
        )
        for row in rows
    )
    return Table(f"Loading: {source}, {backend}", columns, body, notes)


def _waiting(waiting: Row | None) -> str:
    if waiting is None:
        return ABSENT
    own = f"{_percent(waiting['share'])} %"
    return own if waiting["low"] is None else f"{own} [{_percent(waiting['low'])}, {_percent(waiting['high'])}]"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}" if abs(value) >= 0.0995 else f"{100 * value:.1f}"


def _notes(task: int, rows: Sequence[Row], comparison: Mapping[str, Any]) -> Iterator[str]:
    cells = [cell for cell in comparison["cells"] if cell["task"] == task]
    runs = [run for cell in cells for run in cell["runs"]]
    yield f"An epoch is {cells[0]['train_samples']} samples; data.samples sets how many images are taken."
    yield (
        "samples/s, MB/s (decoded), of copy (this machine's memory copy, one thread): loading alone. gather: fedbench's"
        " reader, a batch at a time. own+N: the framework's own loader with N workers."
    )
    yield (
        "waiting: the share of an epoch of training that reading adds, 1 - an epoch from memory / an epoch from this"
        " form, neighbours in one process, with its 95 % bootstrap interval. What hides behind training isn't in it."
    )
    for backend, versions in {run["backend"]: run["versions"] for run in runs}.items():
        if versions["loader"]:
            yield f"{backend}: own is {versions['loader']}; image-native is {versions['decoder']}, never trained on."
    limits = rows[0]["limits"]
    yield (
        f"This machine copies {limits['copy'] / 1e9:.1f} GB/s, gathers batches at random at"
        f" {limits['gather'] / 1e9:.1f} GB/s at most; fedbench's reader reaches {limits['reader'] / 1e9:.1f} GB/s,"
        f" {limits['reader'] / limits['gather']:.0%} of that. Batches that fit the processor's cache beat the copy."
    )
    packed = [f"{row['backend']} {way(row)} {share(row['of_gather'])}" for row in rows if row["form"] == "packed"]
    if packed:
        yield f"Of the random-gather limit: {'; '.join(packed)}."
    for cache in sorted({row["cache"] for row in rows} - {"warm", "cold"}):
        yield f"cold?: the page cache was asked to be cold, and was {cache}."
    for run in runs:
        if run["status"] != "done":
            who = f"{run['backend']}, {way(run)}, repeat {run['repeat']}"
            yield f"{who}, {run['status']}: {run['reason']}"


def _ratios(source: str, entries: Sequence[Row]) -> Table:
    """One row for two forms, read the same way: loading alone, and an epoch of training."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for entry in entries:
        read = loader(entry) + ("" if entry["cache"] == "warm" else f", {_cache(entry)}")
        key = (entry["backend"], read, f"{entry['a']} / {entry['b']}")
        found.setdefault(key, {})[entry["of"]] = ratio(entry)
    rows = tuple((*key, own.get("loading", ABSENT), own.get("epoch", ABSENT)) for key, own in found.items())
    columns = ("backend", "read by", "time from", "loading alone", "an epoch")
    return Table(f"How many times as long a form takes: {source}", columns, rows)


def _study(advice: Sequence[Row], ratios: Sequence[Row]) -> Table:
    """Image files against .npy files for a whole training, as the study had it: the framework's loader, no workers."""
    study = published("loading")
    own = study["image_s"] / study["npy_s"]
    rows = [("the study, published", duration(study["image_s"]), duration(study["npy_s"]), f"{own:.1f}x")]
    found = {
        (entry["task"], entry["backend"]): entry
        for entry in ratios
        if (entry["of"], entry["a"], entry["loader"], entry["workers"], entry["cache"])
        == ("epoch", "image", "framework", 0, "warm")
    }
    for entry in advice:
        ours = found.get((entry["task"], entry["backend"]))
        if ours:
            image, npy = (duration(entry["seconds_as_studied"][form]) for form in ("image", "npy"))
            rows.append((f"{entry['source']}, {entry['backend']}", image, npy, ratio(ours)))
    notes = (
        f"The study says {study['claimed_ratio']}x; its own two times make {own:.1f}x. Here: 1,000 rounds of one epoch"
        " each, by the framework's own loader without workers, page cache warm. .npy"
        " files hold the resized image, so the ratio is decoding and resizing against reading a few kilobytes: it"
        " grows with the image files and with the speed of training.",
    )
    columns = ("training", "from image files", "from .npy", "ratio")
    return Table("The study's ratio beside yours", columns, tuple(rows) if len(rows) > 1 else (), notes)


def _advice(entries: Sequence[Row]) -> Table:
    rows = []
    for entry in entries:
        slowest = max(entry["seconds_by_form"], key=entry["seconds_by_form"].__getitem__)
        saved = entry["seconds_by_form"][slowest] - entry["seconds"]
        rows.append(
            (
                f"{entry['source']}, {entry['backend']}",
                f"{entry['form']}, {loader(entry)}",
                duration(entry["seconds"]),
                f"{duration(saved)} against {slowest}" if slowest != entry["form"] else ABSENT,
            )
        )
    notes = (
        "Rounds of an epoch each, each form at its fastest loader, page cache warm. Of forms that aren't told from the"
        " fastest, packed comes before memory: it starts at once and needs no memory of its own. To use it: --set"
        " data.form=FORM, and for own+N --set data.loader=framework --set data.workers=N.",
    )
    return Table("What to use here", ("images", "use", "1,000 rounds take", "saved"), tuple(rows), notes)
