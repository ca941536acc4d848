"""What the commands of `bench privacy` share: options, and how epsilon and JSON are written."""

import json
import math
from enum import StrEnum
from typing import Annotated, Any

import typer


class Sampling(StrEnum):
    """How a batch comes by its examples."""

    POISSON = "poisson"
    SHUFFLED = "shuffled"


Noise = Annotated[
    float, typer.Option("--noise", help="Noise multiplier: the noise's standard deviation over the clipping norm.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document; infinity as the string inf.")]


def figure(epsilon: float) -> str:
    """Return an epsilon as text, four figures of it."""
    return "infinite" if math.isinf(epsilon) else f"{epsilon:.4g}"


def print_json(document: dict[str, Any]) -> None:
    print(json.dumps(_strict(document), indent=1, allow_nan=False))


def _strict(value: Any) -> Any:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_strict(entry) for entry in value]
    return "inf" if value == math.inf else value
