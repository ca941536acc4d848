# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Was asked for privacy and tells of none."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def mechanism(self):
        return None
