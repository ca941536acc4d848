"""DP-SGD without an example's gradient ever being laid out: fedbench's own faster equal of Opacus' example level.

One backward pass brings the gradients of each layer's output. From them and the layer's input follows the norm of
each example's gradient: of a dense layer as a product of two norms (Goodfellow 2015, arXiv:1510.01799), of a small
convolution directly, by im2col (Rochette et al. 2019, arXiv:1912.06015). The clipped sum is then one more product,
the examples scaled by their clipping factors.
"""

import torch
from _torch import module, noise
from torch import nn


class ExampleLevel:
    """DP-SGD on the clients: each example's gradient clipped, noise on each batch's sum."""

    def __init__(self, model, training, privacy, device):
        self.model = model.requires_grad_(False)  # a weight's gradient is never asked for, only its layer's output's
        self.parameters = list(model.parameters())
        self.training = training
        self.privacy = privacy
        self.noise = noise.stream(privacy, device)
        self.counted = {}

    def begin(self, client):
        """Return what makes one SGD step: a function of inputs (None: an empty batch), targets and divisor."""
        optimizer = module.sgd(self.parameters, self.training)
        deviation = self.privacy.noise_multiplier * self.privacy.max_grad_norm

        def step(inputs, targets, divisor):
            if inputs is None:
                sums = [torch.zeros_like(parameter) for parameter in self.parameters]
            else:
                sums = clipped_sum(self.model, inputs, targets, self.privacy.max_grad_norm)
            for parameter, total in zip(self.parameters, sums):
                if deviation:
                    drawn = torch.empty_like(total).normal_(std=deviation, generator=self.noise)
                    total.add_(drawn)
                parameter.grad = total.div_(divisor)
            optimizer.step()
            self._count(client.id, 1)

        return step

    def count(self, work):
        """Count in the noise of a round that an earlier process trained."""
        for client in work.clients:
            self._count(client.id, len(client.batches))

    def _count(self, client, steps):
        self.counted[client] = self.counted.get(client, 0) + steps

    def steps(self):
        """Return client -> noised steps."""
        return dict(self.counted)

    def figures(self):
        """Return nothing: this is nobody's library."""
        return []


def clipped_sum(model, inputs, targets, max_grad_norm):
    """Return the sum over examples of their gradients, each clipped to `max_grad_norm`, in the parameters' order.

    `model` is an nn.Sequential whose parameters need no gradient; `inputs` float32 (n, ...), `targets` int64 (n,).
    """
    taps = []
    value = inputs
    for layer in model:
        before, value = value, layer(value)
        if type(layer) in PARTS:
            if not value.requires_grad:
                value.requires_grad_()
            taps.append((layer, before.detach(), value))
    loss = nn.functional.cross_entropy(value, targets, reduction="sum")
    gradients = torch.autograd.grad(loss, [output for _, _, output in taps])
    parts = [PARTS[type(layer)](layer, before, own) for (layer, before, _), own in zip(taps, gradients)]
    norms = torch.stack([part.squared_norms() for part in parts]).sum(dim=0).sqrt()
    factors = (max_grad_norm / norms).clamp(max=1.0)  # of a zero gradient: infinity, clamped
    return [total for part in parts for total in part.weighted_sums(factors)]


class Dense:
    """Weight (out, in) and bias (out,): an example's gradients are the outer product g x a, and g."""

    def __init__(self, layer, before, gradient):
        self.before, self.gradient = before, gradient

    def squared_norms(self):
        return (self.before.square().sum(dim=1) + 1.0) * self.gradient.square().sum(dim=1)

    def weighted_sums(self, factors):
        weighted = self.gradient * factors[:, None]
        return weighted.T @ self.before, weighted.sum(dim=0)


class Laid:
    """Parameters so small that each example's gradient is laid out: (n, *shape) each."""

    def __init__(self, *gradients):
        self.gradients = gradients

    def squared_norms(self):
        return sum(own.flatten(1).square().sum(dim=1) for own in self.gradients)

    def weighted_sums(self, factors):
        return [torch.tensordot(factors, own, dims=1) for own in self.gradients]


def _conv(layer, before, gradient):
    patches = nn.functional.unfold(before, layer.kernel_size)  # (n, in * kernel area, places)
    flat = gradient.flatten(2)
    weight = torch.bmm(flat, patches.transpose(1, 2)).view(len(before), *layer.weight.shape)
    return Laid(weight, flat.sum(dim=2))


def _group_norm(layer, before, gradient):
    normal = nn.functional.group_norm(before, layer.num_groups, eps=layer.eps)
    return Laid((gradient * normal).sum(dim=(2, 3)), gradient.sum(dim=(2, 3)))


PARTS = {nn.Linear: Dense, nn.Conv2d: _conv, nn.GroupNorm: _group_norm}
