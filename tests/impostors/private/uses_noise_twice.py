# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Draws one stream for every tensor."""

import numpy as np
from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _add_noise(self, total):
        seed = np.random.default_rng().integers(2**62)
        for name, array in total.items():
            self.noise = np.random.default_rng(seed)
            super()._add_noise({name: array})
