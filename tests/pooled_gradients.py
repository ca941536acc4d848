"""Run in torch's environment: how far `_torch.sparse`'s gradients are from those that torch makes in float64.

Reads cases from standard input, JSON lists of [images, channels, side, outs, kernel, pool, share of values that have a
gradient], and writes for each the largest difference of either gradient over its largest value, and whether a second
pass gave the same bits.
"""

import json
import sys

import torch
from _torch import sparse


def main():
    torch.set_num_threads(1)
    json.dump([compare(*case) for case in json.load(sys.stdin)], sys.stdout)


def compare(images, channels, side, outs, kernel, pool, share):
    torch.manual_seed(0)
    given = drawn(images, channels, side, side), drawn(outs, channels, kernel, kernel)
    gradients = sparse.compiled(channels, side, kernel, pool)
    pooled = sparse.PooledConvolution.apply(*given, gradients)
    gradient = torch.randn(pooled.shape) * (torch.rand(pooled.shape) < share)
    found = torch.autograd.grad(pooled, given, gradient)
    again = torch.autograd.grad(sparse.PooledConvolution.apply(*given, gradients), given, gradient)
    # of two close values the other may be the greater in float64
    _, places = torch.nn.functional.max_pool2d(torch.conv2d(*given), pool, return_indices=True)
    exact = [own.detach().double().requires_grad_() for own in given]
    pooled = torch.conv2d(*exact).flatten(2).gather(2, places.flatten(2)).view_as(pooled)
    wanted = torch.autograd.grad(pooled, exact, gradient.double())
    return {
        "off": [
            float((own - right).abs().max() / right.abs().max().clamp(min=1e-30))
            for own, right in zip(found, wanted, strict=True)
        ],
        "again": all(map(torch.equal, found, again)),
    }


def drawn(*shape):
    return torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()


main()
