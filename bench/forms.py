"""The forms in which the same samples lie on disk, and how each is read: one sample, or a batch.

Also runs inside backend environments: standard library and numpy only (OpenCV for `image`), Python 3.7.
"""

import mmap

import numpy as np


class Rows:
    """Samples in one array: in memory, or mapped from a file."""

    def __init__(self, array):
        self._mapped = array if isinstance(array, np.memmap) else None
        self._rows = np.asarray(array)  # a memmap costs microseconds more at every access

    def sample(self, index):
        """Return sample `index`, uint8 (channel, height, width), a copy."""
        return np.array(self._rows[index])

    def batch(self, indices):
        """Return the samples `indices`, uint8 (n, channel, height, width), a copy."""
        return self._rows.take(indices, axis=0)

    def feed(self, batches):
        """Return an iterator over the samples of each of `batches`."""
        return map(self.batch, batches)

    def let_go(self):
        """Give the mapped pages back, because the system drops no page that somebody holds (Python 3.8)."""
        if self._mapped is not None and hasattr(mmap.mmap, "madvise"):
            self._mapped._mmap.madvise(mmap.MADV_DONTNEED)


class FileEach:
    """Samples in a file each: `read` makes one of a path."""

    def __init__(self, paths, shape, read):
        self._paths = paths
        self._shape = shape
        self._read = read

    def sample(self, index):
        """Return sample `index`, uint8 (channel, height, width)."""
        return self._read(self._paths[index])

    def batch(self, indices):
        """Return the samples `indices`, uint8 (n, channel, height, width)."""
        samples = np.empty((len(indices),) + self._shape, np.uint8)
        for place, index in enumerate(indices):
            samples[place] = self.sample(index)
        return samples

    def feed(self, batches):
        """Return an iterator over the samples of each of `batches`."""
        return map(self.batch, batches)

    def let_go(self):
        """Nothing is held between two samples."""
