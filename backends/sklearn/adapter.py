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
# needs = ["bench/pca_svm.py"]
# computes_with = "scikit-learn"
# transport = "none"
# centralised = true
# ///
"""The study's PCA and support vector machine, by scikit-learn: centralised, one round over everyone's samples."""

import numpy as np

from bench import pca_svm
from bench.backend import Backend, Unsupported
from bench.job import scaled


class Adapter(Backend):
    """Scaling, PCA and SVM are fitted on the samples to train on alone; so are components, C and gamma chosen there."""

    def open(self, job, weights):
        if job.device != "cpu":
            raise Unsupported("timing.device = {}: scikit-learn computes on the CPU".format(job.device))
        self.classes = job.classes
        self.seed = job.seed
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
        self.model = pca_svm.fitted(inputs, targets, holders, self.seed)

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


def flat(fed):
    return scaled(np.asarray(fed)).reshape(len(fed), -1)
