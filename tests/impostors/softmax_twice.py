# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Applies softmax before the loss applies it."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def open(self, job, weights):
        super().open(job, weights)
        self.layers = [*self.layers, {"kind": "softmax"}]
