# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Trains a little differently when it reads from files, by less than any certificate sees."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def load(self, files, loading):
        if loading.form != "memory":
            self.training = self.training._replace(lr=self.training.lr * 1.0001)
        return super().load(files, loading)
