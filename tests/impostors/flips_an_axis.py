# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Sees its images upside down while it trains; what it feeds when asked is right."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        super().round(work, lambda batches: (fed[:, :, ::-1] for fed in feed(batches)))
