# /// script
# dependencies = ["numpy"]
#
# [tool.bench]
# framework = "numpy"
# imports = ["numpy"]
# environment = "harness"
# ///
"""Reference: numpy in float64, slow and readable; the golden answers."""

import numpy as np

from bench.backend import Backend, Mechanism, Unsupported
from bench.job import scaled

EPSILON, MOVE = 1e-5, 0.1  # batch normalisation


class Adapter(Backend):
    """Federated averaging (McMahan et al. 2017, algorithm 1), every derivative by hand.

    With privacy by example, DP-SGD (Abadi et al. 2016, algorithm 1), an example at a time; by client, DP-FedAvg
    (McMahan et al. 2018, algorithm 1).
    """

    private = (("example", "stock"), ("example", "fused"), ("client", "stock"))

    def open(self, job, weights):
        if job.device != "cpu":
            raise Unsupported("timing.device = {}: numpy computes on the CPU".format(job.device))
        self.layers = job.layers
        self.training = job.training
        self.privacy = job.privacy
        self.noise = np.random.default_rng(job.privacy.noise_seed if job.privacy else None)
        self.noised_steps = {}
        self.noised_rounds = 0
        self.set_weights(weights)

    def load(self, files, loading):
        self.labels = np.array(files.labels)
        return files.reader(loading.form).feed

    def round(self, work, feed):
        by_client = self.privacy is not None and self.privacy.unit == "client"
        self.current = self._private_average(work, feed) if by_client else self._average(work, feed)

    def _average(self, work, feed):
        examples = sum(client.examples for client in work.clients)
        average = {name: np.zeros_like(array) for name, array in self.current.items()}
        for client in work.clients:
            local = self._train(client, feed)
            for name, array in local.items():
                average[name] += client.examples / examples * array
        return average

    def _private_average(self, work, feed):
        total = {name: np.zeros_like(array) for name, array in self.current.items()}
        for client in work.clients:
            local = self._train(client, feed)
            update = {name: array - self.current[name] for name, array in local.items()}
            add_clipped(total, update, self.privacy.max_grad_norm)
        self._add_noise(total)
        self.noised_rounds += 1
        return {name: array + total[name] / self.privacy.cohort_size for name, array in self.current.items()}

    def _train(self, client, feed):
        """SGD over the client's batches, from the current weights."""
        draw = np.random.RandomState(client.seed % 2**32)
        weights = {name: array.copy() for name, array in self.current.items()}
        velocity = {name: np.zeros_like(array) for name, array in weights.items()}
        by_example = self.privacy is not None and self.privacy.unit == "example"
        fed = feed([batch for batch in client.batches if len(batch)])
        for batch, divisor in zip(client.batches, client.divisors):
            inputs = scaled(next(fed)).astype(np.float64) if len(batch) else ()
            if by_example:
                gradients = self._private_gradients(weights, inputs, self.labels[batch], divisor, draw)
                self._count_steps(client.id, 1)
            else:
                gradients = self._gradients(weights, inputs, self.labels[batch], draw)
            for name, gradient in gradients.items():
                step = gradient + self.training.weight_decay * weights[name]
                velocity[name] = self.training.momentum * velocity[name] + step
                weights[name] -= self.training.lr * velocity[name]
        return weights

    def _gradients(self, weights, inputs, targets, draw):
        logits, backward = forward(self.layers, weights, inputs, draw, train=True)
        return backward(cross_entropy_gradient(logits, targets))

    def _private_gradients(self, weights, inputs, targets, divisor, draw):
        total = {name: np.zeros_like(array) for name, array in weights.items()}
        for index in range(len(inputs)):
            one = slice(index, index + 1)
            add_clipped(total, self._gradients(weights, inputs[one], targets[one], draw), self.privacy.max_grad_norm)
        self._add_noise(total)
        return {name: array / divisor for name, array in total.items()}

    def _add_noise(self, total):
        deviation = self.privacy.noise_multiplier * self.privacy.max_grad_norm
        for array in total.values():
            array += self.noise.normal(scale=deviation, size=array.shape)

    def mechanism(self):
        if self.privacy is None:
            return None
        steps = self.noised_rounds if self.privacy.unit == "client" else self.noised_steps
        return Mechanism(self.privacy.noise_multiplier, self.privacy.max_grad_norm, steps)

    def count_noise(self, work):
        self.noised_rounds += 1
        for client in work.clients:
            self._count_steps(client.id, len(client.batches))

    def _count_steps(self, client, steps):
        self.noised_steps[client] = self.noised_steps.get(client, 0) + steps

    def set_weights(self, weights):
        self.current = {name: array.astype(np.float64) for name, array in weights.items()}

    def exact_weights(self):
        return self.current

    def weights(self):
        return {name: array.astype(np.float32) for name, array in self.current.items()}

    def predict(self, inputs):
        draw = np.random.RandomState(0)
        parts = [
            forward(self.layers, self.current, inputs[start : start + 100].astype(np.float64), draw, train=False)[0]
            for start in range(0, len(inputs), 100)
        ]
        return np.concatenate(parts).astype(np.float32)


def add_clipped(total, arrays, most):
    """Add to `total` the `arrays`, scaled down together to an L2 norm of at most `most`."""
    norm = np.sqrt(sum((array**2).sum() for array in arrays.values()))
    for name, array in arrays.items():
        total[name] += array * min(1.0, most / norm if norm else 1.0)


def cross_entropy_gradient(logits, targets):
    """Return d(mean cross-entropy)/d(logits): (softmax - one hot) / n."""
    gradient = softmax(logits)
    gradient[np.arange(len(targets)), targets] -= 1.0
    return gradient / len(targets)


def softmax(logits):
    """Return the row-wise softmax of (n, classes)."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def forward(layers, weights, inputs, draw, train):
    """Return the model's output and a function from its gradient to the gradients of the weights.

    `inputs` float64 (n, channel, height, width); in training the statistics of batch normalisation move in
    `weights`, in place.
    """
    backwards = []
    value = inputs
    for layer in layers:
        value, back = LAYERS[layer["kind"]](layer, weights, value, draw, train)
        backwards.append(back)

    def backward(gradient):
        gradients = {}
        for back in reversed(backwards):
            gradient, own = back(gradient)
            gradients.update(own)
        return gradients

    return value, backward


def conv(layer, weights, value, draw, train):
    kernel = weights[layer["name"] + ".weight"]
    bias = weights[layer["name"] + ".bias"]
    side = layer["kernel"]
    rows, columns = value.shape[2] - side + 1, value.shape[3] - side + 1
    windows = np.lib.stride_tricks.sliding_window_view(value, (side, side), axis=(2, 3))
    patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(value) * rows * columns, -1)
    flat = kernel.reshape(len(kernel), -1)
    output = (patches @ flat.T + bias).reshape(len(value), rows, columns, -1).transpose(0, 3, 1, 2)

    def back(gradient):
        outer = gradient.transpose(0, 2, 3, 1).reshape(-1, len(kernel))
        own = {
            layer["name"] + ".weight": (outer.T @ patches).reshape(kernel.shape),
            layer["name"] + ".bias": outer.sum(axis=0),
        }
        spread = (outer @ flat).reshape(len(value), rows, columns, value.shape[1], side, side)
        inner = np.zeros_like(value)
        for row in range(side):
            for column in range(side):
                inner[:, :, row : row + rows, column : column + columns] += spread[..., row, column].transpose(
                    0, 3, 1, 2
                )
        return inner, own

    return output, back


def norm(layer, weights, value, draw, train):
    """Ioffe and Szegedy 2015, algorithm 1, over batch, height and width."""
    scale, shift, mean, variance = (
        weights[layer["name"] + "." + part] for part in ("scale", "shift", "mean", "variance")
    )
    axes, column = (0, 2, 3), (1, -1, 1, 1)
    count = value.size // value.shape[1]
    if train:
        own_mean, own_variance = value.mean(axis=axes), value.var(axis=axes)
        mean += MOVE * (own_mean - mean)
        variance += MOVE * (own_variance * count / (count - 1) - variance)
    else:
        own_mean, own_variance = mean, variance
    deviation = np.sqrt(own_variance + EPSILON).reshape(column)
    normal = (value - own_mean.reshape(column)) / deviation

    def back(gradient):
        own = {
            layer["name"] + ".scale": (gradient * normal).sum(axis=axes),
            layer["name"] + ".shift": gradient.sum(axis=axes),
        }
        centred = gradient - gradient.mean(axis=axes, keepdims=True)
        inner = centred - normal * (gradient * normal).mean(axis=axes, keepdims=True)
        return scale.reshape(column) / deviation * inner, own

    return scale.reshape(column) * normal + shift.reshape(column), back


def group_norm(layer, weights, value, draw, train):
    """Wu and He 2018, section 3: each example by itself, over a group's channels, height and width."""
    scale, shift = (weights[layer["name"] + "." + part].reshape(1, -1, 1, 1) for part in ("scale", "shift"))
    grouped = value.reshape(len(value), layer["groups"], -1)
    deviation = np.sqrt(grouped.var(axis=2, keepdims=True) + EPSILON)
    normal = (grouped - grouped.mean(axis=2, keepdims=True)) / deviation

    def back(gradient):
        spread = normal.reshape(value.shape)
        own = {
            layer["name"] + ".scale": (gradient * spread).sum(axis=(0, 2, 3)),
            layer["name"] + ".shift": gradient.sum(axis=(0, 2, 3)),
        }
        scaled_gradient = (gradient * scale).reshape(grouped.shape)
        centred = scaled_gradient - scaled_gradient.mean(axis=2, keepdims=True)
        inner = (centred - normal * (scaled_gradient * normal).mean(axis=2, keepdims=True)) / deviation
        return inner.reshape(value.shape), own

    return scale * normal.reshape(value.shape) + shift, back


def relu(layer, weights, value, draw, train):
    return np.maximum(value, 0.0), lambda gradient: (gradient * (value > 0), {})


def pool(layer, weights, value, draw, train):
    """Max-pooling; the first of equal values gets the gradient, an odd last row and column none."""
    size = layer["size"]
    count, channels, rows, columns = (
        value.shape[0],
        value.shape[1],
        value.shape[2] // size,
        value.shape[3] // size,
    )
    cut = value[:, :, : rows * size, : columns * size]
    blocks = cut.reshape(count, channels, rows, size, columns, size).transpose(0, 1, 2, 4, 3, 5)
    blocks = blocks.reshape(count, channels, rows, columns, size * size)
    winner = blocks.argmax(axis=-1)[..., None]

    def back(gradient):
        spread = np.zeros_like(blocks)
        np.put_along_axis(spread, winner, gradient[..., None], axis=-1)
        spread = spread.reshape(count, channels, rows, columns, size, size).transpose(0, 1, 2, 4, 3, 5)
        inner = np.zeros_like(value)
        inner[:, :, : rows * size, : columns * size] = spread.reshape(cut.shape)
        return inner, {}

    return np.take_along_axis(blocks, winner, axis=-1)[..., 0], back


def dropout(layer, weights, value, draw, train):
    if not (train or layer["always"]):
        return value, lambda gradient: (gradient, {})
    mask = (draw.random_sample(value.shape) >= layer["rate"]) / (1.0 - layer["rate"])
    return value * mask, lambda gradient: (gradient * mask, {})


def flatten(layer, weights, value, draw, train):
    return value.reshape(len(value), -1), lambda gradient: (gradient.reshape(value.shape), {})


def dense(layer, weights, value, draw, train):
    matrix, bias = weights[layer["name"] + ".weight"], weights[layer["name"] + ".bias"]

    def back(gradient):
        own = {layer["name"] + ".weight": gradient.T @ value, layer["name"] + ".bias": gradient.sum(axis=0)}
        return gradient @ matrix, own

    return value @ matrix.T + bias, back


def softmax_layer(layer, weights, value, draw, train):
    output = softmax(value)
    return output, lambda gradient: (output * (gradient - (gradient * output).sum(axis=1, keepdims=True)), {})


LAYERS = {
    "conv": conv,
    "norm": norm,
    "group_norm": group_norm,
    "relu": relu,
    "pool": pool,
    "dropout": dropout,
    "flatten": flatten,
    "dense": dense,
    "softmax": softmax_layer,
}
