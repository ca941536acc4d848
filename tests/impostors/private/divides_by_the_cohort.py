# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Divides by who came, which tells whether one more did."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _private_average(self, work, feed):
        asked = self.privacy
        self.privacy = asked._replace(cohort_size=max(1, len(work.clients)))
        average = super()._private_average(work, feed)
        self.privacy = asked
        return average
