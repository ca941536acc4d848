# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Sees its images upside down."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def load(self, files, form):
        super().load(files, form)
        self.samples = self.samples[:, :, ::-1]
