# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "torch==2.13.0",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
#     "opacus==1.6.0",
#     "pillow==13.0.0",
# ]
#
# [tool.bench]
# framework = "torch"
# imports = ["torch"]
# needs = ["_torch/module.py", "_torch/feeding.py"]
# loader = "DataLoader, a sample at a time"
# decoder = "Pillow"
# ///
"""PyTorch: the federated loop that everyone writes, eager, one client after another."""

import numpy as np
import torch
from _torch import feeding, module

from bench.backend import Backend, Unsupported


class Adapter(Backend):
    """Federated averaging (McMahan et al. 2017, algorithm 1) in plain torch."""

    loaders = ("gather", "framework")

    def open(self, job, weights):
        if job.device == "cuda" and not torch.cuda.is_available():
            raise Unsupported("timing.device = cuda: torch finds no CUDA device here")
        torch.set_num_threads(job.threads)
        self.device = torch.device(job.device)
        self.training = job.training
        self.model = module.build(job.layers).to(self.device)
        self.tensors = module.canonical_tensors(self.model, weights)
        module.set_weights(self.tensors, weights)
        self.run_model = torch.compile(self.model) if job.training.compile else self.model

    def load(self, files, loading):
        self.targets = torch.from_numpy(np.array(files.labels)).to(self.device)
        self._wait()
        return feeding.feeder(files, loading)

    def round(self, work, feed):
        start = {name: tensor.clone() for name, tensor in self.tensors.items()}
        total = {name: torch.zeros_like(tensor) for name, tensor in self.tensors.items()}
        examples = sum(client.examples for client in work.clients)
        for client in work.clients:
            module.set_weights(self.tensors, start)
            self._train(client, feed)
            for name, tensor in self.tensors.items():
                total[name].add_(tensor, alpha=client.examples / examples)
        module.set_weights(self.tensors, total)
        self._wait()

    def _train(self, client, feed):
        torch.manual_seed(client.seed)
        self.model.train()
        optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=self.training.lr,
            momentum=self.training.momentum,
            weight_decay=self.training.weight_decay,
        )
        for batch, samples in zip(client.batches, feed(client.batches)):
            inputs = feeding.scaled(samples).to(self.device)
            picked = torch.from_numpy(np.array(batch, np.int64)).to(self.device)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.run_model(inputs), self.targets[picked])
            loss.backward()
            optimizer.step()

    def weights(self):
        return module.get_weights(self.tensors)

    def predict(self, inputs):
        self.model.eval()
        with torch.no_grad():
            logits = [
                self.model(torch.from_numpy(inputs[start : start + 500]).to(self.device)).cpu()
                for start in range(0, len(inputs), 500)
            ]
        return torch.cat(logits).numpy()

    def _wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()
