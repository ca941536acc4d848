# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "torch==2.13.0",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
#     "opacus==1.6.0",
#     "numba==0.68.1",
#     "llvmlite==0.50.0",
#     "pillow==13.0.0",
# ]
#
# [tool.bench]
# framework = "torch"
# imports = ["torch"]
# needs = [
#     "_torch/module.py",
#     "_torch/feeding.py",
#     "_torch/fast.py",
#     "_torch/lean.py",
#     "_torch/sparse.py",
#     "_torch/row_sums.py",
#     "_torch/crew.py",
#     "_torch/race.py",
#     "_torch/noise.py",
#     "_torch/opacus_privacy.py",
#     "_torch/fused_privacy.py",
# ]
# computes_with = "torch"
# transport = "none"
# loader = "DataLoader, a sample at a time"
# decoder = "Pillow"
# variants = ["fast", "lean", "crew", "sparse"]
# ///
"""PyTorch: the federated loop that everyone writes, eager, one client after another."""

import numpy as np
import torch
from _torch import feeding, module

from bench.backend import Backend, Mechanism, Unsupported


class Adapter(Backend):
    """Federated averaging (McMahan et al. 2017, algorithm 1) in plain torch."""

    loaders = ("gather", "framework")
    strategies = ("eager", "fast")
    private = (("example", "stock"), ("example", "fused"), ("client", "stock"))

    def open(self, job, weights):
        if job.device == "cuda" and not torch.cuda.is_available():
            raise Unsupported("timing.device = cuda: torch finds no CUDA device here")
        if job.privacy and job.training.compile:
            raise Unsupported("training.compile with privacy: gradients of single examples need the layers one by one")
        is_fast = job.strategy == "fast" or job.variant is not None
        torch.set_num_threads(1 if is_fast else job.threads)  # fast forks, which a process with a pool of threads can't
        self.device = torch.device(job.device)
        self.training = job.training
        self.model = module.build(job.layers).to(self.device)
        self.tensors = module.canonical_tensors(self.model, weights)
        self.set_weights(weights)
        self.run_model = torch.compile(self.model) if job.training.compile else self.model
        self.privacy = job.privacy
        self.sgd = self.server = self.fast = None
        if job.privacy:
            self._open_privacy(job.privacy)
        if is_fast:
            from _torch import fast

            self.fast = fast.Fast(job, weights, self._race)

    def _race(self, clients, feed, targets):
        self.targets = targets
        self._average(clients, feed, {name: tensor.clone() for name, tensor in self.tensors.items()})

    def _open_privacy(self, privacy):
        if privacy.engine == "fused":
            from _torch import fused_privacy

            self.sgd = fused_privacy.ExampleLevel(self.model, self.training, privacy, self.device)
            return
        from _torch import opacus_privacy

        if privacy.unit == "example":
            self.sgd = opacus_privacy.ExampleLevel(self.model, self.training, privacy, self.device)
        else:
            parameters = module.canonical_parameters(self.model, self.tensors)
            self.server = opacus_privacy.ClientLevel(parameters, privacy, self.device)

    def load(self, files, loading):
        self.targets = torch.from_numpy(np.array(files.labels)).to(self.device)
        module.wait(self.device)
        feed = feeding.feeder(files, loading)
        if self.fast:
            self.fast.attach(feed, self.targets)
        return feed

    def way(self):
        return (self.fast.way, self.fast.seconds) if self.fast else None

    def round(self, work, feed):
        start = {name: tensor.clone() for name, tensor in self.tensors.items()}
        if self.server:
            self._private_average(work, feed, start)
        elif self.fast and self.fast.way != "eager":
            module.set_weights(self.tensors, self.fast.average(work.clients, start))
        else:
            self._average(work.clients, feed, start)
        module.wait(self.device)

    def _average(self, clients, feed, start):
        # Moves are added up: a float32 sum of thousands of whole weights is off by as much as these moved.
        moved = {name: torch.zeros_like(tensor) for name, tensor in self.tensors.items()}
        examples = sum(client.examples for client in clients)
        for client in clients:
            module.set_weights(self.tensors, start)
            self._train(client, feed)
            for name, tensor in self.tensors.items():
                moved[name].add_(tensor.sub_(start[name]), alpha=client.examples / examples)
        module.set_weights(self.tensors, {name: own.add_(moved[name]) for name, own in start.items()})

    def _private_average(self, work, feed, start):
        for client in work.clients:
            module.set_weights(self.tensors, start)
            self._train(client, feed)
            self.server.add(start, self.tensors)
        module.set_weights(self.tensors, start)
        self.server.finish()

    def _train(self, client, feed):
        torch.manual_seed(client.seed)
        self.model.train()
        step = self.sgd.begin(client) if self.sgd else self._plain_sgd()
        fed = feed([batch for batch in client.batches if len(batch)])
        for batch, divisor in zip(client.batches, client.divisors):
            inputs = feeding.scaled(next(fed)).to(self.device) if len(batch) else None
            picked = torch.from_numpy(np.array(batch, np.int64)).to(self.device)
            step(inputs, self.targets[picked], divisor)

    def _plain_sgd(self):
        optimizer = module.sgd(self.model.parameters(), self.training)

        def step(inputs, targets, divisor):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.run_model(inputs), targets)
            loss.backward()
            optimizer.step()

        return step

    def mechanism(self):
        noised = self.sgd or self.server
        if noised is None:
            return None
        told = self.privacy
        return Mechanism(told.noise_multiplier, told.max_grad_norm, noised.steps())

    def figures(self):
        return (self.sgd or self.server).figures()

    def count_noise(self, work):
        (self.sgd or self.server).count(work)

    def set_weights(self, weights):
        module.set_weights(self.tensors, weights)

    def weights(self):
        return module.get_weights(self.tensors)

    def peak_device_bytes(self):
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def predict(self, inputs):
        return module.predict(self.model, inputs, self.device)
