"""The layer vocabulary as a torch module, shared by every backend that trains with torch."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

PREDICTED_AT_ONCE = 500  # samples: of more, activations would fill the memory
# canonical part of a weight's name -> torch's own
_PARTS = {"scale": "weight", "shift": "bias", "mean": "running_mean", "variance": "running_var"}


class AlwaysDropout(nn.Module):
    """Dropout that doesn't know about evaluation: the study's fault, F.dropout without training=."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, inputs):
        return nn.functional.dropout(inputs, self.rate, training=True)


def _layer(layer):
    kind = layer["kind"]
    if kind == "conv":
        return nn.Conv2d(layer["in"], layer["out"], layer["kernel"])
    if kind == "dense":
        return nn.Linear(layer["in"], layer["out"])
    if kind == "norm":
        return nn.BatchNorm2d(layer["channels"], eps=1e-5, momentum=0.1)
    if kind == "group_norm":
        return nn.GroupNorm(layer["groups"], layer["channels"], eps=1e-5)
    if kind == "relu":
        return nn.ReLU()
    if kind == "pool":
        return nn.MaxPool2d(layer["size"])
    if kind == "dropout":
        return AlwaysDropout(layer["rate"]) if layer["always"] else nn.Dropout(layer["rate"])
    if kind == "flatten":
        return nn.Flatten()
    if kind == "softmax":
        return nn.Softmax(dim=1)
    raise KeyError(kind)


def build(layers):
    """Return the model of `layers` as an nn.Sequential whose named layers keep their canonical names."""
    return nn.Sequential(
        OrderedDict((layer.get("name", "layer{}".format(index)), _layer(layer)) for index, layer in enumerate(layers))
    )


def sgd(parameters, training, at=torch):
    """Return torch's SGD with a `bench.job.Training`'s settings, its momentum at rest; `at` may be a remote torch."""
    return at.optim.SGD(parameters, lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay)


def canonical_tensors(model, names):
    """Return name -> the model's own tensor (parameter or buffer) for canonical `names`, in that order."""
    return OrderedDict((name, own.detach()) for name, own in canonical_parameters(model, names).items())


def canonical_parameters(model, names):
    """Return the same as Parameters, which know of gradients."""
    state = model.state_dict(keep_vars=True)
    found = OrderedDict()
    for name in names:
        layer, part = name.split(".")
        found[name] = state["{}.{}".format(layer, _PARTS.get(part, part))]
    return found


def set_weights(tensors, values):
    """Copy canonical numpy or torch `values` into `tensors`, in place."""
    for name, tensor in tensors.items():
        value = values[name]
        tensor.copy_(value if torch.is_tensor(value) else torch.from_numpy(np.array(value)))


def get_weights(tensors):
    """Return the tensors as canonical numpy float32 copies."""
    return OrderedDict((name, tensor.cpu().numpy().copy()) for name, tensor in tensors.items())


def predict(model, inputs, device="cpu"):
    """Return the logits, float32 numpy (n, classes), of `inputs`, float32 numpy (n, channel, height, width)."""
    model.eval()
    with torch.no_grad():
        logits = [
            model(torch.from_numpy(inputs[start : start + PREDICTED_AT_ONCE]).to(device)).cpu()
            for start in range(0, len(inputs), PREDICTED_AT_ONCE)
        ]
    return torch.cat(logits).numpy()


def wait(device):
    """Wait until what was asked of a torch device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
