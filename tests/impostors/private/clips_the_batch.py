# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Clips the gradient of the batch, not each example's."""

import numpy as np
from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _private_gradients(self, weights, inputs, targets, divisor, draw):
        total = {name: np.zeros_like(array) for name, array in weights.items()}
        if len(inputs):
            gradients = self._gradients(weights, inputs, targets, draw)
            summed = {name: len(inputs) * gradient for name, gradient in gradients.items()}
            reference.add_clipped(total, summed, self.privacy.max_grad_norm)
        self._add_noise(total)
        return {name: array / divisor for name, array in total.items()}
