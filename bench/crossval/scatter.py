"""Every sample as a point: the two principal components of all, of the inputs scaled as the study's PCA has them.

For the eye alone: it is fitted on what is held out, too, as no backend is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.jobs import Prepared

MOST = 2000  # points; of more, evenly spread ones


def scatters(cells: Sequence[Prepared]) -> list[dict[str, Any]]:
    """Return the points of each data set that is cross-validated, once for each choice of axes.

    axes; classes and groups: names, groups None where the data set tells none; explained: the share of the variance
    that each of the two directions has; points: [x, y, class, group] each, class and group by their numbers.
    """
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        settings = cell.cell.spec.data
        if getattr(settings, "folds", None):
            key = settings.model_dump_json(exclude={"folds", "fold", "groups", "holdout", "form", "loader", "workers"})
            if key not in found:
                found[key] = _scatter(cell)
    return list(found.values())


def _scatter(cell: Prepared) -> dict[str, Any]:
    samples = np.load(cell.data.folder / "packed.npy", mmap_mode="r")
    groups = getattr(cell.data, "groups", None)
    named = groups if groups is not None and all(one is not None for one in groups) else None
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MOST)).astype(int))
    places, explained = projected(samples[chosen].reshape(len(chosen), -1).astype(np.float64))
    names = sorted(set(named)) if named is not None else []
    points = [
        [round(float(x), 3), round(float(y), 3), int(cell.data.labels[one]), names.index(named[one]) if named else 0]
        for one, (x, y) in zip(chosen, places, strict=True)
    ]
    return {
        "axes": getattr(cell.cell.spec.data, "axes", None),
        "classes": list(cell.data.classes),
        "groups": names or None,
        "explained": explained,
        "points": points,
    }


def projected(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Return float64 (n, 2) of (n, many), columns scaled to unit variance, and the share of variance of each."""
    centred = values - values.mean(axis=0)
    deviation = centred.std(axis=0)
    scaled = centred / np.where(deviation > 0, deviation, 1.0)
    left, strengths, right = np.linalg.svd(scaled, full_matrices=False)
    kept = min(2, len(strengths))
    signs = np.sign(right[np.arange(kept), np.abs(right[:kept]).argmax(axis=1)])  # a direction's sign is arbitrary
    places = np.zeros((len(values), 2))
    places[:, :kept] = left[:, :kept] * strengths[:kept] * signs
    total = float((strengths**2).sum()) or 1.0
    return places, [float(own**2 / total) for own in strengths[:kept]] + [0.0] * (2 - kept)
