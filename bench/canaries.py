"""Canaries: images that light inputs of their own, and how much of each one's gradient training shows.

In `mlp` the gradient of the weights of an input that no other example lights comes from this example alone, so what
moved them is the noise and, where it was in, its own clipped gradient.
"""

import csv
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.guesses import Guesses

_CLASSES = ("even", "odd")
_LIT = 48  # inputs a canary: the weights of its own then have 0.93 of its gradient's norm
_MOST_SIDE = 112  # pixels; each example's gradient has 32 numbers a pixel

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Weights = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Canaries:
    """Images that light `lit` inputs each, of their own; `included` bool (m,) says which are trained on.

    Greyscale, so that input number p is pixel p, row by row; classes alternate.
    """

    included: Bools
    lit: int
    side: int

    @classmethod
    def drawn(cls, count: int) -> "Canaries":
        """Toss a fair coin for each, of the operating system's randomness.

        Again where all fall on one side, which can be neither trained nor tested: 1 in 2^(count - 1), which is far
        below what the bound's confidence leaves open.
        """
        lit = max(1, min(_LIT, _MOST_SIDE**2 // count))
        side = max(8, math.ceil(math.sqrt(lit * count)))
        while True:
            included = np.array([secrets.randbits(1) for _ in range(count)], bool)
            if 0 < included.sum() < count:
                return cls(included, lit, side)

    def __len__(self) -> int:
        return len(self.included)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Return each one's class."""
        return np.arange(len(self)) % len(_CLASSES)

    def images(self) -> npt.NDArray[np.uint8]:
        """Return them as uint8 (m, side, side)."""
        inputs = np.zeros((len(self), self.side**2), np.uint8)
        for number, own in enumerate(inputs):
            own[number * self.lit : (number + 1) * self.lit] = 255
        return inputs.reshape(-1, self.side, self.side)

    def write(self, folder: Path) -> Path:
        """Write image files, train.csv with those included and test.csv with the others; return the folder."""
        folder.mkdir()
        lists: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
        for number, (image, is_in) in enumerate(zip(self.images(), self.included, strict=True)):
            name = f"{number:04}.png"
            (folder / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
            lists[bool(is_in)].append((name, _CLASSES[self.labels[number]]))
        for is_in, lines in lists.items():
            with (folder / ("train.csv" if is_in else "test.csv")).open("w", newline="") as file:
                csv.writer(file).writerows(lines)
        return folder

    def scores(self, before: Weights, after: Weights) -> Floats:
        """Return how far training moved each one's own weights where its gradient would, float64 (m,).

        `before` and `after` are canonical weights of `mlp`. The direction is that of the initial weights; a higher
        score speaks for having been in. Nothing else is used, least of all the coins or the plan's batches.
        """
        weights = {name: array.astype(np.float64) for name, array in before.items()}
        moved = self._own(after["dense1.weight"].astype(np.float64) - weights["dense1.weight"])
        hidden = self._own(weights["dense1.weight"]) + weights["dense1.bias"]
        logits = np.maximum(hidden, 0) @ weights["dense2.weight"].T + weights["dense2.bias"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        residual = odds / odds.sum(axis=1, keepdims=True) - np.eye(len(_CLASSES))[self.labels]
        gradient = (residual @ weights["dense2.weight"]) * (hidden > 0)
        length = np.linalg.norm(gradient, axis=1)
        return np.asarray(-(moved * gradient).sum(axis=1) / np.where(length, length, 1))

    def guesses(self, scores: Floats, share: float) -> Guesses:
        """Guess that those of the highest scores were in and those of the lowest out, a share of all, half each."""
        each = max(1, round(share * len(self) / 2))
        order = np.argsort(scores)
        return Guesses(2 * each, int((~self.included[order[:each]]).sum() + self.included[order[-each:]].sum()))

    def _own(self, weights: Floats) -> Floats:
        """Sum dense1's weights (units, inputs) over each one's own inputs, (m, units)."""
        own = weights[:, : len(self) * self.lit]
        return own.reshape(len(own), len(self), self.lit).sum(axis=2).T
