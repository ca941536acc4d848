"""Made-up chest films in three classes: nothing to fetch, the same bytes on every machine.

`NORMAL` lungs are clear; `COVID` has soft patches at the lungs' outer edges, on both sides; `Viral Pneumonia`
has streaks that spread from the centre. Position, size, exposure, ribs, heart and noise vary, and the signs may
be faint, so that accuracy climbs over tens of rounds. Not medical data, and no substitute for it.

Every value comes from `bench.draws` by additions, multiplications, divisions and square roots, which IEEE 754
defines to the last bit; nothing is summed over an axis and no library function is called. `data.film_size` pixels a
side (default 96); `data.samples` of them (default 600), the classes balanced to within one.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from bench import draws
from bench.data.alone import alone
from bench.data.image_files import write_png
from bench.dataset import Request, Sample
from bench.errors import UserError

VERSION = 1  # of the pictures; part of every draw, so a new version is a new data set
CLASSES = ("COVID", "NORMAL", "Viral Pneumonia")
DEFAULT_SAMPLES = 600
DEFAULT_SIDE = 96


def samples(request: Request) -> list[Sample]:
    """Write what isn't there yet and list it."""
    count = request.samples or DEFAULT_SAMPLES
    if count < 2 * len(CLASSES):
        raise UserError(f"data.samples = {count}: must be at least {2 * len(CLASSES)}, two of each class")
    side = request.film_size or DEFAULT_SIDE
    found = []
    for index in range(count):
        label = CLASSES[index % len(CLASSES)]
        name = f"{label}/{label} ({index // len(CLASSES) + 1}).png"
        found.append(Sample(name, label, request.folder / f"v{VERSION}" / name))
    folder = request.folder / f"v{VERSION}"

    def missing() -> list[tuple[int, Path]]:
        return [(index, sample.path) for index, sample in enumerate(found) if not sample.path.exists()]

    def waiting() -> None:
        request.report("waiting for films that another process draws", count - len(missing()), count)

    with alone(folder, lambda: not missing(), waiting) as ours:
        if ours:
            _draw(missing(), folder, side, request)
    return found


def _draw(films: list[tuple[int, Path]], folder: Path, side: int, request: Request) -> None:
    for label in CLASSES:
        (folder / label).mkdir(exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        written = pool.map(partial(_write, request.seed, side), films)
        for done, _ in enumerate(written, start=1):
            request.report("drawing synthetic x-rays", done, len(films))


def _write(seed: int, side: int, job: tuple[int, Path]) -> None:
    index, path = job
    write_png(path, film(seed, index, side))


def film(seed: int, index: int, side: int = DEFAULT_SIDE) -> np.ndarray:
    """Return film number `index`, uint8 (side, side); its class is `CLASSES[index % 3]`."""
    draw = _Draw(seed, index, side)
    axis = (np.arange(side) * 2.0 - (side - 1)) / side  # -1 at one edge, 1 at the other
    label = CLASSES[index % len(CLASSES)]
    zoom, tilt = draw.between(0.85, 1.12), draw.between(-0.12, 0.12)
    x0 = (axis[None, :] - draw.between(-0.1, 0.1)) / zoom
    y0 = (axis[:, None] - draw.between(-0.1, 0.1)) / zoom
    x, y = x0 + tilt * y0, y0 - tilt * x0
    lungs = [
        _ellipse(x, y, place * draw.between(0.40, 0.48), -0.02, 0.32, draw.between(0.6, 0.72), 3.0) for place in (-1, 1)
    ]
    inside = np.maximum(*lungs)
    value = 0.62 * _ellipse(x, y, 0.0, 0.1, 1.05, 1.25, 4.0)
    value = value - draw.between(0.30, 0.40) * inside
    value = value + draw.between(0.04, 0.10) * _ribs(x, y, draw)
    heart = _ellipse(x, y, draw.between(0.05, 0.2), 0.35, draw.between(0.22, 0.34), 0.3, 2.0)
    value = value + 0.2 * heart + 0.12 * _ellipse(x, y, 0.0, 0.0, 0.09, 1.1, 2.0)
    value = value + inside * (0.10 * draw.cloud(6) + 0.07 * draw.cloud(12) - 0.06)
    severity = draw.between(0.45, 1.0)
    if label == "COVID":
        value = value + severity * inside * _patches(x, y, draw)
    elif label == "Viral Pneumonia":
        value = value + severity * inside * _streaks(x, y, draw)
    value = value * draw.between(0.88, 1.1) + draw.between(-0.03, 0.05)
    value = value + draw.between(0.04, 0.09) * (draw.field() + draw.field() - 1.0)
    return np.floor(np.clip(value, 0.0, 0.999) * 256.0).astype(np.uint8)


class _Draw:
    """Numbers for one film, one after another."""

    def __init__(self, seed: int, index: int, side: int):
        self.seed, self.index, self.side, self.count = seed, index, side, 0

    def _next(self, coordinates: np.ndarray | int = 0) -> np.ndarray:
        self.count += 1
        return draws.uniforms(self.seed, f"synthetic-xray {VERSION}", self.index, self.count, coordinates)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._next())

    def field(self) -> np.ndarray:
        """Independent pixels in [0, 1)."""
        return self._next(np.arange(self.side * self.side)).reshape(self.side, self.side)

    def cloud(self, cells: int) -> np.ndarray:
        """Smooth noise in [0, 1): a coarse grid, interpolated linearly."""
        grid = self._next(np.arange((cells + 1) ** 2)).reshape(cells + 1, cells + 1)
        place = (np.arange(self.side) + 0.5) * cells / self.side
        low = np.floor(place).astype(int)
        part = place - low
        rows = grid[low] * (1.0 - part)[:, None] + grid[low + 1] * part[:, None]
        return rows[:, low] * (1.0 - part) + rows[:, low + 1] * part


def _ellipse(
    x: np.ndarray, y: np.ndarray, centre_x: float, centre_y: float, width: float, height: float, edge: float
) -> np.ndarray:
    """1 inside, 0 outside, soft at the edge."""
    across, down = (x - centre_x) / width, (y - centre_y) / height
    return np.clip(edge * (1.0 - (across * across + down * down)), 0.0, 1.0)


def _ribs(x: np.ndarray, y: np.ndarray, draw: _Draw) -> np.ndarray:
    """Bright arcs that fall towards the sides."""
    spacing, bend, shift = draw.between(0.2, 0.26), draw.between(0.35, 0.6), draw.between(0.0, 0.2)
    place = (y - bend * x * x + shift) / spacing
    away = np.abs(place - np.floor(place) - 0.5)
    return np.clip(1.0 - 5.0 * away, 0.0, 1.0) * (np.abs(x) < 0.85) * (np.abs(y) < 0.75)


def _patches(x: np.ndarray, y: np.ndarray, draw: _Draw) -> np.ndarray:
    """Soft blobs at the outer edge of both lungs, more of them low."""
    value = np.zeros_like(x)
    for number in range(6):
        side = 1 if number % 2 else -1
        centre_x, centre_y = side * draw.between(0.48, 0.68), draw.between(-0.3, 0.5)
        size = draw.between(0.10, 0.2)
        value = np.maximum(value, _ellipse(x, y, centre_x, centre_y, size, size * draw.between(0.8, 1.5), 1.0))
    return 0.42 * value


def _streaks(x: np.ndarray, y: np.ndarray, draw: _Draw) -> np.ndarray:
    """Thin lines that leave the centre outwards, fading."""
    value = np.zeros_like(x)
    for number in range(16):
        side = 1 if number % 2 else -1
        slope, start = draw.between(-1.6, 1.6), draw.between(-0.15, 0.25)
        away = np.abs(y - start - slope * (np.abs(x) - 0.1)) / np.sqrt(1.0 + slope * slope)
        line = np.clip(1.0 - away / draw.between(0.04, 0.08), 0.0, 1.0)
        fading = np.clip(1.3 - 1.6 * np.abs(x), 0.0, 1.0)
        value = np.maximum(value, line * fading * (side * x > 0))
    return 0.38 * value
