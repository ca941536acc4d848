"""Brings samples to torch, shared by every backend that trains with it.

Two ways: fedbench's own gather, a batch at a time, and `torch.utils.data.DataLoader` over a `Dataset`, a sample at
a time, as most training code is written.
"""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from bench.backend import Unsupported


def feeder(files, loading):
    """Return a function from batches (index arrays) to an iterator over uint8 tensors (n, channel, height, width)."""
    if loading.form == "image-native":
        sample = pillow_sample(files)
    else:
        reader = files.reader(loading.form)
        sample = reader.sample
    if loading.loader == "framework":
        return ByDataLoader(Samples(sample, len(files.labels)), loading.workers)
    return lambda batches: map(torch.from_numpy, reader.feed(batches))


class Samples(Dataset):
    """`sample(index)` gives a numpy array, read when it is asked for."""

    def __init__(self, sample, length):
        self.sample = sample
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.from_numpy(self.sample(index))


class ByDataLoader:
    """One DataLoader for the whole job, so that its workers live on from round to round; only the order changes."""

    def __init__(self, samples, workers):
        self.order = []
        self.loader = DataLoader(
            samples,
            batch_sampler=self.order,
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # the loader draws a seed it never needs, and dropout's masks would move
        )

    def __call__(self, batches):
        self.order[:] = batches
        return iter(self.loader)


def pillow_sample(files):
    """Return what reads a sample by Pillow, as torchvision's ImageFolder and Resize do: torch itself has no decoder."""
    try:
        from PIL import Image
    except ImportError as error:
        raise Unsupported("data.form = image-native: Pillow is not in this environment") from error
    channels, height, width = files.shape

    def sample(index):
        with Image.open(files.images[index]) as image:
            small = image.convert("L" if channels == 1 else "RGB").resize((width, height), Image.BILINEAR)
        return np.ascontiguousarray(np.array(small).reshape(height, width, channels).transpose(2, 0, 1))

    return sample


def scaled(samples):
    """Return a uint8 tensor as the float32 that everyone trains on, to the last bit `bench.job.scaled`."""
    return samples.to(torch.float32).div_(255.0)
