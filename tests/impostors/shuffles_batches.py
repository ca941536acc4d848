# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Takes each client's batches in an order of its own."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _train(self, client, feed):
        return super()._train(client._replace(batches=client.batches[::-1]), feed)
