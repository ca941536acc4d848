"""Movements of a hand with a six-axis sensor: simulated ones of five people, or recordings (`data.source`).

Each movement is a window of 64 samples, resampled, as a greyscale picture: a row an axis (ax, ay, az, gx, gy, gz; or
what `data.axes` leaves of them), a column a sample. A value v is round(255 (v / full scale + 1) / 2), the full scale
being the smallest that the set fits in, of 2, 4, 8 or 16 g and 250, 500, 1000 or 2000 degrees a second. With the
MPU6050, its bias taken off, that makes steps of 0.016 g and 4 degrees a second. `data.groups` may be person or session;
without it, a set that tells people has them for clients, else its sessions.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.dataset import Request, Sample
from bench.errors import UserError
from bench.gesture import sets
from bench.gesture.motion import AXES, CHOICES, Recording
from bench.gesture.windows import LENGTH, window
from bench.spec import Data

HAS_AXES = True
DEFAULT_SAMPLES = sets.SIMULATED
FULL_G, FULL_DPS = (2, 4, 8, 16), (250, 500, 1000, 2000)
SLACK = 1.01  # a clipped value is told a little above the full scale


def shape(settings: Data) -> tuple[int, int, int]:
    """Return (1, axes, samples of a window)."""
    return 1, len(AXES[CHOICES[settings.axes]]), LENGTH


def samples(request: Request) -> list[Sample]:
    """Read the movements, write a picture of each, list them."""
    recordings = _chosen(sets.read(request.source, request.seed, notice=request.warn), request.samples)
    groups = _groups(recordings, request.groups)
    windows = np.stack([window(one.samples) for one in recordings])
    full = np.repeat([_full(windows[..., :3], FULL_G, "g"), _full(windows[..., 3:], FULL_DPS, "degrees a second")], 3)
    pictures = np.rint(255 * np.clip((windows / full + 1) / 2, 0, 1)).astype(np.uint8).transpose(0, 2, 1)
    folder = request.folder / request.axes
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for done, (one, picture, group) in enumerate(zip(recordings, pictures, groups, strict=True), start=1):
        path = folder / f"{one.name.replace('/', ' ')}.png"
        _write(path, picture[CHOICES[request.axes]])
        found.append(Sample(one.name, one.label, path, group))
        request.report("drawing windows", done, len(recordings))
    return found


def _chosen(recordings: Sequence[Recording], count: int | None) -> list[Recording]:
    """As many as asked for, evenly from every label and person."""
    if count is None or count >= len(recordings):
        return list(recordings)
    seen: dict[tuple[str, str | None], int] = {}
    ranked = []
    for one in recordings:
        key = (one.label, one.person)
        ranked.append((seen.setdefault(key, 0), len(ranked), one))
        seen[key] += 1
    return [one for _, _, one in sorted(ranked, key=lambda own: own[:2])[:count]]


def _groups(recordings: Sequence[Recording], asked: str | None) -> list[str | None]:
    told = {
        "person": [one.person for one in recordings],
        "session": [one.session for one in recordings],
    }
    known = [name for name, own in told.items() if all(own)]
    if asked is None:
        return told[known[0]] if known else [None] * len(recordings)
    if asked not in told:
        raise UserError(f"data.groups = {asked}: must be person or session")
    if asked not in known:
        there = f"it tells each {known[0]}" if known else "it tells neither people nor sessions"
        raise UserError(f"data.groups = {asked}: this set doesn't tell the {asked} of every movement; {there}")
    return told[asked]


def _full(values: np.ndarray, scales: Sequence[int], unit: str) -> int:
    largest = float(np.abs(values).max())
    for scale in scales:
        if largest <= SLACK * scale:
            return scale
    raise UserError(
        f"data.source: a value of {largest:.4g} {unit} is beyond every sensor's range ({scales[-1]} {unit})"
    )


def _write(path: Path, picture: np.ndarray) -> None:
    """Write the picture unless it is there already: a file that is written anew counts as changed."""
    content = cv2.imencode(".png", picture)[1].tobytes()
    if not path.is_file() or path.read_bytes() != content:
        aside = path.with_suffix(".part")
        aside.write_bytes(content)
        aside.replace(path)
