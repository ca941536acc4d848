# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Weights clients by how many examples were drawn."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _average(self, work, feed):
        drawn = [client._replace(examples=sum(map(len, client.batches))) for client in work.clients]
        return super()._average(work._replace(clients=drawn), feed)
