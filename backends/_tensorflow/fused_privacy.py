"""DP-SGD without an example's gradient of a dense layer ever being laid out: fedbench's own faster equal.

One backward pass brings the gradients of each layer's output. From them and the layer's input follows the norm of
each example's gradient: of a dense layer as a product of two norms (Goodfellow 2015, arXiv:1510.01799), of a small
convolution directly, by im2col (Rochette et al. 2019, arXiv:1912.06015). The clipped sum is then one more product,
the examples scaled by their clipping factors.
"""

import tensorflow as tf
from _tensorflow import layers


class Fused:
    """Clips and adds noise of the seeds that it is given."""

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
