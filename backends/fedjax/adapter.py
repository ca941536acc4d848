# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "fedjax==0.0.17",
#     "jax==0.5.3",
#     "optax==0.2.8",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
# ]
#
# [tool.bench]
# framework = "fedjax"
# imports = ["fedjax"]
# needs = ["_fedjax/network.py", "_fedjax/planned.py"]
# computes_with = "jax"
# transport = "in process"
# ///
"""FedJAX (Ro et al. 2021): Google's simulation of federated learning, with JAX.

A round is one `apply` of `fedjax.algorithms.fed_avg.federated_averaging`, whose clients train one after another by
FedJAX's default `for_each_client`, jitted a step. JAX stays at the last release line that has the `jax.tree_map` which
FedJAX 0.0.17 calls. FedJAX has no differential privacy of its own and no loader but arrays in memory.
"""

import os

import fedjax
import jax
import numpy as np
import optax
from _fedjax import network, planned

from bench.backend import Backend, Unsupported
from bench.job import scaled

MOVE = 0.1  # of batch normalisation's statistics
PREDICTED_AT_ONCE = 500


class Adapter(Backend):
    """Local SGD by `fedjax.optimizers.sgd`; on the server SGD of rate 1, to make the mean the new model.

    JAX compiles a step for each shape of batch, when it first comes. So small batches are padded to a few sizes, with a
    mask, as FedJAX advises. With batch normalisation, whose statistics padding would be in, each size is compiled.
    """

    def open(self, job, weights):
        if job.training.compile:
            raise Unsupported("training.compile is torch.compile; JAX always compiles", {"training": {"compile": True}})
        if job.device != "cpu":
            told = "timing.device = {}: this backend's JAX computes on the CPU"
            raise Unsupported(told.format(job.device), {"device": job.device})
        os.environ["NPROC"] = str(job.threads)  # XLA's pool of threads, which is made with the first array
        model = network.model(job.layers)
        self.batch_size = job.training.batch_size
        self.is_padded = not network.has_statistics(job.layers)
        self.algorithm = fedjax.algorithms.fed_avg.federated_averaging(
            fedjax.model_grad(model),
            _client_optimizer(weights, job.training),
            fedjax.optimizers.sgd(1.0),
            fedjax.ShuffleRepeatBatchHParams(batch_size=job.training.batch_size),
        )
        self.logits = jax.jit(model.apply_for_eval)
        self.set_weights(weights)

    def load(self, files, loading):
        self.labels = np.array(files.labels, np.int32)
        return files.reader(loading.form).feed

    def round(self, work, feed):
        def batches(client):
            for batch, samples in zip(client.batches, feed(client.batches)):
                own = {"x": scaled(samples), "y": self.labels[batch]}
                yield planned.padded(own, self.batch_size) if self.is_padded else own

        cohort = [
            (client.id, planned.PlannedDataset(client, batches), planned.key(client.seed)) for client in work.clients
        ]
        self.state, _ = self.algorithm.apply(self.state, cohort)
        jax.block_until_ready(self.state)

    def set_weights(self, weights):
        self.state = self.algorithm.init({name: jax.numpy.array(array) for name, array in weights.items()})

    def weights(self):
        return {name: np.array(array) for name, array in self.state.params.items()}

    def predict(self, inputs):
        logits = [
            self.logits(self.state.params, {"x": inputs[start : start + PREDICTED_AT_ONCE], "seed": np.int32(start)})
            for start in range(0, len(inputs), PREDICTED_AT_ONCE)
        ]
        return np.concatenate(logits)


def _client_optimizer(names, training):
    """Return FedJAX's SGD, or with what it lacks, optax's: weight decay, and statistics that move by a share.

    A statistic's gradient is its distance to the batch's own, see `_fedjax/network.py`.
    """
    kinds = {name: "statistic" if network.is_statistic(name) else "learned" for name in names}
    momentum = training.momentum or None
    if not training.weight_decay and "statistic" not in kinds.values():
        return fedjax.optimizers.sgd(training.lr, momentum)
    learned = optax.chain(optax.add_decayed_weights(training.weight_decay), optax.sgd(training.lr, momentum))
    moved = optax.partition({"learned": learned, "statistic": optax.sgd(MOVE)}, kinds)
    return fedjax.optimizers.create_optimizer_from_optax(moved)
