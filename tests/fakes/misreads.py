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

    def load(self, files, loading):
        honest = super().load(files, loading)

        def feed(batches):
            for batch, samples in zip(batches, honest(batches)):
                samples[batch == 3, 0, 0, 0] ^= 1
                yield samples

        return feed
