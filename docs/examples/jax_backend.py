# /// script
# requires-python = ">=3.11"
# dependencies = ["jax", "numpy", "opencv-python-headless"]
#
# [tool.bench]
# framework = "jax"
# imports = ["jax"]
# ///
"""JAX: federated averaging in one file, the worked example of CONTRIBUTING.md."""

import jax
import jax.numpy as jnp
import numpy as np

from bench.backend import Backend, Unsupported
from bench.job import scaled


class Adapter(Backend):
    """Local SGD, jitted a step; one client after another."""

    def open(self, job, weights):
        if job.device != "cpu" or job.training.compile:
            raise Unsupported("this example runs on the CPU, and JAX compiles without being asked")
        unknown = {layer["kind"] for layer in job.layers} - {
            "conv",
            "relu",
            "pool",
            "dropout",
            "flatten",
            "dense",
            "softmax",
        }
        if unknown:
            raise Unsupported("no layer of kind {}".format(", ".join(sorted(unknown))))
        self.set_weights(weights)
        self.step = jax.jit(self._make_step(job.layers, job.training))
        self.logits = jax.jit(lambda weights, inputs: forward(job.layers, weights, inputs, None))

    def _make_step(self, layers, training):
        def loss(weights, inputs, targets, key):
            chances = jax.nn.log_softmax(forward(layers, weights, inputs, key))
            return -chances[jnp.arange(len(targets)), targets].mean()

        def step(weights, velocity, inputs, targets, key):
            gradients = jax.grad(loss)(weights, inputs, targets, key)
            gradients = jax.tree.map(lambda g, w: g + training.weight_decay * w, gradients, weights)
            velocity = jax.tree.map(lambda v, g: training.momentum * v + g, velocity, gradients)
            return jax.tree.map(lambda w, v: w - training.lr * v, weights, velocity), velocity

        return step

    def load(self, files, loading):
        self.labels = np.array(files.labels)
        return files.reader(loading.form).feed

    def round(self, work, feed):
        examples = sum(client.examples for client in work.clients)
        average = jax.tree.map(jnp.zeros_like, self.current)
        for client in work.clients:
            local = self._train(client, feed)
            average = jax.tree.map(lambda a, w, n=client.examples: a + n / examples * w, average, local)
        self.current = jax.block_until_ready(average)

    def _train(self, client, feed):
        weights, velocity = self.current, jax.tree.map(jnp.zeros_like, self.current)
        key = jax.random.key(client.seed % 2**32)
        for number, (batch, samples) in enumerate(zip(client.batches, feed(client.batches))):
            own = jax.random.fold_in(key, number)
            weights, velocity = self.step(weights, velocity, scaled(samples), self.labels[batch], own)
        return weights

    def set_weights(self, weights):
        self.current = {name: jnp.asarray(array) for name, array in weights.items()}

    def weights(self):
        return {name: np.asarray(array) for name, array in self.current.items()}

    def predict(self, inputs):
        return np.asarray(self.logits(self.current, inputs))


def forward(layers, weights, value, key):
    """Return the logits of `value` (n, channel, height, width); a `key` means training, with dropout."""
    for index, layer in enumerate(layers):
        kind, name = layer["kind"], layer.get("name")
        if kind == "conv":
            bias = weights[name + ".bias"][:, None, None]
            value = jax.lax.conv(value, weights[name + ".weight"], (1, 1), "VALID") + bias
        elif kind == "relu":
            value = jnp.maximum(value, 0)
        elif kind == "pool":
            window = (1, 1, layer["size"], layer["size"])
            value = jax.lax.reduce_window(value, -jnp.inf, jax.lax.max, window, window, "VALID")
        elif kind == "dropout" and (key is not None or layer["always"]):
            own = jax.random.fold_in(jax.random.key(0) if key is None else key, index)
            kept = jax.random.bernoulli(own, 1 - layer["rate"], value.shape)
            value = jnp.where(kept, value / (1 - layer["rate"]), 0)
        elif kind == "flatten":
            value = value.reshape(len(value), -1)
        elif kind == "dense":
            value = value @ weights[name + ".weight"].T + weights[name + ".bias"]
        elif kind == "softmax":
            value = jax.nn.softmax(value)
    return value
