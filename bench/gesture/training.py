"""`bench.pca_svm` on movements: cross-validated as `bench run gesture` is, and kept with sigmoids for probabilities."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.calibration import CalibratedClassifierCV

from bench import data, pca_svm
from bench.dataset import Sample
from bench.errors import UserError
from bench.gesture.svm import Floats, Machine
from bench.pca_svm import Fold
from bench.spec import Data

FOLDS = 5
FEWEST = 4  # recordings a label: two to train on in each fold of a fold


@dataclass(frozen=True)
class Movements:
    """What is learned from: `inputs` float64 (n, d); of each its name and label, and whose it is where all tell.

    `by`: what `groups` are, person or session.
    """

    inputs: Floats
    names: Sequence[str]
    labels: Sequence[str]
    groups: Sequence[str] | None
    by: Literal["person", "session"] = "person"


@dataclass(frozen=True)
class Checked:
    """What a cross-validation found: `correct` of `count` recordings, fold by fold; `by` says what was held out."""

    by: str
    correct: tuple[int, ...]
    count: tuple[int, ...]


def check(
    movements: Movements, seed: int = 0, progress: Callable[[int, int], None] = lambda done, count: None
) -> Checked:
    """Cross-validate the whole way, choosing included; `progress` is told the folds done and all."""
    inputs, truth = movements.inputs, np.array(movements.labels)
    whose = None if movements.groups is None else np.array(movements.groups)
    by, folds = outer_folds(movements, seed)
    correct, count = [], []
    for number, (train, test) in enumerate(folds):
        progress(number, len(folds))
        holders = None if whose is None else whose[train]
        fitted = pca_svm.fitted(inputs[train], truth[train], holders, seed)
        correct.append(int((fitted.predict(inputs[test]) == truth[test]).sum()))
        count.append(len(test))
    progress(len(folds), len(folds))
    return Checked(by, tuple(correct), tuple(count))


def outer_folds(movements: Movements, seed: int) -> tuple[str, list[Fold]]:
    """Return what is held out, and the very folds that `data.folds` makes of the same set and seed.

    Whole groups, at most five folds of them, where each training part keeps every label; else "shuffled".
    """
    if movements.groups is not None:
        try:
            count = min(FOLDS, len(set(movements.groups)))
            return movements.by, _folds(movements, seed, count, movements.by)
        except UserError:  # a label would be missing from a training part
            pass
    fewest = min(Counter(movements.labels).values())
    return "shuffled", _folds(movements, seed, min(FOLDS, fewest), None)


def _folds(movements: Movements, seed: int, count: int, by: str | None) -> list[Fold]:
    groups: Sequence[str | None] = movements.groups or [None] * len(movements.names)
    told = zip(movements.names, movements.labels, groups, strict=True)
    samples = [Sample(name, label, Path(), group) for name, label, group in told]
    found = []
    for number in range(1, count + 1):
        is_test, _ = data.split(samples, Data(folds=count, fold=number, groups=by), seed)
        found.append((np.flatnonzero(~is_test), np.flatnonzero(is_test)))
    return found


def fit(movements: Movements, seed: int = 0) -> tuple[Machine, dict[str, Any]]:
    """Fit to all movements; return what was fitted, its classes in sorted order, and what was chosen."""
    inputs, labels = movements.inputs, np.array(movements.labels)
    best = pca_svm.fitted(inputs, labels, movements.groups, seed)
    folds = pca_svm.inner_folds(labels, movements.groups, seed)
    calibrated = CalibratedClassifierCV(best, method="sigmoid", cv=folds, ensemble=False)
    found = calibrated.fit(inputs, labels).calibrated_classifiers_[0]
    scaling, pca, svm = (found.estimator[name] for name in ("scaling", "pca", "svm"))
    machine = Machine(
        mean=scaling.mean_,
        scale=scaling.scale_,
        centre=pca.mean_,
        components=pca.components_,
        support=svm.support_vectors_,
        support_counts=svm.n_support_.astype(np.int64),
        dual=svm.dual_coef_,
        intercept=svm.intercept_,
        gamma=np.array(_gamma(svm.gamma, pca.transform(scaling.transform(inputs)))),
        slopes=np.array([sigmoid.a_ for sigmoid in found.calibrators]),
        offsets=np.array([sigmoid.b_ for sigmoid in found.calibrators]),
    )
    chosen = {"components": int(pca.n_components_), "C": float(svm.C), "gamma": svm.gamma}
    return machine, chosen


def _gamma(said: float | str, points: Floats) -> float:
    """What scikit-learn's "scale" comes to."""
    return 1 / (points.shape[1] * float(points.var())) if isinstance(said, str) else float(said)
