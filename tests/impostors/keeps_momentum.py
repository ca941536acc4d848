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

    def _train(self, client, feed):
        weights = {name: array.copy() for name, array in self.current.items()}
        self.velocity = getattr(self, "velocity", dict.fromkeys(weights, 0.0))
        for batch, samples in zip(client.batches, feed(client.batches)):
            inputs = reference.scaled(samples)
            logits, backward = reference.forward(self.layers, weights, inputs, None, train=True)
            for name, gradient in backward(reference.cross_entropy_gradient(logits, self.labels[batch])).items():
                self.velocity[name] = self.training.momentum * self.velocity[name] + gradient
                weights[name] = weights[name] - self.training.lr * self.velocity[name]
        return weights
