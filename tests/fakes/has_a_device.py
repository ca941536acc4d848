# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Tells of a device's memory, as one that computes on a GPU does."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with a device."""

    def peak_device_bytes(self):
        return 3 * 2**20
