# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Has privacy by example only, and by one engine."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with less."""

    private = (("example", "stock"),)
