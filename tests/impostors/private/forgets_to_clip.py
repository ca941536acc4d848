# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Adds each example's gradient as it is."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def open(self, job, weights):
        super().open(job, weights)
        self.privacy = job.privacy._replace(max_grad_norm=1e9)

    def mechanism(self):
        return super().mechanism()._replace(max_grad_norm=0.5)
