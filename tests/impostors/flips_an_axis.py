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

    def round(self, work):
        honest = self.feed
        self.feed = lambda batches: (fed[:, :, ::-1] for fed in honest(batches))
        super().round(work)
        self.feed = honest
