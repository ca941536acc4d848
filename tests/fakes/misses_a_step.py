# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Leaves noise out of each client's last step."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def mechanism(self):
        told = super().mechanism()
        return told._replace(steps={client: steps - 1 for client, steps in told.steps.items()})
