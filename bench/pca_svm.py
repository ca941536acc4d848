"""The study's method, scaling, PCA and a support vector machine, and how its components, C and gamma are chosen.

`bench gesture train` and the backend `sklearn` fit by this alone. Also runs inside that backend's environment: numpy
and scikit-learn only.

The grid goes up in equal factors over the ranges that are usual before anything is known of the data: C and gamma by
decades, as Hsu, Chang and Lin advise ("A practical guide to support vector classification", 2003, section 3.2), beside
scikit-learn's own choice of gamma; components by doubling. It is no result's, and isn't to be tuned to one.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

COMPONENTS = (4, 8, 16, 32)
COSTS = (0.1, 1.0, 10.0, 100.0)
GAMMAS: tuple[float | str, ...] = ("scale", 0.001, 0.01, 0.1)
FOLDS = 5  # inner ones, of the samples to train on

Labels = Sequence[Any] | npt.NDArray[Any]
Choice = tuple[int, float, float | str]  # components, C, gamma
Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # places to train on, places held out


def fitted(inputs: npt.NDArray[Any], labels: Labels, holders: Labels | None, seed: int) -> Pipeline:
    """Return the pipeline with the components, C and gamma that do best in inner folds, fitted on all of `inputs`.

    `inputs` float (n, values); `labels` (n,), of two classes at least; `holders` (n,) tells whose each sample is, None
    where nobody knows. Of choices that do equally well it takes the one with the fewest components, then
    the smallest C; where a class has one sample, so that there are no folds to choose in, scikit-learn's defaults.
    """
    folds = inner_folds(labels, holders, seed)
    most = min(min((len(train) for train, _ in folds), default=len(inputs)), inputs.shape[1])
    components = sorted({min(count, most) for count in COMPONENTS})
    if not folds:
        return _pipeline(components[-1]).fit(inputs, labels)
    choices: list[Choice] = list(itertools.product(components, COSTS, GAMMAS))
    truth = np.asarray(labels)
    scores = np.mean([_scores(inputs, truth, fold, choices) for fold in folds], axis=0)
    return _pipeline(*choices[int(np.round(scores, 9).argmax())]).fit(inputs, labels)


def _scores(inputs: npt.NDArray[Any], truth: npt.NDArray[Any], fold: Fold, choices: Sequence[Choice]) -> list[float]:
    """The accuracy of each choice on the fold's held-out part; the first components of a PCA are those of a smaller."""
    train, test = fold
    reduce = _pipeline(choices[-1][0])[:-1].fit(inputs[train])
    seen, unseen = reduce.transform(inputs[train]), reduce.transform(inputs[test])
    return [
        float(SVC(C=cost, gamma=gamma).fit(seen[:, :count], truth[train]).score(unseen[:, :count], truth[test]))
        for count, cost, gamma in choices
    ]


def inner_folds(labels: Labels, holders: Labels | None, seed: int) -> list[Fold]:
    """Return folds that keep a holder's samples on one side where each class has two holders at least; else shuffled.

    A holder may be a person, and what is chosen is for people not seen. None where a class has one sample only.
    """
    truth = np.asarray(labels)
    points, classes = np.zeros((len(truth), 1)), np.unique(truth)
    if holders is not None:
        names = np.asarray(holders)
        spread = min(len(np.unique(names[truth == own])) for own in classes)
        if spread > 1:
            kept = StratifiedGroupKFold(min(FOLDS, spread), shuffle=True, random_state=seed % 2**32)
            found = [fold for fold in kept.split(points, truth, names) if len(fold[1])]
            if all(len(np.unique(truth[train])) == len(classes) for train, _ in found):
                return found
    count = min(FOLDS, int(np.unique(truth, return_counts=True)[1].min()))
    if count < 2:
        return []
    return list(StratifiedKFold(count, shuffle=True, random_state=seed % 2**32).split(points, truth))


def _pipeline(components: int, cost: float = 1.0, gamma: float | str = "scale") -> Pipeline:
    """Scaling, PCA and SVM as one estimator: whoever cross-validates it fits all three inside the fold."""
    pca = PCA(components, svd_solver="full")
    return Pipeline([("scaling", StandardScaler()), ("pca", pca), ("svm", SVC(C=cost, gamma=gamma))])
