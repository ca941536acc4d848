# /// script
# requires-python = "==3.8.*"
# dependencies = [
#     "syft==0.5.0",
#     "torch==1.8.1",
#     "numpy==1.23.5",
#     "pandas==1.5.3",
#     "protobuf==3.20.3",
#     "markupsafe==2.0.1",
#     "setuptools==59.8.0",
#     "opencv-python-headless==4.11.0.86",
# ]
#
# [tool.bench]
# framework = "syft"
# imports = ["syft"]
# needs = ["_torch/module.py", "_syft/plain.py", "_syft/remote_model.py"]
# computes_with = "torch"
# transport = "in process, serialised"
# variants = ["plain"]
# baseline = "plain"
# ///
"""PySyft 0.5: VirtualMachines, the nodes that Duet connects, here within one process."""

import torch
from _syft.plain import PlainTorch
from _torch import module


class Adapter(PlainTorch):
    """Each client is a VirtualMachine: model and samples are sent there, trained by pointer, and fetched back."""

    @classmethod
    def import_variant(cls, variant):
        if variant != "plain":
            import syft  # noqa: F401

    def open(self, job, weights):
        super().open(job, weights)
        self.clients = None if job.variant == "plain" else {}

    def train(self, client, feed):
        if self.clients is None:
            super().train(client, feed)
            return
        from _syft import remote_model

        machine = self._machine(client.id)
        remote = remote_model.send(self.model, machine)
        remote.train()
        torch.manual_seed(client.seed)  # once the layers are made there, which draws their first weights
        optimizer = module.sgd(remote.parameters(), self.training, machine.torch)
        for inputs, targets in self.batches(client, feed):
            inputs, targets = (tensor.send(machine, pointable=False) for tensor in (inputs, targets))
            optimizer.zero_grad()
            loss = machine.torch.nn.functional.cross_entropy(remote(inputs), targets)
            loss.backward()
            optimizer.step()
        self.model.load_state_dict(remote.get(delete_obj=True).state_dict())

    def _machine(self, client):
        """Return the root client of the VirtualMachine of a client of the plan."""
        if client not in self.clients:
            import syft

            self.clients[client] = syft.VirtualMachine(name="client{}".format(client)).get_root_client()
        return self.clients[client]
