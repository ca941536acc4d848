# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py", "fakes/hang_in_round_six.py"]
# ///
"""Hangs in its sixth round as `hang_in_round_six` does, and can't go on from other weights after that."""

from fakes import hang_in_round_six


class Adapter(hang_in_round_six.Adapter):
    """A backend with one more fault."""

    def open(self, job, weights):
        super().open(job, weights)
        self.has_no_way_back = job.resume is not None

    def set_weights(self, weights):
        if getattr(self, "has_no_way_back", False):
            raise NotImplementedError("no way back")
        super().set_weights(weights)
