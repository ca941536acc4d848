# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Decodes a little differently: one pixel of one sample."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def feed(self, batches):
        for batch, samples in zip(batches, super().feed(batches)):
            samples[batch == 3, 0, 0, 0] ^= 1
            yield samples
