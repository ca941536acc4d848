"""The noise of differential privacy: a stream of its own, because dropout's follows from the plan."""

import os

import numpy as np
import torch

WORDS, BEFORE = 624, 24  # of the Mersenne Twister in torch's state on a CPU: 64 bits each, after 24 bytes


def stream(privacy, device):
    """Return a generator of the operating system's randomness, or of `privacy.noise_seed` in tests.

    On a CPU torch's generator takes 32 bits of a seed, which can be tried out; so its whole state is drawn instead.
    """
    generator = torch.Generator(device)
    if privacy.noise_seed is not None:
        return generator.manual_seed(privacy.noise_seed)
    generator.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
    if generator.device.type == "cpu":
        state = generator.get_state().numpy().copy()
        words = np.frombuffer(os.urandom(4 * WORDS), np.uint32).astype(np.uint64)
        state[BEFORE : BEFORE + 8 * WORDS] = words.view(np.uint8)
        generator.set_state(torch.from_numpy(state))
    return generator
