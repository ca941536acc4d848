# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Adds half the noise that it tells of."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _add_noise(self, total):
        deviation = self.privacy.noise_multiplier * self.privacy.max_grad_norm
        for array in total.values():
            array += self.noise.normal(scale=deviation / 2, size=array.shape)
