"""What every picture is made of, and how it becomes a PNG or a piece of a page.

Ink (texts, axes) has a colour of its own, so that a page can turn it into that of its text, light or dark.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.layout import Table

INK = "#010203"
WIDTH = 7.2  # inches: of every picture
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "font.size": 8.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "fedbench",  # the same run gives the same file
    "text.color": INK,
    "text.parse_math": False,  # names are never formulas
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Chart:
    """A picture with what it shows in words, and its data.

    name: stem of its file; summary: what a reader who can't see it should know.
    """

    name: str
    title: str
    summary: str
    figure: Figure
    table: Table


@contextmanager
def style() -> Iterator[None]:
    """Draw as every chart is drawn."""
    with matplotlib.rc_context(_STYLE):
        yield


def png(figure: Figure) -> bytes:
    """Return the picture as a PNG on white."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="png", dpi=150, facecolor="white")
    return stream.getvalue()


def svg(figure: Figure) -> str:
    """Return the picture as an SVG document on nothing, its texts as texts."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return stream.getvalue().decode()


def inline(chart: Chart) -> str:
    """Return the picture as an <svg> element for a page: ids of its own, ink of the page's text."""
    text = svg(chart.figure)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{chart.name}-", text)
    text = re.sub(rf"{INK}|#000000", "currentColor", text)
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false">', text, count=1
    )


def short(name: str, most: int = 24) -> str:
    """Return a name that a picture has room for, and letters for; its table has the whole."""
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def panels(figure: Figure, count: int, columns: int) -> list[Axes]:
    """Return `count` axes of a grid, row by row; squares that are left over are hidden."""
    rows = -(-count // columns)
    axes = [one for row in figure.subplots(rows, columns, squeeze=False) for one in row]
    for one in axes[count:]:
        one.set_visible(False)
    return axes[:count]
