"""Brings samples to TensorFlow, in the adapter's own process: TFF's native worker has no Python kernels.

Two ways: fedbench's own gather, a batch at a time, and a `tf.data` pipeline: files are mapped a sample at a time and
batched, rows of one array are batched first, as TensorFlow's guide to tf.data performance has it.
"""

import os

import numpy as np
import tensorflow as tf

PREFETCHED = 2  # batches, where there are workers to read ahead


def feeder(files, loading):
    """Return a function from batches (index arrays) to an iterator over uint8 arrays (n, channel, height, width)."""
    form, workers = loading.form, loading.workers
    if loading.loader == "gather":
        return files.reader(form).feed
    if form in ("memory", "packed"):
        return ByPipeline(lambda order, size: order.batch(size).map(_rows(files, form), workers or None), workers)
    return ByPipeline(lambda order, size: order.map(_sample(files, form), workers or None).batch(size), workers)


class ByPipeline:
    """One `tf.data` pipeline, traced once; `workers` of its calls run in parallel, none means one after another."""

    def __init__(self, read, workers):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int64)])
        def pipeline(order, size):
            batches = read(tf.data.Dataset.from_tensor_slices(order), size)
            return batches.prefetch(PREFETCHED) if workers else batches

        self.pipeline = pipeline

    def __call__(self, batches):
        order = np.concatenate(batches)
        for start, stop, size in runs([len(batch) for batch in batches]):
            yield from self.pipeline(order[start:stop], size)


def runs(sizes):
    """Cut batch sizes into runs of equal ones, the last of which may be smaller: (start, stop, size) each."""
    found = []
    stop, last = 0, 0
    for size in sizes:
        if found and last == found[-1][2] >= size:
            found[-1][1] += size
        else:
            found.append([stop, stop + size, size])
        stop, last = stop + size, size
    return found


def _rows(files, form):
    """Return a graph function from indices to their samples."""
    reader = files.reader(form)
    if form == "memory":
        samples = tf.constant(reader.batch(np.arange(len(files.labels))))
        return lambda indices: tf.gather(samples, indices)
    return lambda indices: tf.numpy_function(reader.batch, [indices], tf.uint8)


def _sample(files, form):
    """Return a graph function from an index to its sample, with TensorFlow's own operations where they do the same."""
    if form == "npy":
        return _npy(files)
    if form == "image-native":
        return _decoded(files)
    reader = files.reader(form)
    return lambda index: tf.ensure_shape(tf.numpy_function(reader.sample, [index], tf.uint8), files.shape)


def _npy(files):
    """The files' headers are all of one length: what is more than a sample's bytes."""
    paths = tf.constant([os.fsencode(path) for path in files.npy])
    header = os.path.getsize(files.npy[0]) - int(np.prod(files.shape))

    def sample(index):
        content = tf.strings.substr(tf.io.read_file(paths[index]), header, -1)
        return tf.reshape(tf.io.decode_raw(content, tf.uint8), files.shape)

    return sample


def _decoded(files):
    paths = tf.constant([os.fsencode(path) for path in files.images])
    channels, height, width = files.shape

    def sample(index):
        image = tf.io.decode_image(tf.io.read_file(paths[index]), channels, expand_animations=False)
        small = tf.image.resize(image, (height, width), method="area")
        return tf.transpose(tf.cast(small, tf.uint8), (2, 0, 1))

    return sample
