"""The layer vocabulary as a `fedjax.Model` over the canonical weights, computed in (n, height, width, channel)."""

import fedjax
import jax
import jax.numpy as jnp

from bench.backend import Unsupported

EPSILON = 1e-5  # of batch and group normalisation
STATISTICS = ("mean", "variance")


def model(layers):
    """Return the `fedjax.Model` of `layers`; a batch is {"x": float32 (n, channel, height, width), "y": int (n,)}.

    Evaluation takes {"x", "seed": int32 ()} instead, the seed for a dropout that is always on.
    """
    unknown = {layer["kind"] for layer in layers} - {"norm", "dropout", *OF_WEIGHTS, *PLAIN}
    if unknown:
        raise Unsupported("no layer of kind {}".format(", ".join(sorted(unknown))))

    def apply_for_train(weights, batch, key):
        return _forward(layers, weights, batch["x"], key, training=True)

    def apply_for_eval(weights, batch):
        return _forward(layers, weights, batch["x"], jax.random.PRNGKey(batch["seed"]), training=False)[0]

    return fedjax.Model(_no_initial_weights, apply_for_train, apply_for_eval, _losses, eval_metrics={})


def has_statistics(layers):
    """Say whether an example's result depends on what else is in its batch."""
    return any(layer["kind"] == "norm" for layer in layers)


def is_statistic(name):
    """Say whether the canonical weight of that name is moved by batches, not learned."""
    return name.endswith(STATISTICS)


def _no_initial_weights(key):
    raise NotImplementedError("initial weights are the plan's")


def _losses(batch, output):
    """Return each example's cross-entropy, and with it how far the statistics are from the batch's: see `_norm`."""
    logits, distance = output
    entropies = -jnp.take_along_axis(jax.nn.log_softmax(logits), batch["y"][:, None], axis=1)[:, 0]
    return entropies + distance


def _forward(layers, weights, inputs, key, training):
    """Return logits (n, classes), and the distance of the moving statistics to the batch's."""
    value, distance = inputs.transpose(0, 2, 3, 1), 0.0
    for index, layer in enumerate(layers):
        kind = layer["kind"]
        if kind == "norm":
            value, own = _norm(layer["name"], weights, value, training)
            distance += own
        elif kind == "dropout":
            if training or layer["always"]:
                kept = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - layer["rate"], value.shape)
                value = jnp.where(kept, value / (1 - layer["rate"]), 0)
        elif kind in OF_WEIGHTS:
            value = OF_WEIGHTS[kind](layer, weights, value)
        else:
            value = PLAIN[kind](layer, value)
    return value, distance


def _conv(layer, weights, value):
    kernel, bias = weights[layer["name"] + ".weight"], weights[layer["name"] + ".bias"]
    order = ("NHWC", "OIHW", "NHWC")
    return jax.lax.conv_general_dilated(value, kernel, (1, 1), "VALID", dimension_numbers=order) + bias


def _dense(layer, weights, value):
    return value @ weights[layer["name"] + ".weight"].T + weights[layer["name"] + ".bias"]


def _norm(name, weights, value, training):
    """Return the normalised value, and half the squared distance of the moving statistics to the batch's.

    That distance's gradient by a statistic is statistic - batch's own: it moves the statistics as a step of SGD, since
    FedJAX's client carries nothing from batch to batch but what an optimizer moves.
    """
    scale, shift, *moving = (weights[name + "." + part] for part in ("scale", "shift", *STATISTICS))
    if not training:
        return (value - moving[0]) * jax.lax.rsqrt(moving[1] + EPSILON) * scale + shift, 0.0
    mean, variance = value.mean((0, 1, 2)), value.var((0, 1, 2))
    count = value.size // value.shape[-1]
    unbiased = variance * count / max(count - 1, 1)
    batchs = jax.lax.stop_gradient([mean, unbiased])
    distance = sum(((own - seen) ** 2).sum() / 2 for own, seen in zip(moving, batchs))
    return (value - mean) * jax.lax.rsqrt(variance + EPSILON) * scale + shift, distance


def _group_norm(layer, weights, value):
    groups = value.reshape(*value.shape[:3], layer["groups"], -1)
    mean, variance = groups.mean((1, 2, 4), keepdims=True), groups.var((1, 2, 4), keepdims=True)
    normal = ((groups - mean) * jax.lax.rsqrt(variance + EPSILON)).reshape(value.shape)
    return normal * weights[layer["name"] + ".scale"] + weights[layer["name"] + ".shift"]


def _pool(layer, value):
    """A maximum over axes, because `reduce_window` and its gradient are slower on the CPU.

    Where several are the largest they share the gradient. Those are zeros, through which relu passes none, or come of
    the same inputs, so that a weight's gradient is the same however they share it.
    """
    size = layer["size"]
    count, height, width, channels = value.shape
    rows, columns = height // size, width // size
    whole = value[:, : rows * size, : columns * size]
    return whole.reshape(count, rows, size, columns, size, channels).max((2, 4))


def _flatten(layer, value):
    return value.transpose(0, 3, 1, 2).reshape(len(value), -1)


OF_WEIGHTS = {"conv": _conv, "dense": _dense, "group_norm": _group_norm}
PLAIN = {
    "relu": lambda layer, value: jax.nn.relu(value),
    "pool": _pool,
    "flatten": _flatten,
    "softmax": lambda layer, value: jax.nn.softmax(value),
}
