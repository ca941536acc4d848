# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Leaves a child behind that holds every descriptor."""

import os
import time

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def open(self, job, weights):
        super().open(job, weights)
        if os.fork() == 0:
            with open("orphan.pid", "w") as file:
                file.write(str(os.getpid()))
            time.sleep(600)
            os._exit(0)
