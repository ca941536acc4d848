"""The loading part of a comparison as tables: what each way of loading costs, and which to use."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import plugins
from bench.layout import ABSENT, Table, count, duration, figures, ratio, share

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
            notes = tuple(_arm_notes(own, comparison)) if backend == backends[-1] else ()
            found.append(_arms(source, backend, [row for row in own if row["backend"] == backend], notes))
        found.append(_ratios(source, [entry for entry in loading["ratios"] if entry["task"] == task]))
    return [*found, _study(loading["ratios"]), _advice(loading["advice"])]


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


def _arms(source: str, backend: str, rows: Sequence[Row], notes: tuple[str, ...]) -> Table:
    columns = ("read from, by", "samples/s", "MB/s", "of copy", "epoch, s", "of it waiting")
    body = tuple(
        (
            way(row),
            count(row["samples_per_s"]) if row["samples_per_s"] else ABSENT,
            figures(row["bytes_per_s"] / 1e6) if row["bytes_per_s"] else ABSENT,
            share(row["of_copy"]) if row["of_copy"] else ABSENT,
            figures(row["epoch_s"]) if row["epoch_s"] else ABSENT,
            _waiting(row["waiting"]),
        )
        for row in rows
    )
    return Table(f"Loading: {source}, {backend}", columns, body, notes)


def _arm_notes(rows: Sequence[Row], comparison: Mapping[str, Any]) -> Iterator[str]:
    cell = next(cell for cell in comparison["cells"] if cell["task"] == rows[0]["task"])
    limits = {key: sum(one[key] for one in cell["limits"]) / len(cell["limits"]) for key in cell["limits"][0]}
    yield (
        "samples/s and MB/s (decoded): loading alone. gather: fedbench's reader, a batch at a time. own+N: torch's"
        " DataLoader or tf.data, a sample at a time, with N workers. image-native: the framework's own decoder"
        " (Pillow for torch), never trained on."
    )
    yield ("of it waiting: 1 - an epoch from memory / an epoch from this form, with its 95 % bootstrap interval.")
    yield (
        f"This machine copies {limits['copy'] / 1e9:.1f} GB/s (one thread), gathers batches at random at"
        f" {limits['gather'] / 1e9:.1f} GB/s at most; fedbench's reader reaches {limits['reader'] / 1e9:.1f} GB/s,"
        f" {limits['reader'] / limits['gather']:.0%} of that."
    )
    caches = {row["cache"] for row in rows if row["cache"] not in ("warm", "cold")}
    yield from (f"Page cache asked to be cold: {cache}." for cache in sorted(caches))


def _cache(row: Row) -> str:
    return str(row["cache"]).partition(":")[0].partition(",")[0]


def _waiting(waiting: Row | None) -> str:
    if waiting is None:
        return ABSENT
    own = f"{_percent(waiting['share'])} %"
    if waiting["low"] is None or waiting["low"] == waiting["high"]:
        return own
    return f"{own} [{_percent(waiting['low'])}, {_percent(waiting['high'])}]"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}" if abs(value) >= 0.0995 else f"{100 * value:.1f}"


def _ratios(source: str, entries: Sequence[Row]) -> Table:
    """One row for two forms, read the same way: loading alone, and an epoch of training."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for entry in entries:
        read = loader(entry) + ("" if entry["cache"] == "warm" else f", {_cache(entry)}")
        key = (entry["backend"], read, f"{entry['a']} / {entry['b']}")
        found.setdefault(key, {})[entry["of"]] = ratio(entry)
    rows = tuple((*key, own.get("loading", ABSENT), own.get("epoch", ABSENT)) for key, own in found.items())
    columns = ("backend", "read by", "time from", "loading alone", "an epoch")
    return Table(f"How much slower a form is: {source}", columns, rows)


def _study(ratios: Sequence[Row]) -> Table:
    """Image files against .npy files for a whole training, as the study had it: its own loader, no workers."""
    path = plugins.root("reports") / "_study" / "published.toml"
    study = tomllib.loads(path.read_text(encoding="utf-8"))["loading"]
    own = study["image_s"] / study["npy_s"]
    rows = [("the study, published", duration(study["image_s"]), duration(study["npy_s"]), f"{own:.1f}x")]
    for entry in ratios:
        asked = (entry["of"], entry["a"], entry["loader"], entry["workers"], entry["cache"])
        if asked == ("epoch", "image", "framework", 0, "warm"):
            rows.append(
                (
                    f"{entry['source']}, {entry['backend']}",
                    duration(1000 * entry["a_s"]),
                    duration(1000 * entry["b_s"]),
                    ratio(entry),
                )
            )
    notes = (
        f"The study says {study['claimed_ratio']}x; its own two times make {own:.1f}x. Here: 1,000 epochs of training,"
        " by the framework's own loader without workers, page cache warm. The ratio grows with the size of the image"
        " files and with the speed of training: where an epoch takes long, reading hides behind it.",
    )
    return Table(
        "The study's ratio beside yours", ("training", "from image files", "from .npy", "ratio"), tuple(rows), notes
    )


def _advice(entries: Sequence[Row]) -> Table:
    rows = []
    for entry in entries:
        slowest = max(entry["seconds_by_form"], key=entry["seconds_by_form"].__getitem__)
        saved = entry["seconds_by_form"][slowest] - entry["seconds"]
        rows.append(
            (
                entry["source"],
                entry["backend"],
                f"{entry['form']}, {loader(entry)}",
                duration(entry["seconds"]),
                f"{duration(saved)} against {slowest}" if slowest != entry["form"] else ABSENT,
            )
        )
    notes = (
        "Rounds of an epoch each, each form at its fastest loader, page cache warm. Of forms within 2 % of the fastest:"
        " packed before memory, because it fits in any memory. own+N is --set data.loader=framework --set"
        " data.workers=N, the form --set data.form=FORM.",
    )
    return Table("What to use here", ("images", "backend", "use", "1,000 rounds take", "saved"), tuple(rows), notes)
