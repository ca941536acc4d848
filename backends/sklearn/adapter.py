# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "scikit-learn==1.9.1",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
# ]
#
# [tool.bench]
# framework = "scikit-learn"
# imports = ["sklearn"]
# computes_with = "scikit-learn"
# transport = "none"
# centralised = true
# ///
"""The study's PCA and support vector machine, by scikit-learn: centralised, one round over everyone's samples."""

import tempfile

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from bench.backend import Backend, Unsupported
from bench.job import scaled

COMPONENTS = (4, 8, 16, 32)
C = (0.1, 1.0, 10.0, 100.0)
GAMMA = ("scale", 0.001, 0.01, 0.1)
FOLDS = 5  # inner ones, of the samples to train on


class Adapter(Backend):
    """Scaling, PCA and SVM are fitted on the samples to train on alone; so are components, C and gamma chosen there."""

    def open(self, job, weights):
        if job.device != "cpu":
            raise Unsupported("timing.device = {}: scikit-learn computes on the CPU".format(job.device))
        self.classes = job.classes
        self.seed = job.seed % 2**32
        self.model = None

    def load(self, files, loading):
        self.labels = np.array(files.labels)
        return files.reader(loading.form).feed

    def round(self, work, feed):
        clients = [np.concatenate(client.batches) for client in work.clients]
        samples = np.concatenate(clients)
        inputs = np.concatenate([flat(fed) for fed in feed(clients)])
        targets = self.labels[samples]
        if len(np.unique(targets)) < 2:
            raise Unsupported("the samples to train on are all of one class: there is nothing to tell apart")
        holders = np.repeat(np.arange(len(clients)), [len(own) for own in clients])
        self.model = fitted(inputs, targets, holders, self.seed)

    def weights(self):
        return None

    def model_bytes(self):
        scaler, pca, svm = (step for _, step in self.model.steps)
        arrays = [scaler.mean_, scaler.scale_, pca.mean_, pca.components_]
        arrays += [svm.support_vectors_, svm.dual_coef_, svm.intercept_]
        return sum(array.nbytes for array in arrays)

    def predict(self, inputs):
        """Distances from the decision boundaries: their order tells the class, as logits would; they are no logits."""
        values = self.model.decision_function(inputs.reshape(len(inputs), -1))
        known = self.model.classes_
        if len(known) == 2:
            values = np.stack([-values, values], axis=1) / 2
        scores = np.full((len(inputs), self.classes), values.min() - 1, np.float32)
        scores[:, known] = values
        return scores


def fitted(inputs, targets, holders, seed):
    """Return the pipeline with the components, C and gamma that inner cross-validation finds best, fitted on all.

    `inputs` float32 (n, values), `targets` int (n,), `holders` int (n,): which client holds each sample.
    """
    splits = list(inner_splits(inputs, targets, holders, seed))
    smallest = min([len(train) for train, _ in splits], default=len(inputs))
    most = min(smallest, inputs.shape[1])
    steps = [("scale", StandardScaler()), ("pca", PCA(svd_solver="full")), ("svm", SVC())]
    choices = {
        "pca__n_components": sorted({min(count, most) for count in COMPONENTS}),
        "svm__C": C,
        "svm__gamma": GAMMA,
    }
    if not splits:
        return Pipeline(steps).set_params(pca__n_components=min(COMPONENTS[-1], most)).fit(inputs, targets)
    with tempfile.TemporaryDirectory() as memory:  # a fold's PCA is the same for every C and gamma
        search = GridSearchCV(Pipeline(steps, memory=memory), choices, cv=splits, error_score="raise", refit=False)
        best = search.fit(inputs, targets).best_params_
    return Pipeline(steps).set_params(**best).fit(inputs, targets)


def inner_splits(inputs, targets, holders, seed):
    """Yield train and test places of the inner folds: a client's samples on one side, where every class allows it.

    A client may be a person, and a model is to be chosen for people that it hasn't seen. None where a class has one
    sample only.
    """
    classes = np.unique(targets)
    spread = min(len(np.unique(holders[targets == own])) for own in classes)
    if spread >= 3:
        folds = StratifiedGroupKFold(min(FOLDS, spread), shuffle=True, random_state=seed)
        found = list(folds.split(inputs, targets, holders))
        if all(len(np.unique(targets[train])) == len(classes) and len(test) for train, test in found):
            return found
    count = min(FOLDS, int(np.unique(targets, return_counts=True)[1].min()))
    if count < 2:
        return []
    return StratifiedKFold(count, shuffle=True, random_state=seed).split(inputs, targets)


def flat(fed):
    return scaled(np.asarray(fed)).reshape(len(fed), -1)
