"""The layer vocabulary's torch module as pfl wants it: with a loss, and nothing but parameters to send."""

from collections import OrderedDict

from _torch import module
from torch import nn


class Network(nn.Sequential):
    """The model with the two methods that `PyTorchModel` asks of a module."""

    @classmethod
    def of(cls, layers):
        """Return the model of `layers`, its named layers by their canonical names."""
        parts = module.build(layers).named_children()
        return cls(OrderedDict((name, _sent_whole(part)) for name, part in parts))

    def learned(self):
        """Return what local SGD moves: all but statistics, which weight decay would reach in compiled training."""
        return [own for name, own in self.named_parameters() if not name.endswith(("running_mean", "running_var"))]

    def loss(self, inputs, targets):
        """Return the mean cross-entropy of inputs float32 (n, channel, height, width) and targets int64 (n,)."""
        return nn.functional.cross_entropy(self(inputs), targets)

    def metrics(self, inputs, targets):
        """Return none: the worker evaluates, the same for everyone."""
        return {}


def _sent_whole(layer):
    return NormOfParameters(layer) if isinstance(layer, nn.BatchNorm2d) else layer


class NormOfParameters(nn.Module):
    """Batch normalisation whose statistics are parameters: pfl sends, averages and sets back only those.

    As buffers they would stay where the last user's training left them.
    """

    def __init__(self, norm):
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = nn.Parameter(norm.running_mean), nn.Parameter(norm.running_var)
        self.momentum, self.eps = norm.momentum, norm.eps

    def forward(self, inputs):
        return nn.functional.batch_norm(
            inputs,
            self.running_mean.detach(),  # moved in place
            self.running_var.detach(),
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
