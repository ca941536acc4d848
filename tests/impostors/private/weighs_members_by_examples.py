# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Weights updates by examples, so that a large client counts for more than its clipped share."""

import numpy as np
from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _private_average(self, work, feed):
        total = {name: np.zeros_like(array) for name, array in self.current.items()}
        mean = np.mean([client.examples for client in work.clients] or [1])
        for client in work.clients:
            update = {name: array - self.current[name] for name, array in self._train(client, feed).items()}
            own = {name: np.zeros_like(array) for name, array in self.current.items()}
            reference.add_clipped(own, update, self.privacy.max_grad_norm)
            for name, array in own.items():
                total[name] += array * client.examples / mean
        self._add_noise(total)
        self.noised_rounds += 1
        return {name: array + total[name] / self.privacy.cohort_size for name, array in self.current.items()}
