# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Predicts one class too few."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def predict(self, inputs):
        return super().predict(inputs)[:, 1:]
