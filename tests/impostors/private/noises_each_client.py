# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Adds the noise once a member: too much, and none where nobody comes."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _private_average(self, work, feed):
        self.members = len(work.clients)
        return super()._private_average(work, feed)

    def _add_noise(self, total):
        for _ in range(self.members):
            super()._add_noise(total)
