"""What a datasite runs once its owner has approved it: a client's local training, in plain torch."""

import numpy as np
import torch
from _syft import plain
from _torch import module

from bench.job import Training, scaled


def train(held, task):
    """Return the canonical weights, float32, after an SGD step with each of the task's batches.

    held: samples, int64 (n,), in ascending order, with their inputs and labels; none are the site's mock, on which
    PySyft runs all code as well. task: weights, batches (sample numbers), seed, layers and training.
    """
    if not len(held["samples"]):
        return task["weights"]
    model = module.build(task["layers"])
    tensors = module.canonical_tensors(model, task["weights"])
    module.set_weights(tensors, task["weights"])
    plain.train(model, Training(**task["training"]), task["seed"], _batches(held, task["batches"]))
    return dict(module.get_weights(tensors))


def _batches(held, batches):
    for batch in batches:
        rows = np.searchsorted(held["samples"], batch)
        yield torch.from_numpy(scaled(held["inputs"][rows])), torch.from_numpy(held["labels"][rows])
