# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Prints a great deal on standard output, some of it like an event."""

import os

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        for _ in range(2000):
            print('["Done", {"rounds": 9}]')
        os.write(1, b"\xff\x00 garbage\n")
        super().round(work, feed)
