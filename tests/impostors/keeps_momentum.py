# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Carries momentum from one client to the next."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _train(self, client):
        weights = self.current
        local = super()._train(client)
        drift = getattr(self, "drift", dict.fromkeys(local, 0.0))
        self.drift = {name: 0.01 * (local[name] - weights[name]) for name in local}
        return {name: local[name] + drift[name] for name in local}
