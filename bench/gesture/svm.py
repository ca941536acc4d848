"""A support vector machine behind a scaling and a PCA, from plain arrays: what scikit-learn fitted, without it."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """What a fitted StandardScaler, PCA, SVC with an RBF kernel, and sigmoids hold; d inputs, p components, k classes,
    s support vectors, q pairs of classes, all float64 but `support_counts`."""

    mean: Floats  # (d,)
    scale: Floats  # (d,)
    centre: Floats  # (d,) of the PCA
    components: Floats  # (p, d)
    support: Floats  # (s, p), class by class
    support_counts: npt.NDArray[np.int64]  # (k,)
    dual: Floats  # (k - 1, s)
    intercept: Floats  # (q,), in the order 01, 02, ..., 12, ...
    gamma: Floats  # ()
    slopes: Floats  # (1,) where k is 2, else (k,): of 1 / (1 + exp(slope * decision + offset))
    offsets: Floats

    @property
    def count(self) -> int:
        """The number of classes."""
        return len(self.support_counts)

    def project(self, inputs: Floats) -> Floats:
        """Inputs (n, d) as principal components (n, p)."""
        projected: Floats = ((inputs - self.mean) / self.scale - self.centre) @ self.components.T
        return projected

    def decide(self, inputs: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        """The classes (n,) that the SVM votes for, and the calibrated probabilities (n, k), of inputs (n, d).

        As with scikit-learn's own, the class with most votes need not be the one with the greatest probability.
        """
        pairs = self._pairs(self.project(inputs))
        votes = np.zeros((len(inputs), self.count))
        sums = np.zeros_like(votes)
        for column, (first, second) in enumerate(combinations(range(self.count), 2)):
            value = pairs[:, column]
            votes[:, first] += value > 0
            votes[:, second] += value <= 0
            sums[:, first] += value
            sums[:, second] -= value
        decisions = -pairs if self.count == 2 else votes + sums / (3 * (np.abs(sums) + 1))
        likely = _sigmoid(self.slopes * decisions + self.offsets)
        if self.count == 2:
            likely = np.concatenate([1 - likely, likely], axis=1)
        total = likely.sum(1, keepdims=True)
        probabilities = np.divide(likely, total, out=np.full_like(likely, 1 / self.count), where=total > 0)
        return votes.argmax(1), probabilities

    def _pairs(self, points: Floats) -> Floats:
        """One decision a pair of classes, (n, q); above 0 it is for the first of the two."""
        distances = (points**2).sum(1)[:, None] - 2 * points @ self.support.T + (self.support**2).sum(1)
        kernel = np.exp(-self.gamma * np.maximum(distances, 0))
        stops = np.cumsum(self.support_counts)
        parts = [slice(stop - count, stop) for stop, count in zip(stops, self.support_counts, strict=True)]
        sign = -1 if self.count == 2 else 1  # scikit-learn turns the coefficients of two classes round
        return np.stack(
            [
                sign
                * (
                    kernel[:, parts[first]] @ self.dual[second - 1, parts[first]]
                    + kernel[:, parts[second]] @ self.dual[first, parts[second]]
                    + self.intercept[column]
                )
                for column, (first, second) in enumerate(combinations(range(self.count), 2))
            ],
            axis=1,
        )


def _sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(values)), which never overflows."""
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, small / (1 + small), 1 / (1 + small))
