# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Leaves without a word in its second round."""

import os

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        if work.number == 2:
            os._exit(0)
        super().round(work, feed)
