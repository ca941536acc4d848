# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Has an accountant that claims too little."""

from reference import adapter as reference

from bench.backend import Figure


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def figures(self):
        return [Figure("A cheap accountant", "pld", "poisson", 0.1, None)]
