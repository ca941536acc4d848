# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Divides by how many examples were drawn, which tells whether one more was."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _private_gradients(self, weights, inputs, targets, divisor, draw):
        return super()._private_gradients(weights, inputs, targets, max(1, len(inputs)), draw)
