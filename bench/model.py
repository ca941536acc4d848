"""The layer vocabulary, the models written in it, the canonical weight layout and the initial weights.

A model is a list of plain layers (JSON), so that every backend builds it from the same words. Canonical
weights are float32 numpy arrays in the order of `layout`: inputs are (batch, channel, height, width),
convolutions (out, in, height, width), dense layers (out, in), and flatten keeps (channel, height, width)
order. Convolutions have stride 1 and no padding; max-pooling drops an odd last row and column.
Batch normalisation uses epsilon 1e-5 and moves its statistics by 0.1 a step, the variance unbiased
(Ioffe and Szegedy 2015, algorithm 1 and section 3.1); its statistics are averaged like any other weight.
Group normalisation (Wu and He 2018, section 3) uses the same epsilon and has no statistics to keep.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import draws
from bench.errors import UserError
from bench.spec import Model

GROUPS = 8  # of channels, in group normalisation

Layer = Mapping[str, Any]
Layout = tuple[tuple[str, tuple[int, ...]], ...]
Weights = dict[str, npt.NDArray[np.float32]]


class _Writer:
    """Writes layers one after another and keeps track of the shape between them."""

    def __init__(self, shape: tuple[int, ...], settings: Model):
        self.given = self.shape = shape
        self.settings = settings
        self.layers: list[dict[str, Any]] = []

    def _count(self, kind: str) -> int:
        return sum(layer["kind"] == kind for layer in self.layers) + 1

    def conv(self, out: int, kernel: int = 3) -> None:
        channels, height, width = self.shape
        name = f"conv{self._count('conv')}"
        self.layers.append({"kind": "conv", "name": name, "in": channels, "out": out, "kernel": kernel})
        if min(height, width) < kernel:
            raise UserError(
                f"model.name: samples of {self.given[1]} x {self.given[2]} are too small for these convolutions;"
                " mlp takes any"
            )
        self.shape = (out, height - kernel + 1, width - kernel + 1)
        if self.settings.batch_norm:
            name = f"norm{self._count('norm')}"
            self.layers.append({"kind": "norm", "name": name, "channels": out})
        if self.settings.group_norm:
            name = f"norm{self._count('group_norm')}"
            self.layers.append({"kind": "group_norm", "name": name, "channels": out, "groups": GROUPS})

    def relu(self) -> None:
        self.layers.append({"kind": "relu"})

    def pool(self, size: int = 2) -> None:
        channels, height, width = self.shape
        self.layers.append({"kind": "pool", "size": size})
        self.shape = (channels, height // size, width // size)

    def dropout(self, rate: float) -> None:
        if self.settings.dropout:
            always = self.settings.dropout_always_on
            self.layers.append({"kind": "dropout", "rate": rate, "always": always})

    def flatten(self) -> None:
        self.layers.append({"kind": "flatten"})
        self.shape = (math.prod(self.shape),)

    def dense(self, out: int) -> None:
        name = f"dense{self._count('dense')}"
        self.layers.append({"kind": "dense", "name": name, "in": self.shape[0], "out": out})
        self.shape = (out,)


def _deck_cnn(write: _Writer, classes: int) -> None:
    write.conv(32)
    write.relu()
    write.conv(64)
    write.relu()
    write.pool(2)
    write.dropout(0.25)
    write.flatten()
    write.dense(128)
    write.relu()
    write.dropout(0.5)
    write.dense(classes)


def _mlp(write: _Writer, classes: int) -> None:
    write.flatten()
    write.dense(32)
    write.relu()
    write.dropout(0.25)
    write.dense(classes)


_MODELS = {"deck-cnn": _deck_cnn, "mlp": _mlp}


def layers(settings: Model, shape: tuple[int, ...], classes: int) -> list[dict[str, Any]]:
    """Return the model as layers, for inputs of `shape` (channel, height, width)."""
    write = _Writer(shape, settings)
    _MODELS[settings.name](write, classes)
    if settings.softmax_in_model:
        write.layers.append({"kind": "softmax"})
    return write.layers


def layout(model: list[dict[str, Any]]) -> Layout:
    """Return name and shape of every weight, in canonical order."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for layer in model:
        name = layer.get("name")
        if layer["kind"] == "conv":
            found.append((f"{name}.weight", (layer["out"], layer["in"], layer["kernel"], layer["kernel"])))
            found.append((f"{name}.bias", (layer["out"],)))
        elif layer["kind"] == "dense":
            found.append((f"{name}.weight", (layer["out"], layer["in"])))
            found.append((f"{name}.bias", (layer["out"],)))
        elif layer["kind"] == "norm":
            found += [(f"{name}.{part}", (layer["channels"],)) for part in ("scale", "shift", "mean", "variance")]
        elif layer["kind"] == "group_norm":
            found += [(f"{name}.{part}", (layer["channels"],)) for part in ("scale", "shift")]
    return tuple(found)


def initial_weights(model: list[dict[str, Any]], seed: int) -> Weights:
    """Draw weights uniformly within +-1/sqrt(fan in) (He et al. 2015, as torch scales its layers).

    Only multiplications of exact draws, so the float32 values are the same on every machine.
    """
    weights: Weights = {}
    shapes = dict(layout(model))
    for index, (name, shape) in enumerate(shapes.items()):
        layer, part = name.split(".")
        if part in ("weight", "bias"):
            fan_in = math.prod(shapes[f"{layer}.weight"][1:])
            draw = draws.uniforms(seed, "weights", index, np.arange(math.prod(shape))).reshape(shape)
            weights[name] = ((2.0 * draw - 1.0) / math.sqrt(fan_in)).astype(np.float32)
        else:
            weights[name] = np.full(shape, 1.0 if part in ("scale", "variance") else 0.0, np.float32)
    return weights
