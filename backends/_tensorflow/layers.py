"""The layer vocabulary as TensorFlow functions of the weights, shared by every backend that trains with it."""

from collections import OrderedDict

import numpy as np
import tensorflow as tf

EPSILON = 1e-5  # of batch and group normalisation
AXES = {"conv": (2, 3, 1, 0), "dense": (1, 0)}  # of a canonical kernel, in TensorFlow's order


class Layout:
    """Canonical weights (out, in, height, width) to TensorFlow's (height, width, in, out), and back."""

    def __init__(self, layers, shape):
        self.axes = {layer["name"] + ".weight": AXES[layer["kind"]] for layer in layers if layer["kind"] in AXES}
        self.flattened = _flattened(layers, shape)

    def native(self, weights):
        """Return the arrays in the same order, as TensorFlow lays them out."""
        return tuple(self._native(name, np.asarray(array)) for name, array in weights.items())

    def canonical(self, native):
        """Return canonical name -> array of (name, native array) pairs."""
        return OrderedDict((name, self._canonical(name, np.asarray(array))) for name, array in native)

    def _native(self, name, array):
        if name in self.flattened:
            blocks = array.reshape((len(array),) + self.flattened[name]).transpose(2, 3, 1, 0)
            return np.ascontiguousarray(blocks.reshape(-1, len(array)))
        if name in self.axes:
            return np.ascontiguousarray(array.transpose(self.axes[name]))
        return array

    def _canonical(self, name, array):
        if name in self.flattened:
            channels, height, width = self.flattened[name]
            blocks = array.reshape(height, width, channels, -1).transpose(3, 2, 0, 1)
            return np.ascontiguousarray(blocks.reshape(len(blocks), -1))
        if name in self.axes:
            return np.ascontiguousarray(array.transpose(np.argsort(self.axes[name])))
        return array


def _flattened(layers, shape):
    """Return weight name -> the (channel, height, width) that were flattened before that dense layer."""
    found, before = {}, None
    channels, height, width = shape
    for layer in layers:
        if layer["kind"] == "conv":
            channels = layer["out"]
            height, width = height - layer["kernel"] + 1, width - layer["kernel"] + 1
        elif layer["kind"] == "pool":
            height, width = height // layer["size"], width // layer["size"]
        elif layer["kind"] == "flatten":
            before = (channels, height, width)
        elif layer["kind"] == "dense" and before:
            found[layer["name"] + ".weight"] = before
            before = None
    return found


def forward(layers, weights, images, seed, training, tap=lambda layer, before, output: None):
    """Return logits, and how far the moving statistics are from the batch's.

    That distance is half the squared one, so its gradient by a statistic is statistic - batch's own: it
    moves the statistics inside TFF's loop, which carries nothing from step to step but the weights.
    `tap` is shown each layer that has weights, with what it took and what it gave.
    """
    value, distance = images, tf.constant(0.0)
    for index, layer in enumerate(layers):
        kind = layer["kind"]
        if kind == "norm":
            value, own = _norm(layer["name"], weights, value, training)
            distance += own
        elif kind == "dropout":
            if training or layer["always"]:
                mask = tf.random.experimental.stateless_fold_in(seed, index)
                value = tf.nn.experimental.stateless_dropout(value, layer["rate"], mask)
        elif kind in OF_WEIGHTS:
            before, value = value, OF_WEIGHTS[kind](layer, weights, value)
            tap(layer, before, value)
        else:
            value = PLAIN[kind](layer, value)
    return value, distance


def _conv(layer, weights, value):
    product = tf.nn.conv2d(value, weights[layer["name"] + ".weight"], 1, "VALID")
    return tf.nn.bias_add(product, weights[layer["name"] + ".bias"])


def _dense(layer, weights, value):
    return tf.nn.bias_add(tf.matmul(value, weights[layer["name"] + ".weight"]), weights[layer["name"] + ".bias"])


def _group_norm(layer, weights, value):
    return group_normal(layer, value) * weights[layer["name"] + ".scale"] + weights[layer["name"] + ".shift"]


def group_normal(layer, value):
    """Return `value`, (n, height, width, channel), normalised by example and group of channels."""
    height, width, channels = value.shape[1:]
    grouped = tf.reshape(value, (-1, height, width, layer["groups"], channels // layer["groups"]))
    mean, variance = tf.nn.moments(grouped, (1, 2, 4), keepdims=True)
    return tf.reshape((grouped - mean) * tf.math.rsqrt(variance + EPSILON), (-1, height, width, channels))


def _norm(name, weights, value, training):
    scale, shift, mean, variance = (weights[name + "." + part] for part in ("scale", "shift", "mean", "variance"))
    if not training:
        return tf.nn.batch_normalization(value, mean, variance, shift, scale, EPSILON), 0.0
    # the raw operation: tf.nn's wrapper raises epsilon to 1.001e-5. Its variance is the unbiased one.
    normal = tf.raw_ops.FusedBatchNormV3(
        x=value, scale=scale, offset=shift, mean=[], variance=[], epsilon=EPSILON, is_training=True
    )
    own_mean, own_variance = tf.stop_gradient(normal.batch_mean), tf.stop_gradient(normal.batch_variance)
    return normal.y, tf.nn.l2_loss(mean - own_mean) + tf.nn.l2_loss(variance - own_variance)


OF_WEIGHTS = {"conv": _conv, "dense": _dense, "group_norm": _group_norm}
PLAIN = {
    "relu": lambda layer, value: tf.nn.relu(value),
    "pool": lambda layer, value: tf.nn.max_pool2d(value, layer["size"], layer["size"], "VALID"),
    "flatten": lambda layer, value: tf.reshape(value, (-1, int(np.prod(value.shape[1:])))),
    "softmax": lambda layer, value: tf.nn.softmax(value),
}
