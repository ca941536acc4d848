"""The layer vocabulary laid out for a CPU's caches: the same arithmetic as `module`, with less memory moved.

All weights lie in one block: a client starts by one copy and is averaged by one addition. Images are channels last, and
the dense layer behind them has its inputs in that order, so that flattening copies nothing. A dense layer has its
weights as (in, out), by which its products are made fastest, and takes its SGD step within its backward pass: the
product that would be its gradient is added to the velocity, or to the weights, as it is made. A max-pool goes before
the ReLU and the bias that it follows: the same maxima, and gradients of fewer values. Where that is asked for, the
zeros among these aren't multiplied (`sparse`).
"""

from collections import OrderedDict

import numpy as np
import torch
from torch.nn import functional

EPSILON, STATISTICS_MOVE = 1e-5, 0.1  # as bench.model has them


class Lean:
    """The model of `layers`, trained by SGD as a `bench.job.Training` says; `weights` are canonical arrays.

    shape: (channel, height, width) of a sample. block: float32 (all weights,), in an order of its own.
    skip_zeros: multiply none of the gradient of a convolution before a max-pool, where the model has one (`has_zeros`).
    """

    def __init__(self, layers, training, shape, weights, skip_zeros=False):
        self.shapes = OrderedDict((name, value.shape) for name, value in weights.items())
        self.sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        images = _images(layers, shape)
        self.widths = {layer["name"]: image[2] for layer, image in zip(layers, images) if layer["kind"] == "conv"}
        self.image = images[-1]
        self.behind_image = next((layer["name"] for layer in layers if layer["kind"] == "dense"), None)
        self.block = torch.zeros(sum(self.sizes))
        velocity = torch.zeros_like(self.block)
        self.sgd = _Sgd(training)
        self.steps = {
            name: _Step(self.sgd, own, own_velocity)
            for name, own, own_velocity in zip(self.shapes, self._rows(self.block), self._rows(velocity))
        }
        self.by_autograd = []
        self.layers = [self._layer(layer) for layer in _pool_first(layers, skip_zeros)]

    def write(self, weights, block):
        """Lay canonical torch `weights`, by name, out in a `block`."""
        for name, laid in zip(self.shapes, self._canonical(block)):
            laid.copy_(weights[name].view(laid.shape))

    def read(self, block):
        """Return a block's weights as canonical torch tensors, by name."""
        laid = self._canonical(block)
        return OrderedDict((name, own.reshape(shape)) for (name, shape), own in zip(self.shapes.items(), laid))

    def train(self, client, feed, targets):
        """Train the block on one client's batches. targets: int64, of every sample."""
        torch.manual_seed(client.seed)
        self.sgd.is_first = True
        for batch, samples in zip(client.batches, feed(client.batches)):
            inputs = samples.to(torch.float32, memory_format=torch.channels_last).div_(255.0)
            self._step(inputs, targets[torch.from_numpy(np.array(batch, np.int64))])

    def _step(self, inputs, targets):
        value = inputs
        for layer in self.layers:
            value = layer(value)
        functional.cross_entropy(value, targets).backward()
        with torch.no_grad():
            for step, parameter in self.by_autograd:
                step.add(parameter.grad)
                parameter.grad = None
        self.sgd.is_first = False

    def _rows(self, block):
        """Each weight's own part of a block, as it is multiplied: a dense layer's (in, out), all others' flat."""
        # .data: or autograd took a step on one weight for a change of all that share the block's memory
        parts = zip(self.shapes.values(), (own.data for own in block.split(self.sizes)))
        return [own.view(shape[::-1]) if len(shape) == 2 else own for shape, own in parts]

    def _canonical(self, block):
        """Views of a block's weights in the canonical order of their numbers, though not of memory."""
        return [
            self._in_order(name, own, shape) for (name, shape), own in zip(self.shapes.items(), block.split(self.sizes))
        ]

    def _in_order(self, name, own, shape):
        if name == "{}.weight".format(self.behind_image):
            channels, height, width = self.image
            return own.view(height, width, channels, shape[0]).permute(3, 2, 0, 1)
        if len(shape) == 2:
            return own.view(shape[::-1]).t()
        return _channels_last(own, shape) if len(shape) == 4 else own.view(shape)

    def _layer(self, layer):
        """What a layer does to its input, in training."""
        kind = layer["kind"]
        if kind == "conv":
            weight, bias = (self._parameter(layer["name"], part) for part in ("weight", "bias"))
            return lambda value: functional.conv2d(value, weight, bias)
        if kind == "conv without bias":
            weight = self._parameter(layer["name"], "weight")
            return lambda value: functional.conv2d(value, weight)
        if kind == "pooled conv":
            from _torch import sparse  # which compiles: here, once for all processes of a crew

            weight = self._parameter(layer["name"], "weight")
            gradients = sparse.compiled(layer["in"], self.widths[layer["name"]], layer["kernel"], layer["size"])
            return lambda value: sparse.PooledConvolution.apply(value, weight, gradients)
        if kind == "bias":
            added = self._parameter(layer["name"], "bias").view(-1, 1, 1)
            return lambda value: value.add_(added)
        if kind == "dense":
            weight, bias = (self.steps["{}.{}".format(layer["name"], part)] for part in ("weight", "bias"))
            anchor = torch.empty(0, requires_grad=True)  # without it the first layer would have no backward pass
            return lambda value: _Dense.apply(value, anchor, weight, bias)
        if kind == "norm":
            scale, shift = (self._parameter(layer["name"], part) for part in ("scale", "shift"))
            mean, variance = (self.steps["{}.{}".format(layer["name"], part)].weight for part in ("mean", "variance"))
            return lambda value: functional.batch_norm(
                value, mean, variance, scale, shift, training=True, momentum=STATISTICS_MOVE, eps=EPSILON
            )
        if kind == "group_norm":
            scale, shift = (self._parameter(layer["name"], part) for part in ("scale", "shift"))
            return lambda value: functional.group_norm(value, layer["groups"], scale, shift, eps=EPSILON)
        return _PLAIN[kind](layer)

    def _parameter(self, layer, part):
        """A weight whose gradient autograd brings: a leaf that shares the block's memory."""
        name = "{}.{}".format(layer, part)
        step, shape = self.steps[name], self.shapes[name]
        parameter = (_channels_last(step.weight, shape) if len(shape) == 4 else step.weight).requires_grad_()
        if len(shape) == 4:
            step = _Step(self.sgd, parameter.detach(), _channels_last(step.velocity, shape))
        self.by_autograd.append((step, parameter))
        return parameter


class _Sgd:
    """The settings of SGD, and whether the next step is a client's first, when its momentum is at rest."""

    def __init__(self, training):
        self.lr = training.lr
        self.momentum = training.momentum
        self.weight_decay = training.weight_decay
        self.is_first = True


class _Step:
    """SGD on one weight, in place, as torch.optim.SGD does it: v = momentum * v + (g + decay * w); w = w - lr * v."""

    def __init__(self, sgd, weight, velocity):
        self.sgd = sgd
        self.weight = weight
        self.velocity = velocity

    def add(self, gradient):
        """Take the step of a gradient of the weight's shape."""
        if not self.sgd.momentum:
            self.weight.mul_(self._kept()).add_(gradient, alpha=-self.sgd.lr)
        else:
            if self.sgd.is_first:
                self.velocity.copy_(gradient)
            else:
                self.velocity.mul_(self.sgd.momentum).add_(gradient)
            self._follow()

    def add_product(self, left, right):
        """Take the step of the gradient `left` @ `right`, which is never laid out itself."""
        if not self.sgd.momentum:
            self.weight.addmm_(left, right, beta=self._kept(), alpha=-self.sgd.lr)
        else:
            self.velocity.addmm_(left, right, beta=0.0 if self.sgd.is_first else self.sgd.momentum)
            self._follow()

    def _kept(self):
        return 1.0 - self.sgd.lr * self.sgd.weight_decay

    def _follow(self):
        if self.sgd.weight_decay:
            self.velocity.add_(self.weight, alpha=self.sgd.weight_decay)
        self.weight.add_(self.velocity, alpha=-self.sgd.lr)


class _Dense(torch.autograd.Function):
    """A dense layer whose backward pass takes the weights' SGD step, after the input's gradient was made of them."""

    @staticmethod
    def forward(ctx, value, anchor, weight, bias):
        ctx.save_for_backward(value)
        ctx.weight, ctx.bias = weight, bias
        return torch.addmm(bias.weight, value, weight.weight)

    @staticmethod
    def backward(ctx, gradient):
        (value,) = ctx.saved_tensors
        before = gradient @ ctx.weight.weight.t() if ctx.needs_input_grad[0] else None
        ctx.weight.add_product(value.t(), gradient)
        ctx.bias.add(gradient.sum(dim=0))
        return before, None, None, None


_PLAIN = {
    "relu": lambda layer: torch.relu_,
    "pool": lambda layer: lambda value: functional.max_pool2d(value, layer["size"]),
    "dropout": lambda layer: lambda value: functional.dropout(value, layer["rate"], training=True),
    "flatten": lambda layer: lambda value: value.permute(0, 2, 3, 1).flatten(start_dim=1),
    "softmax": lambda layer: lambda value: functional.softmax(value, dim=1),
}


def _channels_last(part, shape):
    """Flat memory as a tensor of canonical `shape` (out, in, height, width) whose channels lie closest."""
    out, channels, height, width = shape
    return part.view(out, height, width, channels).permute(0, 3, 1, 2)


def _images(layers, shape):
    """Return (channel, height, width) of what goes into each layer up to flatten, where samples are of `shape`."""
    found = []
    channels, height, width = shape
    for layer in layers:
        found.append((channels, height, width))
        if layer["kind"] == "conv":
            channels = layer["out"]
            height, width = (side - layer["kernel"] + 1 for side in (height, width))
        elif layer["kind"] == "pool":
            height, width = (side // layer["size"] for side in (height, width))
        elif layer["kind"] == "flatten":
            return found
    raise ValueError("a model without a flatten layer")


def has_zeros(layers):
    """Whether there is a convolution whose gradient has a max-pool's zeros: one follows it and its ReLU."""
    return any(layer["kind"] == "pooled conv" for layer in _pool_first(layers, skip_zeros=True))


def _pool_first(layers, skip_zeros):
    """Return the layers with each max-pool before the ReLU that it followed, and before the bias of a convolution."""
    found = []
    for layer in layers:
        found.append(layer)
        kinds = [own["kind"] for own in found[-3:]]
        if kinds[-2:] == ["relu", "pool"]:
            found[-2:] = reversed(found[-2:])
        if kinds == ["conv", "relu", "pool"]:
            conv, pool, relu = found[-3:]
            if skip_zeros:
                pooled = [{**conv, "kind": "pooled conv", "size": pool["size"]}]
            else:
                pooled = [{**conv, "kind": "conv without bias"}, pool]
            found[-3:] = [*pooled, {**conv, "kind": "bias"}, relu]
    return found
