# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "tensorflow-federated==0.87.0",
#     "tensorflow-privacy==0.9.0",
#     "opencv-python-headless==4.11.0.86",
# ]
#
# [tool.uv]
# override-dependencies = ["jax==0.4.13", "jaxlib==0.4.13"]
#
# [tool.bench]
# framework = "tensorflow-federated"
# imports = ["tensorflow_federated"]
# needs = ["_tensorflow/feeding.py"]
# loader = "tf.data, a sample at a time (packed and memory: a batch)"
# decoder = "tf.io.decode_image"
# ///
"""TensorFlow Federated: its learning API's federated averaging, run by its native executor.

The model is one `FunctionalModel`: pure functions of the weights, because a Keras model's own dropout can't
be seeded anew each step, and TFF throws away what Keras batch normalisation moves.
"""

import os
import warnings
from collections import OrderedDict

import numpy as np

from bench.backend import Backend, Unsupported
from bench.job import scaled

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
warnings.filterwarnings("ignore")

import tensorflow as tf  # noqa: E402
import tensorflow_federated as tff  # noqa: E402
from _tensorflow import feeding  # noqa: E402

EPSILON, MOVE = 1e-5, 0.1  # batch normalisation
STATISTICS = ("mean", "variance")
PREDICTED_AT_ONCE = 500
AXES = {"conv": (2, 3, 1, 0), "dense": (1, 0)}  # of a canonical kernel, in TensorFlow's order


class Adapter(Backend):
    """`tff.learning.algorithms.build_weighted_fed_avg`, weighted by each client's examples."""

    loaders = ("gather", "framework")

    def open(self, job, weights):
        _refuse(job)
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        tf.config.threading.set_inter_op_parallelism_threads(job.threads)
        self.layers = job.layers
        self.layout = Layout(job.layers, job.shape)
        self.names = tuple(weights)
        channels, height, width = job.shape
        self.image_spec = tf.TensorSpec((None, height, width, channels), tf.float32)
        native = self.layout.native(weights)
        self.process = tff.learning.algorithms.build_weighted_fed_avg(
            self._model(native),
            client_optimizer_fn=_client_optimizer(self.names, job.training),
            server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
            loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,  # 20-25 % less CPU than reduce
        )
        start = tff.learning.models.ModelWeights(native, ())
        self.state = self.process.set_model_weights(self.process.initialize(), start)
        self.forward = tf.function(
            lambda weights, images, seed: self._logits(weights, images, seed)[0], reduce_retracing=True
        )

    def load(self, files, loading):
        self.labels = np.array(files.labels, np.int32)
        return feeding.feeder(files, loading)

    def round(self, work, feed):
        datasets = [self._dataset(client, feed) for client in work.clients]
        output = self.process.next(self.state, datasets)
        if _counted(output) != sum(client.examples for client in work.clients):
            raise FloatingPointError(self._left_out(work.clients, datasets))
        self.state = output.state

    def weights(self):
        return self.layout.canonical(zip(self.names, self._native_weights()))

    def predict(self, inputs):
        images = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
        weights = tuple(tf.constant(array) for array in self._native_weights())
        logits = []
        for start in range(0, len(images), PREDICTED_AT_ONCE):
            part = tf.constant(images[start : start + PREDICTED_AT_ONCE])
            logits.append(self.forward(weights, part, tf.constant([0, start])))
        return np.concatenate(logits)

    def _native_weights(self):
        return self.process.get_model_weights(self.state).trainable

    def _logits(self, weights, images, seed, training=False):
        return forward(self.layers, dict(zip(self.names, weights)), images, seed, training)

    def _model(self, native):
        """The layers as a TFF model. Statistics count as trainable: TFF sends and averages only those."""

        @tf.function
        def predict(model_weights, inputs, training):
            return self._logits(model_weights[0], inputs["images"], inputs["seed"], training)

        @tf.function
        def loss(output, label, sample_weight=None):
            logits, distance = output
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
            return tf.reduce_mean(entropy) + distance

        inputs = OrderedDict(images=self.image_spec, seed=tf.TensorSpec((2,), tf.int32))
        return tff.learning.models.FunctionalModel(
            initial_weights=(native, ()),
            predict_on_batch_fn=predict,
            loss_fn=loss,
            metrics_fns=_example_count(),
            input_spec=(inputs, tf.TensorSpec((None,), tf.int32)),
        )

    def _dataset(self, client, feed):
        seeds = np.random.SeedSequence(client.seed).generate_state(2 * len(client.batches)).view(np.int32)
        order = np.concatenate(client.batches)
        samples = np.concatenate([np.asarray(fed) for fed in feed(client.batches)])
        images = np.ascontiguousarray(scaled(samples).transpose(0, 2, 3, 1))
        inputs = OrderedDict(
            images=_batched(images, client.batches),
            seed=tf.data.Dataset.from_tensor_slices(seeds.reshape(-1, 2)),
        )
        return tf.data.Dataset.zip((inputs, _batched(self.labels[order], client.batches)))

    def _left_out(self, clients, datasets):
        """Say which clients TFF dropped: it does so silently when a client's weights are no longer finite."""
        lost = [
            client.id
            for client, dataset in zip(clients, datasets)
            if _counted(self.process.next(self.state, [dataset])) != client.examples
        ]
        return "TFF left clients {} out of the average: their weights are not finite".format(lost)


def _refuse(job):
    if job.training.compile:
        raise Unsupported("training.compile is torch.compile; TFF always traces graphs")
    if job.device != "cpu":
        reason = "timing.device = {}: TFF's native worker, as its wheel ships it, computes on the CPU"
        raise Unsupported(reason.format(job.device))


def _batched(samples, batches):
    """Return a dataset of `samples` in batches of the same sizes as `batches`, whatever these are.

    One `Dataset.batch` a run of equal batches and a smaller last one, which is an epoch: mapping a function
    over the batches would trace it anew for every client, a quarter of a round of small clients.
    """
    dataset = None
    for start, stop, size in feeding.runs([len(batch) for batch in batches]):
        run = tf.data.Dataset.from_tensor_slices(samples[start:stop]).batch(size)
        dataset = run if dataset is None else dataset.concatenate(run)
    return dataset


def _example_count():
    """Metrics functions that count the examples trained on; TFF resets them for a client it leaves out."""

    @tf.function
    def start():
        return OrderedDict(examples=tf.constant(0))

    @tf.function
    def update(state, labels, batch_output, sample_weight=None):
        return OrderedDict(examples=state["examples"] + tf.size(labels))

    @tf.function
    def finish(state):
        return state

    return start, update, finish


def _counted(output):
    return int(output.metrics["client_work"]["train"]["examples"])


def _client_optimizer(names, training):
    sgd = tff.learning.optimizers.build_sgdm(training.lr, training.momentum or None)
    statistics = [name.split(".")[1] in STATISTICS for name in names]
    if training.weight_decay or any(statistics):
        return DecayAndStatistics(sgd, statistics, training.weight_decay)
    return sgd


class DecayAndStatistics(tff.learning.optimizers.Optimizer):
    """What TFF's SGD lacks: weight decay, and batch statistics that move by a fixed share instead.

    A statistic's gradient is its distance to the batch's own, see `forward`.
    """

    def __init__(self, sgd, statistics, weight_decay):
        self.sgd = sgd
        self.statistics = statistics  # a bool a weight
        self.weight_decay = weight_decay

    def _learned(self, values):
        return tuple(value for value, statistic in zip(values, self.statistics) if not statistic)

    def initialize(self, specs):
        return self.sgd.initialize(self._learned(specs))

    def next(self, state, weights, gradients):
        learned = self._learned(weights)
        decayed = tuple(
            gradient + self.weight_decay * weight if self.weight_decay else gradient
            for weight, gradient in zip(learned, self._learned(gradients))
        )
        state, stepped = self.sgd.next(state, learned, decayed)
        stepped = iter(stepped)
        moved = tuple(
            weight - MOVE * gradient if statistic else next(stepped)
            for weight, gradient, statistic in zip(weights, gradients, self.statistics)
        )
        return state, moved

    def get_hparams(self, state):
        return self.sgd.get_hparams(state)

    def set_hparams(self, state, hparams):
        return self.sgd.set_hparams(state, hparams)


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


def forward(layers, weights, images, seed, training):
    """Return logits, and how far the moving statistics are from the batch's.

    That distance is half the squared one, so its gradient by a statistic is statistic - batch's own: it
    moves the statistics inside TFF's loop, which carries nothing from step to step but the weights.
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
        elif kind in ("conv", "dense"):
            value = _affine(kind, layer["name"], weights, value)
        else:
            value = PLAIN[kind](layer, value)
    return value, distance


def _affine(kind, name, weights, value):
    weight, bias = weights[name + ".weight"], weights[name + ".bias"]
    product = tf.nn.conv2d(value, weight, 1, "VALID") if kind == "conv" else tf.matmul(value, weight)
    return tf.nn.bias_add(product, bias)


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


PLAIN = {
    "relu": lambda layer, value: tf.nn.relu(value),
    "pool": lambda layer, value: tf.nn.max_pool2d(value, layer["size"], layer["size"], "VALID"),
    "flatten": lambda layer, value: tf.reshape(value, (-1, int(np.prod(value.shape[1:])))),
    "softmax": lambda layer, value: tf.nn.softmax(value),
}
