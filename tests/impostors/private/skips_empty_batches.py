# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Takes no step where no example was drawn."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _train(self, client, feed):
        pairs = [pair for pair in zip(client.batches, client.divisors) if len(pair[0])]
        batches, divisors = zip(*pairs)
        return super()._train(client._replace(batches=batches, divisors=divisors), feed)
