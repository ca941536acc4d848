# /// script
# requires-python = "==3.7.*"
# dependencies = [
#     "syft==0.2.9",
#     "torch==1.4.0",
#     "protobuf==3.20.3",
#     "setuptools==59.8.0",
#     "opencv-python-headless==4.7.0.72",
# ]
#
# [tool.uv]
# override-dependencies = [
#     "aiortc ; python_version < '3'",
#     "notebook ; python_version < '3'",
#     "psutil==5.9.8",
# ]
#
# [tool.bench]
# framework = "syft"
# imports = ["torch", "syft_proto"]
# needs = ["_torch/module.py", "_syft/plain.py", "_syft/without_aiortc.py"]
# computes_with = "torch"
# transport = "in process, serialised"
# variants = ["plain"]
# baseline = "plain"
# trust = "_trust/virtual_worker.py"
# ///
"""PySyft 0.2: TorchHook and VirtualWorkers, the generation that the study trained with."""

import torch
from _syft.plain import PlainTorch
from _torch import module


class Adapter(PlainTorch):
    """Each client is a VirtualWorker: model and samples are sent there, trained by pointer, and fetched back."""

    @classmethod
    def import_variant(cls, variant):
        if variant != "plain":
            from _syft import without_aiortc

            without_aiortc.import_syft()

    def open(self, job, weights):
        super().open(job, weights)
        self.hook = None
        if job.variant != "plain":
            import syft

            self.hook = syft.TorchHook(torch)
            self.workers = {}

    def train(self, client, feed):
        if self.hook is None:
            super().train(client, feed)
            return
        worker = self._worker(client.id)
        torch.manual_seed(client.seed)
        self.model.train()
        self.model.send(worker)
        optimizer = module.sgd(self.model.parameters(), self.training)
        for inputs, targets in self.batches(client, feed):
            inputs, targets = inputs.send(worker), targets.send(worker)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.model(inputs), targets)
            loss.backward()
            optimizer.step()
        self.model.get()

    def _worker(self, client):
        if client not in self.workers:
            import syft

            self.workers[client] = syft.VirtualWorker(self.hook, id="client{}".format(client))
        return self.workers[client]
