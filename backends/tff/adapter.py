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
# needs = [
#     "_tensorflow/feeding.py",
#     "_tensorflow/layers.py",
#     "_tensorflow/private_examples.py",
#     "_tensorflow/tfp_privacy.py",
#     "_tensorflow/fused_privacy.py",
# ]
# computes_with = "tensorflow"
# transport = "across processes"
# loader = "tf.data, a sample at a time (packed and memory: a batch)"
# decoder = "tf.io.decode_image"
# ///
"""TensorFlow Federated: its learning API's federated averaging, run by its native executor.

The model is one `FunctionalModel`: pure functions of the weights, because a Keras model's own dropout can't
be seeded anew each step, and TFF throws away what Keras batch normalisation moves.
"""

import os
import warnings
from collections import Counter, OrderedDict

import numpy as np

from bench.backend import Backend, Mechanism, Unsupported
from bench.job import scaled

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
warnings.filterwarnings("ignore")

import tensorflow as tf  # noqa: E402
import tensorflow_federated as tff  # noqa: E402
from _tensorflow import feeding, fused_privacy, layers, private_examples, tfp_privacy  # noqa: E402

MOVE = 0.1  # of batch normalisation's statistics
STATISTICS = ("mean", "variance")
PREDICTED_AT_ONCE = 500


class Adapter(Backend):
    """`tff.learning.algorithms.build_weighted_fed_avg`, weighted by each client's examples.

    With privacy by client, TFF's `build_unweighted_fed_avg` with its `DifferentiallyPrivateFactory` on the server; by
    example, a client work of our own around TensorFlow Privacy's optimizer, see `_tensorflow/private_examples.py`.
    """

    loaders = ("gather", "framework")
    private = (("example", "stock"), ("example", "fused"), ("client", "stock"))

    def open(self, job, weights):
        _refuse(job)
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        tf.config.threading.set_inter_op_parallelism_threads(job.threads)
        self.layers = job.layers
        self.layout = layers.Layout(job.layers, job.shape)
        self.names = tuple(weights)
        self.shape = job.shape
        channels, height, width = job.shape
        self.image_spec = tf.TensorSpec((None, height, width, channels), tf.float32)
        native = self.layout.native(weights)
        self.privacy = job.privacy
        self.batch_size = job.training.batch_size
        self.noised_rounds, self.noised_steps, self.held = 0, Counter(), {}
        self.held_weights = None
        self.process = self._process(native, job.training)
        self.state = self.process.initialize()
        self.set_weights(weights)
        self.forward = tf.function(
            lambda weights, images, seed: self._logits(weights, images, seed)[0], reduce_retracing=True
        )

    def _process(self, native, training):
        optimizer = _client_optimizer(self.names, training)
        if self.privacy is None:
            return tff.learning.algorithms.build_weighted_fed_avg(
                self._model(native), optimizer, **_as_averaging_does()
            )
        if self.privacy.unit == "client":
            if self.privacy.noise_seed is not None:
                raise Unsupported("privacy.noise_seed: TFF draws its own noise and takes no seed")
            private = tff.aggregators.DifferentiallyPrivateFactory.gaussian_fixed(
                self.privacy.noise_multiplier, float(self.privacy.cohort_size), self.privacy.max_grad_norm
            )
            return tff.learning.algorithms.build_unweighted_fed_avg(
                self._model(native), optimizer, model_aggregator=private, **_as_averaging_does()
            )
        engine = {"stock": tfp_privacy.ByLibrary, "fused": fused_privacy.Fused}[self.privacy.engine]
        return private_examples.learning_process(
            native, self.image_spec, optimizer, engine(self._training_logits, self.privacy).gradients
        )

    def load(self, files, loading):
        self.labels = np.array(files.labels, np.int32)
        return feeding.feeder(files, loading)

    def round(self, work, feed):
        self.held_weights = None
        if self.privacy and self.privacy.unit == "example":
            self._private_round(work, feed)
            return
        datasets = [self._dataset(client, feed) for client in work.clients]
        if not datasets:
            datasets = [self._nobody()]
        output = self.process.next(self.state, datasets)
        if _counted(output) != sum(client.examples for client in work.clients):
            raise FloatingPointError(self._left_out(work.clients, datasets))
        self.state = output.state
        if self.privacy:
            self.count_noise(work)

    def _private_round(self, work, feed):
        datasets = [self._private_dataset(client, feed) for client in work.clients]
        output = self.process.next(self.state, datasets)
        taken, planned = int(output.metrics["client_work"]), sum(len(client.batches) for client in work.clients)
        if taken != planned:
            raise ValueError("TFF's clients took {} steps, not {}".format(taken, planned))
        self.state = output.state
        self.count_noise(work)

    def count_noise(self, work):
        self.noised_rounds += 1
        for client in work.clients:
            self.noised_steps[client.id] += len(client.batches)
            self.held[client.id] = client.held

    def mechanism(self):
        told = self.privacy
        if told is None:
            return None
        steps = self.noised_rounds if told.unit == "client" else dict(self.noised_steps)
        return Mechanism(told.noise_multiplier, told.max_grad_norm, steps)

    def figures(self):
        told = self.privacy
        if (told.unit, told.engine) != ("example", "stock"):
            return []
        taken = [(held, min(self.batch_size, held), self.noised_steps[client]) for client, held in self.held.items()]
        return [tfp_privacy.statement(taken, told)]

    def set_weights(self, weights):
        self.held_weights = None
        native = tff.learning.models.ModelWeights(self.layout.native(weights), ())
        self.state = self.process.set_model_weights(self.state, native)

    def weights(self):
        return self.layout.canonical(zip(self.names, self._native_weights()))

    def predict(self, inputs):
        images = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
        if self.held_weights is None:  # until they change: to ask the process for them takes longer than to predict
            self.held_weights = tuple(tf.constant(array) for array in self._native_weights())
        logits = []
        for start in range(0, len(images), PREDICTED_AT_ONCE):
            part = tf.constant(images[start : start + PREDICTED_AT_ONCE])
            logits.append(self.forward(self.held_weights, part, tf.constant([0, start])))
        return np.concatenate(logits)

    def _native_weights(self):
        return self.process.get_model_weights(self.state).trainable

    def _logits(self, weights, images, seed, training=False, **tap):
        return layers.forward(self.layers, dict(zip(self.names, weights)), images, seed, training, **tap)

    def _training_logits(self, weights, images, seed, **tap):
        return self._logits(weights, images, seed, True, **tap)[0]

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
        images, labels = self._samples(client, feed)
        inputs = OrderedDict(
            images=_batched(images, client.batches),
            seed=tf.data.Dataset.from_tensor_slices(_mask_seeds(client)),
        )
        return tf.data.Dataset.zip((inputs, _batched(labels, client.batches)))

    def _samples(self, client, feed):
        """Return images float32 (n, height, width, channel) and labels of all the client's batches, end to end."""
        order = np.concatenate(client.batches)
        channels, height, width = self.shape
        images = np.empty((len(order), height, width, channels), np.uint8)
        start = 0
        for fed in feed([batch for batch in client.batches if len(batch)]):
            stop = start + len(fed)
            for channel, plane in enumerate(np.moveaxis(np.asarray(fed), 1, 0)):  # faster than to move the axis of all
                images[start:stop, ..., channel] = plane
            start = stop
        return scaled(images), self.labels[order]

    def _private_dataset(self, client, feed):
        images, labels = self._samples(client, feed)
        return private_examples.dataset(images, labels, client, _mask_seeds(client), self.privacy.noise_seed)

    def _nobody(self):
        """The dataset of a client without a sample, whose update is nothing: TFF needs one client to add noise."""
        channels, height, width = self.shape
        images, labels = np.empty((0, height, width, channels), np.float32), np.empty(0, np.int32)
        inputs = OrderedDict(
            images=tf.data.Dataset.from_tensor_slices(images).batch(1),
            seed=tf.data.Dataset.from_tensor_slices(np.empty((0, 2), np.int32)),
        )
        return tf.data.Dataset.zip((inputs, tf.data.Dataset.from_tensor_slices(labels).batch(1)))

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


def _as_averaging_does():
    return {
        "server_optimizer_fn": tff.learning.optimizers.build_sgdm(1.0),
        "loop_implementation": tff.learning.LoopImplementation.DATASET_ITERATOR,  # 20-25 % less CPU than reduce
    }


def _mask_seeds(client):
    """Seeds of dropout's masks, int32 (batches, 2)."""
    return np.random.SeedSequence(client.seed).generate_state(2 * len(client.batches)).view(np.int32).reshape(-1, 2)


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
