"""What is in a prepared data set, in figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from bench.data.prepared import Prepared, Row, read_manifest, rows
from bench.data.wording import quoted


@dataclass(frozen=True)
class Form:
    """One form of the samples: how many files, the bytes in them, and the bytes that they take on the disk."""

    name: str
    files: int
    bytes: int
    on_disk: int


@dataclass(frozen=True)
class Described:
    """`counts` has (class, to train on, held out); `pixels` the images by number of pixels, (width, height)."""

    counts: tuple[tuple[str, int, int], ...]
    pixels: tuple[tuple[int, int], ...]
    kinds: tuple[tuple[str, int], ...]
    forms: tuple[Form, ...]
    shape: tuple[int, int, int]
    split_by: str


def describe(data: Prepared) -> Described:
    """Read the manifest and look at the files."""
    samples = rows(read_manifest(data.folder))
    counts = Counter((row.label, row.side) for row in samples)
    return Described(
        counts=tuple((label, counts[label, "train"], counts[label, "test"]) for label in data.classes),
        pixels=tuple(sorted(((row.width, row.height) for row in samples), key=lambda size: (size[0] * size[1], size))),
        kinds=tuple(Counter(row.kind for row in samples).most_common()),
        forms=(
            _form("image", [Path(row.path) for row in samples], samples),
            _form("npy", [data.folder / row.npy for row in samples]),
            _form("packed", [data.folder / "packed.npy"]),
        ),
        shape=data.shape,
        split_by=data.split_by,
    )


def _form(name: str, paths: Sequence[Path], samples: Sequence[Row] = ()) -> Form:
    """Image files may have gone since; then their sizes are those of the manifest."""
    size = on_disk = 0
    for index, path in enumerate(paths):
        try:
            status = path.stat()
        except OSError:
            size += samples[index].size if samples else 0
            continue
        size += status.st_size
        on_disk += status.st_blocks * 512
    return Form(name, len(paths), size, on_disk)


def render(name: str, described: Described, console: Console) -> None:
    """Print it as tables."""
    everything = sum(train + test for _, train, test in described.counts)
    table = Table("class", *_right("to train on", "held out", "all", "share"), title=quoted(name), title_justify="left")
    for label, train, test in described.counts:
        table.add_row(quoted(label), str(train), str(test), str(train + test), f"{(train + test) / everything:.1%}")
    table.add_section()
    trained = sum(train for _, train, _ in described.counts)
    held = everything - trained
    table.add_row("all", str(trained), str(held), str(everything), "")
    console.print(table)
    _line(console, f"Split {described.split_by}.")
    sizes = [train + test for _, train, test in described.counts]
    _line(console, f"Balance: the largest class has {max(sizes) / min(sizes):.2f} times the samples of the smallest.")
    smallest, largest = described.pixels[0], described.pixels[-1]
    middle = described.pixels[(len(described.pixels) - 1) // 2]
    named = (("smallest", smallest), ("median", middle), ("largest", largest))
    told = ", ".join(f"{title} {width} x {height}" for title, (width, height) in named)
    channels, height, width = described.shape
    _line(console, f"Images: {told} pixels; prepared as {channels} x {height} x {width}.")
    _line(console, f"Kinds: {', '.join(f'{kind} {count}' for kind, count in described.kinds)}.")
    table = Table("form", *_right("files", "bytes", "on disk"), title="Forms", title_justify="left")
    for form in described.forms:
        table.add_row(form.name, str(form.files), _size(form.bytes), _size(form.on_disk))
    console.print(table)


def _right(*titles: str) -> list[Column]:
    return [Column(title, justify="right") for title in titles]


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
