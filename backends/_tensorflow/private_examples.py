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
from _tensorflow import layers

from bench.backend import Figure, Unsupported

STATED = {"poisson": "Epsilon assuming Poisson sampling", "shuffled": "Epsilon with each example occurring once"}


def learning_process(native, image_spec, optimizer, gradients):
    """Return a TFF learning process that trains by `gradients`, a method of `ByLibrary` or `Fused`.

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


class ByLibrary:
    """TensorFlow Privacy's DP optimizer clips, adds its own noise and averages; vectorized, its fastest mode here."""

    def __init__(self, forward, privacy):
        """`forward`: from weights, images and a seed of dropout to logits; `tap` as in `layers.forward`."""
        try:
            from tensorflow_privacy import VectorizedDPKerasSGDOptimizer
        except ImportError as error:
            raise Unsupported("privacy.engine = stock: TensorFlow Privacy is not in this environment") from error
        if privacy.noise_seed is not None:
            raise Unsupported("privacy.noise_seed: TensorFlow Privacy draws its own noise and takes no seed")
        self.forward = forward
        self.optimizer = lambda: VectorizedDPKerasSGDOptimizer(
            l2_norm_clip=privacy.max_grad_norm, noise_multiplier=privacy.noise_multiplier
        )

    def gradients(self, weights, images, labels, counts, mask_seed, noise_seed, divisor):
        """Return the noised gradients; TensorFlow Privacy divides by the batch's length, fedbench by `divisor`."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = self.forward(weights, images, mask_seed)
            losses = counts * tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        pairs = self.optimizer()._compute_gradients(losses, list(weights), tape=tape)
        length = tf.cast(tf.shape(images)[0], tf.float32)
        return tuple(gradient * (length / divisor) for gradient, _ in pairs)


class Fused:
    """fedbench's own faster equal: no example's gradient of a dense layer is ever laid out.

    One backward pass brings the gradients of each layer's output. From them and the layer's input follows the norm of
    each example's gradient: of a dense layer as a product of two norms (Goodfellow 2015, arXiv:1510.01799), of a
    small convolution directly, by im2col (Rochette et al. 2019, arXiv:1912.06015). The clipped sum is then one more
    product, the examples scaled by their clipping factors.
    """

    def __init__(self, forward, privacy):
        self.forward = forward
        self.privacy = privacy

    def gradients(self, weights, images, labels, counts, mask_seed, noise_seed, divisor):
        """Return the noised gradients, as tuple in the order of `weights`."""
        deviation = self.privacy.noise_multiplier * self.privacy.max_grad_norm
        sums = self._clipped_sums(weights, images, labels, counts, mask_seed)
        if deviation:
            seeds = [tf.random.experimental.stateless_fold_in(noise_seed, index) for index in range(len(sums))]
            sums = [
                total + tf.random.stateless_normal(tf.shape(total), seed, stddev=deviation)
                for total, seed in zip(sums, seeds)
            ]
        return tuple(total / divisor for total in sums)

    def _clipped_sums(self, weights, images, labels, counts, mask_seed):
        taps = []
        with tf.GradientTape() as tape:

            def tap(layer, before, output):
                tape.watch(output)
                taps.append((layer, before, output))

            logits = self.forward(weights, images, mask_seed, tap=tap)
            losses = counts * tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_sum(losses)
        own = tape.gradient(loss, [output for _, _, output in taps])
        parts = [PARTS[layer["kind"]](layer, before, gradient) for (layer, before, _), gradient in zip(taps, own)]
        norms = tf.sqrt(tf.add_n([part.squared_norms() for part in parts]))
        factors = tf.minimum(1.0, tf.math.divide_no_nan(self.privacy.max_grad_norm, norms))
        return [total for part in parts for total in part.weighted_sums(factors)]


class Dense:
    """Weight (in, out) and bias (out,): an example's gradients are the outer product a x g, and g."""

    def __init__(self, layer, before, gradient):
        self.before, self.gradient = before, gradient

    def squared_norms(self):
        return (_squares(self.before) + 1.0) * _squares(self.gradient)

    def weighted_sums(self, factors):
        weighted = self.gradient * factors[:, None]
        return tf.matmul(self.before, weighted, transpose_a=True), tf.reduce_sum(weighted, axis=0)


class Laid:
    """Parameters so small that each example's gradient is laid out: (n, *shape) each."""

    def __init__(self, *gradients):
        self.gradients = gradients

    def squared_norms(self):
        return tf.add_n([_squares(own) for own in self.gradients])

    def weighted_sums(self, factors):
        return [tf.tensordot(factors, own, 1) for own in self.gradients]


def _squares(values):
    return tf.reduce_sum(tf.square(values), axis=list(range(1, len(values.shape))))


def _conv(layer, before, gradient):
    side, places = layer["kernel"], gradient.shape[1] * gradient.shape[2]
    patches = tf.image.extract_patches(before, [1, side, side, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    patches = tf.reshape(patches, (-1, places, side * side * layer["in"]))
    flat = tf.reshape(gradient, (-1, places, layer["out"]))
    weight = tf.matmul(patches, flat, transpose_a=True)
    return Laid(tf.reshape(weight, (-1, side, side, layer["in"], layer["out"])), tf.reduce_sum(flat, axis=1))


def _group_norm(layer, before, gradient):
    normal = layers.group_normal(layer, before)
    return Laid(tf.reduce_sum(gradient * normal, axis=(1, 2)), tf.reduce_sum(gradient, axis=(1, 2)))


PARTS = {"dense": Dense, "conv": _conv, "group_norm": _group_norm}


def statement(taken, privacy):
    """Return TensorFlow Privacy's own `Figure`: the largest of `taken`, (samples held, batch size, steps) a client."""
    from dp_accounting.rdp.rdp_privacy_accountant import DEFAULT_RDP_ORDERS
    from tensorflow_privacy import compute_dp_sgd_privacy_statement

    epsilons = []
    for held, size, steps in set(taken):
        by_epoch = -(-held // size)
        told = compute_dp_sgd_privacy_statement(
            number_of_examples=held,
            batch_size=size,
            num_epochs=(steps - 0.5) * size / held if privacy.sampling == "poisson" else steps // by_epoch,
            noise_multiplier=privacy.noise_multiplier,
            delta=privacy.delta,
            used_microbatching=False,
        )
        line = next(line for line in told.splitlines() if STATED[privacy.sampling] in line)
        epsilons.append(float(line.rpartition(":")[2]))
    return Figure(
        "TFP statement", "rdp", privacy.sampling, max(epsilons), [float(order) for order in DEFAULT_RDP_ORDERS]
    )
