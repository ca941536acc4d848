# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Draws one noise for all the steps of a round."""

import numpy as np
from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        self.shared = np.random.default_rng().integers(2**62)
        super().round(work, feed)

    def _add_noise(self, total):
        self.noise = np.random.default_rng(self.shared)
        super()._add_noise(total)
