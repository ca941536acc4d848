"""A picture of a data set: a row for each class, of images before they are made small, or of movements as lines."""

import os
import tempfile
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.data import traces
from bench.data.decoding import MAX_BYTES
from bench.data.image_files import examine
from bench.data.prepared import Prepared, Row, read_manifest, rows
from bench.data.wording import quoted
from bench.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8
MAX_CLASSES = 40  # a picture of more would be higher than it can be looked at
_SIDE = 240  # pixels of an image in the picture
_CELL, _IMAGE = 1.15, 1.08  # inches, as all below
_LEFT, _TOP, _MARGIN = 1.7, 0.55, 0.15
_INK = "#222222"
_FAINT = "#777777"


def refuse_unwritable(path: Path) -> None:
    """Raise UserError where no picture can be written to `path`: better now than after the preparation."""
    if path.suffix.lower() != ".png":
        raise UserError(f"--out {quoted(path)}: must end in .png")
    if path.is_dir():
        raise UserError(f"--out {quoted(path)}: is a folder; name the picture in it")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"--out {quoted(path)}: can't be written: {error.strerror}") from error


def save(data: Prepared, name: str, path: Path, axes: Sequence[str] = ()) -> None:
    """Draw the contact sheet and write it, whole or not at all; `axes` are a sensor's, where the samples are of one."""
    content = _draw(data, name, axes)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UserError(f"--out {quoted(path)}: can't be written: {error.strerror}") from error


def _draw(data: Prepared, name: str, of_sensor: Sequence[str]) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    samples = list(enumerate(rows(read_manifest(data.folder))))
    lines = [[own for own in samples if own[1].label == label] for label in data.classes[:MAX_CLASSES]]
    packed = np.load(data.folder / "packed.npy", mmap_mode="r")
    reach = traces.reaches(packed[:, 0], of_sensor) if of_sensor else {}
    columns = max(3, min(COLUMNS, max(len(line) for line in lines)))
    size = (_LEFT + columns * _CELL + _MARGIN, _TOP + len(lines) * _CELL + _MARGIN)
    with matplotlib.rc_context({"font.family": _fonts()}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a letter that no font here has is drawn as a box
        figure = Figure(figsize=size, dpi=160, facecolor="white")
        FigureCanvasAgg(figure)
        _write(figure, _MARGIN, size[1] - 0.2, _title(data, name, of_sensor), va="top", size=9, color=_INK)
        for number, line in enumerate(lines):
            bottom = size[1] - _TOP - (number + 1) * _CELL
            middle = bottom + _IMAGE / 2
            _write(figure, _MARGIN, middle + 0.03, _wrapped(line[0][1].label), size=10, weight="bold", color=_INK)
            counts = _counts([row for _, row in line])
            _write(figure, _MARGIN, middle - 0.03, counts, va="top", size=8, color=_FAINT)
            for column, (index, row) in enumerate(_spread(line, columns)):
                left = _LEFT + column * _CELL
                box = (left / size[0], bottom / size[1], _IMAGE / size[0], _IMAGE / size[1])
                axes = figure.add_axes(box)
                if of_sensor:
                    traces.draw(axes, _image(data, index, row)[:, :, 0], of_sensor, reach)
                else:
                    axes.imshow(_image(data, index, row), interpolation="antialiased")
                    axes.set_axis_off()
        file = BytesIO()
        figure.savefig(file, format="png")
    return file.getvalue()


def _write(figure: "Figure", x: float, y: float, text: str, **style: Any) -> None:
    """Write text at a place in inches; a class may be called $100$, so nothing in it is a formula."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, parse_math=False, **style)


def _fonts() -> list[str]:
    """What has the most letters first, then whatever here has those of other scripts."""
    from matplotlib import font_manager

    others = ("CJK", "Noto Sans", "Arial Unicode", "WenQuanYi", "Droid Sans Fallback", "Unifont")
    names = sorted({font.name for font in font_manager.fontManager.ttflist})
    return ["DejaVu Sans", *(name for name in names if any(other in name for other in others))][:40]


def _title(data: Prepared, name: str, of_sensor: Sequence[str]) -> str:
    more = f", the first {MAX_CLASSES} of them here" if len(data.classes) > MAX_CLASSES else ""
    _, height, width = data.shape
    told = traces.told(of_sensor) if of_sensor else f"Images as they come; learned from at {width} x {height} pixels."
    return f"{quoted(name)}: {len(data.labels)} samples in {len(data.classes)} classes{more}. {told}"


def _wrapped(label: str) -> str:
    """Break a long class name where it has spaces, and shorten what is left."""
    words, lines = quoted(label).split(" "), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= 16:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(line if len(line) <= 18 else line[:17] + "…" for line in lines[:3])


def _counts(own: Sequence[Row]) -> str:
    held = sum(row.side == "test" for row in own)
    return f"{len(own) - held} to train on\n{held} held out"


def _spread(own: Sequence[tuple[int, Row]], count: int) -> list[tuple[int, Row]]:
    """Take `count` of them, evenly from the whole class rather than its first."""
    if len(own) <= count:
        return list(own)
    return [own[place * len(own) // count] for place in range(count)]


def _image(data: Prepared, index: int, row: Row) -> npt.NDArray[Any]:
    """Return red-green-blue pixels, of the image file, or of what was prepared where that is gone."""
    image = _of_file(Path(row.path))
    if image is None:
        image = np.load(data.folder / "packed.npy", mmap_mode="r")[index].transpose(1, 2, 0)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[:, :, ::-1])  # OpenCV's order is blue-green-red


def _of_file(path: Path) -> npt.NDArray[Any] | None:
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        content = path.read_bytes()
        examine(content)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error):
        return None
    if image is None:
        return None
    shrink = _SIDE / max(image.shape[:2])
    if shrink >= 1:
        return image
    size = (max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
