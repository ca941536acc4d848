# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Trains in float64 and keeps float32 in its checkpoints."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def exact_weights(self):
        return self.weights()
