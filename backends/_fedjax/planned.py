"""FedJAX's client datasets over the plan: what they are asked to shuffle and batch is in the plan's order already."""

import fedjax
import numpy as np


class PlannedDataset(fedjax.ClientDataset):
    """A client whose batches are the plan's, whatever FedJAX asks for, and are read as they are asked for.

    `batches` is a function from a `bench.job.Client` to an iterable of its batches. Its length is the client's
    weight in the average.
    """

    def __init__(self, client, batches):
        super().__init__({"sample": np.concatenate(client.batches)})
        self.client = client
        self.batches = batches

    def __len__(self):
        return self.client.examples

    def shuffle_repeat_batch(self, hparams=None, **kwargs):
        return self.batches(self.client)


def key(seed):
    """Return the key of a client's random numbers, all 63 bits of its seed."""
    return np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)


def padded(batch, batch_size):
    """Return a batch of arrays with zeros up to its bucket's size, and the mask by which FedJAX leaves these out.

    As `fedjax.ClientDataset.padded_batch` does, with as many buckets as `batch_size` can be halved; the gradient is
    that of the mean over the true examples.
    """
    count = len(batch["y"])
    size = bucket(count, batch_size)
    own = {name: np.pad(array, [(0, size - count)] + [(0, 0)] * (array.ndim - 1)) for name, array in batch.items()}
    return {**own, fedjax.EXAMPLE_MASK_KEY: np.arange(size) < count}


def bucket(count, batch_size):
    """Return the smallest size that holds `count` examples, of `batch_size` halved again and again."""
    while batch_size // 2 >= count:
        batch_size //= 2
    return batch_size
