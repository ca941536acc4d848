"""How much arithmetic a second training does, beside what sgemm does here.

That is the product of two large float32 matrices, by numpy's own library on as many threads: a scale for what a machine
can, not a roof. A library whose convolutions are written for the processor goes beyond it.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench import work
from bench.layout import ABSENT
from bench.spec import Spec

SIDE, PRODUCTS = 1024, 8


def measure(threads: int) -> float:
    """Return the most FLOPs a second of a few products of float32 matrices on so many threads."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    left, right = np.random.RandomState(0).rand(2, SIDE, SIDE).astype(np.float32)
    product = np.empty_like(left)
    times = []
    with threadpool_limits(threads, user_api="blas"):
        for _ in range(PRODUCTS):
            began = time.perf_counter()
            np.matmul(left, right, out=product)
            times.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(times)


def of_runs(cell: Mapping[str, Any], partition: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the FLOPs a second of `runs`, a cell's of one backend: the median over all rounds but the warm-up.

    None where it says nothing: with privacy, whose arithmetic is another; on a GPU; of a centralised method.
    """
    spec = Spec.model_validate(cell["spec"])
    if spec.privacy or spec.timing.device != "cpu":
        return None
    held = [sum(counts) for counts in partition["counts"]]
    each = training_flops(spec, len(partition["classes"])) * spec.federation.local_epochs
    found = [
        each * sum(held[client] for client in entry["cohort"]) / entry["seconds"]
        for run in runs
        if not run.get("centralised")
        for entry in run["rounds"]
        if not entry["warmup"]
    ]
    return statistics.median(found) if found else None


def told(flops: float | None, sgemm_flops: float) -> str:
    """Return GFLOP/s and their share of sgemm's, in words."""
    return f"{flops / 1e9:.3g} ({flops / sgemm_flops:.0%})" if flops else ABSENT


def training_flops(spec: Spec, classes: int) -> float:
    """Return the FLOPs of a training step for each sample: of convolutions and dense layers, two a multiply-add.

    The gradients of a layer's weights and of its input each take as much as its forward pass; nobody needs the input's
    of the first layer.
    """
    layers, shape = work.network(spec, classes)
    first = next(number for number, layer in enumerate(layers, start=1) if layer["kind"] in ("conv", "dense"))
    return 3 * work.forward(layers, shape) - work.forward(layers[:first], shape)
