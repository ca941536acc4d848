# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Returns its weights transposed."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def weights(self):
        return {name: array.T for name, array in super().weights().items()}
