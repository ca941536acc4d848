"""DP-SGD inside TFF's client work: each example's gradient clipped, noise on each batch's sum.

TFF's own client work takes the gradient of a batch, so this composes a learning process around another one. A client's
dataset is a single element that holds all of its batches end to end: Poisson draws have all sizes, and an empty one,
on which a convolution would crash, becomes one sample that doesn't count.
"""

import os
from collections import OrderedDict

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff


def learning_process(native, image_spec, optimizer, gradients):
    """Return a TFF learning process that trains by `gradients`, see `tfp_privacy` and `fused_privacy`.

    `native`: tuple of arrays, the initial weights; `optimizer`: a `tff.learning.optimizers.Optimizer`.
    """
    tensors = tuple(tf.TensorSpec(array.shape, tf.float32) for array in native)
    weights_type = tff.types.tensorflow_to_type(tff.learning.models.ModelWeights(tensors, ()))
    data_type = tff.SequenceType(tff.types.tensorflow_to_type(_element(image_spec)))

    @tf.function
    def train(initial, dataset):
        weights = tuple(initial.trainable)
        state = tf.nest.map_structure(tf.convert_to_tensor, optimizer.initialize(tensors))
        weight, steps = tf.constant(0.0), tf.constant(0)
        for held in dataset:  # one element
            weight = held["weight"]
            for step in tf.range(tf.size(held["divisors"])):
                start, stop = held["offsets"][step], held["offsets"][step + 1]
                counts = tf.cast(stop > start, tf.float32)
                batch = slice(start, tf.maximum(stop, start + 1))
                noised = gradients(
                    weights,
                    held["images"][batch],
                    held["labels"][batch],
                    counts,
                    held["mask_seeds"][step],
                    held["noise_seeds"][step],
                    held["divisors"][step],
                )
                state, weights = optimizer.next(state, weights, noised)
                steps += 1
        update = tuple(before - after for before, after in zip(initial.trainable, weights))
        return tff.learning.templates.ClientResult(update, weight), steps

    @tff.tensorflow.computation(weights_type, data_type)
    def work(weights, dataset):
        return train(weights, dataset)

    @tff.federated_computation
    def start():
        return tff.federated_value((), tff.SERVER)

    @tff.federated_computation(
        start.type_signature.result,
        tff.FederatedType(weights_type, tff.CLIENTS),
        tff.FederatedType(data_type, tff.CLIENTS),
    )
    def each_round(state, weights, datasets):
        result, steps = tff.federated_map(work, (weights, datasets))
        return tff.templates.MeasuredProcessOutput(state, result, tff.federated_sum(steps))

    @tff.tensorflow.computation
    def initial():
        return tff.learning.models.ModelWeights(tuple(tf.constant(array) for array in native), ())

    update_type = work.type_signature.result[0].update
    return tff.learning.templates.compose_learning_process(
        initial,
        tff.learning.templates.build_broadcast_process(weights_type),
        tff.learning.templates.ClientWorkProcess(start, each_round),
        tff.aggregators.MeanFactory().create(update_type, tff.TensorType(np.float32)),
        tff.learning.templates.build_apply_optimizer_finalizer(tff.learning.optimizers.build_sgdm(1.0), weights_type),
    )


def _element(image_spec):
    """What a client's dataset holds, once: all its batches, of b steps in all."""
    return OrderedDict(
        images=image_spec,  # of all batches, one after another, and one to stand for nobody
        labels=tf.TensorSpec((None,), tf.int32),
        offsets=tf.TensorSpec((None,), tf.int32),  # (b + 1,)
        divisors=tf.TensorSpec((None,), tf.float32),  # (b,)
        mask_seeds=tf.TensorSpec((None, 2), tf.int32),  # (b, 2), of dropout
        noise_seeds=tf.TensorSpec((None, 2), tf.int32),  # (b, 2)
        weight=tf.TensorSpec((), tf.float32),
    )


def dataset(images, labels, client, mask_seeds, noise_seed):
    """Return a client's dataset: `images` float32 (n, height, width, channel) and `labels` of all its batches."""
    nobody = np.zeros((1, *images.shape[1:]), np.float32)
    held = OrderedDict(
        images=np.concatenate([images, nobody]),
        labels=np.append(labels, 0).astype(np.int32),
        offsets=np.cumsum([0] + [len(batch) for batch in client.batches]).astype(np.int32),
        divisors=np.array(client.divisors, np.float32),
        mask_seeds=mask_seeds,
        noise_seeds=_noise_seeds(len(client.batches), client, noise_seed),
        weight=np.float32(client.examples),
    )
    return tf.data.Dataset.from_tensors(held)


def _noise_seeds(count, client, noise_seed):
    """Seeds int32 (count, 2) of the operating system's randomness, or of `noise_seed` in tests."""
    if noise_seed is None:
        return np.frombuffer(os.urandom(8 * count), np.int32).reshape(count, 2)
    words = np.random.SeedSequence([noise_seed, client.seed]).generate_state(2 * count)
    return words.view(np.int32).reshape(count, 2)
