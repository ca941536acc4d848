"""The study's PCA + SVM, fitted by scikit-learn: everything that is learned or chosen comes from the training part."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.errors import UserError
from bench.gesture.svm import Floats, Machine

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

COMPONENTS = (6, 12, 24)
COSTS = (1.0, 10.0, 100.0)
GAMMAS = ("scale", 0.001, 0.01)
FOLDS = 5
FEWEST = 4  # recordings a label: two to train on in each fold of a fold

Names = Sequence[str | None]
Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Checked:
    """What a cross-validation found: `correct` of `count` recordings, fold by fold; `by` says what was held out."""

    by: str
    correct: tuple[int, ...]
    count: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        return sum(self.correct) / sum(self.count)


def pipeline(components: int = 12, cost: float = 10.0, gamma: float | str = "scale") -> "Pipeline":
    """Scaling, PCA and SVM as one estimator, so that whoever cross-validates it fits all three inside the fold."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    svm = SVC(C=cost, gamma=gamma)
    return Pipeline([("scaling", StandardScaler()), ("pca", PCA(components, svd_solver="full")), ("svm", svm)])


def choose(inputs: Floats, labels: Sequence[str], groups: Names | None, seed: int = 0) -> "Pipeline":
    """The pipeline with the components, C and gamma that do best in folds of these inputs alone, fitted to them all."""
    from sklearn.model_selection import GridSearchCV

    folds = split(labels, groups, seed, most=3)
    fewest = min(min(len(train) for train, _ in folds), inputs.shape[1])
    grid = {
        "pca__n_components": sorted({min(count, fewest) for count in COMPONENTS}),
        "svm__C": COSTS,
        "svm__gamma": GAMMAS,
    }
    search = GridSearchCV(pipeline(), grid, cv=folds, error_score="raise")
    best: Pipeline = search.fit(inputs, np.array(labels)).best_estimator_
    return best


def check(
    inputs: Floats,
    labels: Sequence[str],
    groups: Names | None,
    by: str,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Checked:
    """Cross-validate the whole way, choosing included, on `inputs` (n, d); `progress` is told folds done and all."""
    truth = np.array(labels)
    folds = split(labels, groups, seed)
    correct, count = [], []
    for number, (train, test) in enumerate(folds):
        progress(number, len(folds))
        fitted = choose(inputs[train], truth[train].tolist(), _part(groups, train), seed)
        correct.append(int((fitted.predict(inputs[test]) == truth[test]).sum()))
        count.append(len(test))
    progress(len(folds), len(folds))
    return Checked(by if _keep_groups(folds, groups) else "shuffled", tuple(correct), tuple(count))


def fit(inputs: Floats, labels: Sequence[str], groups: Names | None, seed: int = 0) -> tuple[Machine, dict[str, Any]]:
    """Fit to all of `inputs` (n, d); returns what was fitted, its classes in sorted order, and what was chosen."""
    from sklearn.calibration import CalibratedClassifierCV

    best = choose(inputs, labels, groups, seed)
    folds = split(labels, groups, seed, most=3)
    calibrated = CalibratedClassifierCV(best, method="sigmoid", cv=folds, ensemble=False)
    found = calibrated.fit(inputs, np.array(labels)).calibrated_classifiers_[0]
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


def split(labels: Sequence[str], groups: Names | None, seed: int, most: int = FOLDS) -> list[Fold]:
    """Folds that keep groups together where there are several and each training part has every label; else shuffled.

    Raises UserError for a single label, and where a label has too few recordings.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    counts = Counter(labels)
    if len(counts) < 2:
        raise UserError(f"training: every recording has the label {next(iter(counts), '')!r}; two labels are needed")
    least = min(counts.values())
    if least < 2:
        raise UserError(f"training: label {min(counts, key=counts.__getitem__)!r} has one recording; 2 is the least")
    points, truth = np.zeros((len(labels), 1)), np.array(labels)
    if groups is not None and _tells_apart(groups):
        names = np.array([str(name) for name in groups])
        folds = StratifiedGroupKFold(min(most, len(set(groups))), shuffle=True, random_state=seed)
        found = [fold for fold in folds.split(points, truth, names) if len(fold[1])]
        if all(set(truth[train]) == set(counts) and _can_split(truth[train]) for train, _ in found):
            return found
    return list(StratifiedKFold(min(most, least), shuffle=True, random_state=seed).split(points, truth))


def _keep_groups(folds: Sequence[Fold], groups: Names | None) -> bool:
    """Whether nobody is on both sides of a fold."""
    if groups is None or not _tells_apart(groups):
        return False
    return all({groups[one] for one in train}.isdisjoint(groups[one] for one in test) for train, test in folds)


def _tells_apart(groups: Names | None) -> bool:
    return groups is not None and None not in groups and len(set(groups)) > 1


def _can_split(labels: npt.NDArray[Any]) -> bool:
    return min(Counter(labels.tolist()).values()) >= 2


def _part(groups: Names | None, places: npt.NDArray[np.int64]) -> Names | None:
    return None if groups is None else [groups[place] for place in places]


def _gamma(said: float | str, points: Floats) -> float:
    """What scikit-learn's "scale" comes to."""
    return 1 / (points.shape[1] * float(points.var())) if isinstance(said, str) else float(said)
