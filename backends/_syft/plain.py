"""Federated averaging in plain torch: what PySyft's overhead is taken against, and what its adapters build on.

Runs in torch 1.4 to 2.13. An adapter of PySyft overrides `train`: the same steps, through PySyft's objects.
"""

import numpy as np
import torch
from _torch import module

from bench.backend import Backend, Unsupported
from bench.job import scaled


class PlainTorch(Backend):
    """Federated averaging (McMahan et al. 2017, algorithm 1)."""

    def open(self, job, weights):
        if job.device != "cpu":
            raise Unsupported("timing.device = {}: PySyft trains on the CPU here".format(job.device))
        if job.training.compile:
            raise Unsupported("training.compile: PySyft can't send a compiled model")
        torch.set_num_threads(job.threads)
        self.training = job.training
        self.layers = job.layers
        self.names = list(weights)
        self.model = module.build(job.layers)
        self.set_weights(weights)

    def load(self, files, loading):
        self.labels = np.array(files.labels, np.int64)
        return files.reader(loading.form).feed

    def round(self, work, feed):
        start = self.weights()
        total = {name: np.zeros_like(array) for name, array in start.items()}
        examples = sum(client.examples for client in work.clients)
        for client in work.clients:
            self.set_weights(start)
            self.train(client, feed)
            for name, array in self.weights().items():
                total[name] += np.float32(client.examples / examples) * array
        self.set_weights(total)

    def train(self, client, feed):
        """Train the model on the client's batches, an SGD step each."""
        train(self.model, self.training, client.seed, self.batches(client, feed))

    def batches(self, client, feed):
        """Yield (inputs, targets), float32 (n, channel, height, width) and int64 (n,), of each batch in order."""
        for batch, samples in zip(client.batches, feed(client.batches)):
            yield torch.from_numpy(scaled(samples)), torch.from_numpy(self.labels[batch])

    def set_weights(self, weights):
        module.set_weights(module.canonical_tensors(self.model, self.names), weights)

    def weights(self):
        return module.get_weights(module.canonical_tensors(self.model, self.names))

    def predict(self, inputs):
        self.model.eval()
        with torch.no_grad():
            logits = [self.model(torch.from_numpy(inputs[start : start + 500])) for start in range(0, len(inputs), 500)]
        return torch.cat(logits).numpy()


def train(model, training, seed, batches):
    """Take an SGD step with each of `batches`, pairs of inputs and targets; momentum starts at zero."""
    torch.manual_seed(seed)
    model.train()
    optimizer = module.sgd(model.parameters(), training)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
