# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Adds more noise than was asked for."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def mechanism(self):
        return super().mechanism()._replace(noise_multiplier=2.0)
