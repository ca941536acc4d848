# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Adds a twentieth of the noise that it reports: what no certificate sees, because a probe adds none."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _add_noise(self, total):
        reported = self.privacy
        self.privacy = reported._replace(noise_multiplier=reported.noise_multiplier / 20)
        super()._add_noise(total)
        self.privacy = reported
