"""The layer vocabulary as a model of PySyft 0.5, whose layers are pointers once it is sent."""

import syft
import torch
from _torch.module import AlwaysDropout


class Sequence(syft.Module):
    """The named layers of a torch model, one after another."""

    def __init__(self, torch_ref, layers):
        super().__init__(torch_ref=torch_ref)
        for name, layer in layers:
            setattr(self, name, layer)

    def forward(self, inputs):
        for layer in self.modules.values():
            inputs = layer(inputs)
        return inputs


def send(model, client):
    """Return `model`, an nn.Sequential with named layers, as a remote model at the node of `client`."""
    return Sequence(torch, [(name, _known(layer)) for name, layer in model.named_children()]).send(client)


def _known(layer):
    """PySyft sends torch's own layers only; in training, dropout that is always on is torch's."""
    return torch.nn.Dropout(layer.rate) if isinstance(layer, AlwaysDropout) else layer
