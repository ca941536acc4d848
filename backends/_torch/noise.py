"""The noise of differential privacy: a stream of its own, because dropout's is seeded by the plan, which all know."""

import os

import torch


def stream(privacy, device):
    """Return a generator seeded by the operating system's randomness, or by `privacy.noise_seed` in tests."""
    seed = privacy.noise_seed
    if seed is None:
        seed = int.from_bytes(os.urandom(8), "little") >> 1
    return torch.Generator(device).manual_seed(seed)
