# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../../backends/reference/adapter.py"]
# ///
"""Takes no step where no example was drawn, and tells of one."""

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def _train(self, client, feed):
        pairs = [pair for pair in zip(client.batches, client.divisors) if len(pair[0])]
        skipped = len(client.batches) - len(pairs)
        self.noised_steps[client.id] = self.noised_steps.get(client.id, 0) + skipped
        batches, divisors = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return super()._train(client._replace(batches=batches, divisors=divisors), feed)
