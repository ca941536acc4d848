# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "syft==0.9.5",
#     "torch==2.13.0",
#     "numpy==1.24.4",
#     "sniffio==1.3.1",
#     "opencv-python-headless==4.11.0.86",
# ]
#
# [tool.bench]
# framework = "syft"
# imports = ["syft", "torch"]
# needs = ["_torch/module.py", "_syft/plain.py", "_syft/datasite.py", "_syft/on_site.py", "_syft/whole_bytes.py"]
# computes_with = "torch"
# transport = "in process, serialised"
# variants = ["plain", "mended"]
# baseline = "plain"
# beside = ["mended"]
# trust = "_trust/datasite.py"
# ///
"""PySyft 0.9: datasites, whose owners approve each site's training in each round."""

import numpy as np
from _syft.plain import PlainTorch


class Adapter(PlainTorch):
    """Each client is a datasite: samples are published there once, and training is code that its owner approves."""

    @classmethod
    def import_variant(cls, variant):
        if variant != "plain":
            from _syft import datasite, whole_bytes  # noqa: F401

            if variant == "mended":
                whole_bytes.mend()

    def open(self, job, weights):
        super().open(job, weights)
        self.job = None if job.variant == "plain" else job
        self.sites = {}

    def load(self, files, loading):
        feed = super().load(files, loading)
        if self.job and not self.sites:
            for client, samples in self._held().items():
                (inputs,) = feed([samples])
                self.sites[client] = self._site(client, samples, inputs)
        return feed

    def _held(self):
        """Return client -> the numbers of all samples that it trains on, in any round."""
        held = {}
        for number in range(1, self.job.rounds + 1):
            for client in self.job.work(number).clients:
                held.setdefault(client.id, set()).update(*(batch.tolist() for batch in client.batches))
        return {client: np.array(sorted(samples), np.int64) for client, samples in held.items()}

    def _site(self, client, samples, inputs):
        from _syft.datasite import Datasite

        return Datasite("client{}".format(client), samples, np.array(inputs), self.labels[samples])

    def round(self, work, feed):
        self.number = work.number
        super().round(work, feed)

    def train(self, client, feed):
        if self.job is None:
            super().train(client, feed)
            return
        task = {
            "weights": dict(self.weights()),
            "batches": [np.array(batch) for batch in client.batches],
            "seed": client.seed,
            "layers": self.layers,
            "training": dict(self.training._asdict()),
        }
        self.set_weights(self.sites[client.id].train(self.number, task))
