# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Raises in its second round."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        if work.number == 2:
            raise RuntimeError("out of cheese")
        super().round(work, feed)
