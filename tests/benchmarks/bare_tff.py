"""Federated averaging of the study's network in plain TFF, as a person writes it for one experiment.

argv: a JSON file of settings. `rounds` trains, and writes the final weights. Runs in TFF's own environment; nothing of
fedbench is in it.
"""

import json
import os
import sys
import warnings
from collections import OrderedDict

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import tensorflow as tf  # noqa: E402
import tensorflow_federated as tff  # noqa: E402

with open(sys.argv[1]) as file:
    settings = json.load(file)
tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
tf.config.threading.set_inter_op_parallelism_threads(settings["threads"])

plan = {name: np.load("{}/{}.npy".format(settings["plan"], name)) for name in settings["arrays"]}
images = np.load(settings["images"]).astype(np.float32) / np.float32(255)
images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
labels = np.load(settings["labels"]).astype(np.int32)
side = (images.shape[1] - 4) // 2


def native(name, weight):
    """A weight as TensorFlow lays it out."""
    if name == "dense1.weight":
        return weight.reshape(-1, 64, side, side).transpose(2, 3, 1, 0).reshape(-1, len(weight))
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T


def canonical(name, weight):
    """The way back."""
    if name == "dense1.weight":
        return weight.reshape(side, side, 64, -1).transpose(3, 2, 0, 1).reshape(weight.shape[1], -1)
    return weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T


with np.load("{}/weights.npz".format(settings["plan"])) as stored:
    names = stored.files
    initial = tuple(np.ascontiguousarray(native(name, stored[name])) for name in names)


def dropout(values, rate, seed, layer):
    mask = tf.random.experimental.stateless_fold_in(seed, layer)
    return tf.nn.experimental.stateless_dropout(values, rate, mask)


@tf.function
def predict(weights, inputs, training):
    conv1, bias1, conv2, bias2, dense1, bias3, dense2, bias4 = weights[0]
    value = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs["images"], conv1, 1, "VALID"), bias1))
    value = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(value, conv2, 1, "VALID"), bias2))
    value = dropout(tf.nn.max_pool2d(value, 2, 2, "VALID"), 0.25, inputs["seed"], 5)
    value = tf.reshape(value, (-1, 64 * side * side))
    value = tf.nn.relu(tf.nn.bias_add(tf.matmul(value, dense1), bias3))
    return tf.nn.bias_add(tf.matmul(dropout(value, 0.5, inputs["seed"], 9), dense2), bias4)


@tf.function
def loss(output, label, sample_weight=None):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=output))


@tf.function
def start():
    return OrderedDict(examples=tf.constant(0))


@tf.function
def update(state, labels, batch_output, sample_weight=None):
    return OrderedDict(examples=state["examples"] + tf.size(labels))


@tf.function
def finish(state):
    return state


model = tff.learning.models.FunctionalModel(
    initial_weights=(initial, ()),
    predict_on_batch_fn=predict,
    loss_fn=loss,
    metrics_fns=(start, update, finish),
    input_spec=(
        OrderedDict(images=tf.TensorSpec((None, *images.shape[1:]), tf.float32), seed=tf.TensorSpec((2,), tf.int32)),
        tf.TensorSpec((None,), tf.int32),
    ),
)
process = tff.learning.algorithms.build_weighted_fed_avg(
    model,
    tff.learning.optimizers.build_sgdm(settings["lr"], settings["momentum"] or None),
    server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
    loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
)
state = process.set_model_weights(process.initialize(), tff.learning.models.ModelWeights(initial, ()))


def dataset(slot):
    """One client's batches, which the plan has in full ones and a last, smaller one."""
    first, last = plan["slot_batches"][slot : slot + 2]
    picked = plan["batch_samples"][plan["batch_offsets"][first] : plan["batch_offsets"][last]]
    seeds = np.random.SeedSequence(int(plan["slot_seeds"][slot])).generate_state(2 * int(last - first))
    inputs = OrderedDict(
        images=tf.data.Dataset.from_tensor_slices(images[picked]).batch(settings["batch_size"]),
        seed=tf.data.Dataset.from_tensor_slices(seeds.view(np.int32).reshape(-1, 2)),
    )
    return tf.data.Dataset.zip(
        (inputs, tf.data.Dataset.from_tensor_slices(labels[picked]).batch(settings["batch_size"]))
    )


def rounds():
    """Train a round each time that the next is asked for; write the final weights after the last."""
    global state
    for number in range(settings["rounds"]):
        slots = range(*plan["cohort_offsets"][number : number + 2])
        state = process.next(state, [dataset(slot) for slot in slots]).state
        yield
    final = process.get_model_weights(state).trainable
    np.savez(settings["weights"], **{name: canonical(name, np.asarray(own)) for name, own in zip(names, final)})
