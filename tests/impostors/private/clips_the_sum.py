# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Clips the sum of the updates, not each client's."""

import numpy as np
from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _private_average(self, work, feed):
        total = {name: np.zeros_like(array) for name, array in self.current.items()}
        summed = {name: np.zeros_like(array) for name, array in self.current.items()}
        for client in work.clients:
            for name, array in self._train(client, feed).items():
                summed[name] += array - self.current[name]
        reference.add_clipped(total, summed, self.privacy.max_grad_norm)
        self._add_noise(total)
        self.noised_rounds += 1
        return {name: array + total[name] / self.privacy.cohort_size for name, array in self.current.items()}
