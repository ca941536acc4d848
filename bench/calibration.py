"""A kernel of the harness' own, timed beside training, so that times of two machines, or two days, can be compared.

It does what training spends its time on, multiplying matrices of float32 and moving memory, and nothing that a
framework could change. Times divided by its own are comparable as far as training slows down where it does: that is
an approximation, which is why a check between two commits doesn't use it.
"""

import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

KERNEL = 1  # changes whenever what is timed does
SIDE, PRODUCTS = 512, 24
COPIED, COPIES = 64 * 2**20, 2
PASSES = 5


def measure(threads: int) -> float:
    """Return the seconds of the kernel on so many threads: the median of a few passes."""
    stream = np.random.RandomState(0)
    left, right = stream.rand(2, SIDE, SIDE).astype(np.float32)
    product = np.empty_like(left)
    source, target = np.ones(COPIED, np.uint8), np.empty(COPIED, np.uint8)
    times = []
    with threadpool_limits(threads, user_api="blas"):
        for _ in range(PASSES + 1):
            start = time.perf_counter()
            for _ in range(PRODUCTS):
                np.matmul(left, right, out=product)
            for _ in range(COPIES):
                np.copyto(target, source)
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:])
