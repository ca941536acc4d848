# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Writes down the rounds that it trains, and hangs in its sixth until a file `go-on` lies three folders up."""

import os
import time

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        if work.number == 6 and not os.path.exists("../../../go-on"):
            time.sleep(600)
        with open("trained", "a") as file:
            file.write("{}\n".format(work.number))
        super().round(work, feed)
