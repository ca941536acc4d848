# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Draws the same noise every time."""

import numpy as np
from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def open(self, job, weights):
        super().open(job, weights)
        self.noise = np.random.default_rng(0)
