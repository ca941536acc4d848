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
        self.asked = job.privacy.max_grad_norm
        self.privacy = job.privacy._replace(max_grad_norm=1e9)

    def _add_noise(self, total):
        for array in total.values():
            array += self.noise.normal(scale=self.privacy.noise_multiplier * self.asked, size=array.shape)

    def mechanism(self):
        return super().mechanism()._replace(max_grad_norm=self.asked)
