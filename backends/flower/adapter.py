# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "flwr[simulation]==1.42.0",
#     "torch==2.13.0",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
# ]
#
# [tool.bench]
# framework = "flwr"
# imports = ["flwr", "ray", "torch"]
# needs = [
#     "_torch/module.py",
#     "_torch/feeding.py",
#     "_flower/client.py",
#     "_flower/planned.py",
#     "_flower/simulation.py",
# ]
# computes_with = "torch"
# transport = "across processes"
# ///
"""Flower (Beutel et al. 2020): its Simulation Runtime on Ray, with torch.

`run_simulation` (in 1.42 still the way to simulate from Python, though Flower recommends its own command) runs once, in
a thread, for all rounds: a `ServerApp` sends each member of a round's cohort a message by Flower's grid, Ray's actors
run the `ClientApp`, and Flower's `FedAvg` averages the replies. There are as many actors as threads, of one CPU each
(fewer, where there are fewer clients). Flower looks for messages every 0.1 s at both ends, which is in a round's time
as it is in its users'. Not offered: privacy, compiled training, a GPU, a loader of Flower's, which has none, and a cold
page cache, because the actors keep files mapped.
"""

import os
import tempfile
from collections import OrderedDict

import numpy as np
import torch
from _torch import feeding, module

from bench.backend import Backend, Unsupported

# Read when they are imported. The last has Ray listen on the loopback interface alone, as where it has no clusters.
os.environ.update(
    {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
)
os.environ["FLWR_HOME"] = os.path.join(tempfile.gettempdir(), "flwr")

from _flower.planned import PlannedAverage
from _flower.simulation import Simulation


class Adapter(Backend):
    """The server's weights are canonical numpy arrays; each message carries all of them, batch statistics included."""

    def open(self, job, weights):
        _refuse(job)
        torch.set_num_threads(job.threads)
        self.model = module.build(job.layers)
        self.tensors = module.canonical_tensors(self.model, weights)
        self.set_weights(weights)
        self.strategy = PlannedAverage(job.folder)
        self.simulation = Simulation(job.clients, job.threads, sum(array.nbytes for array in weights.values()))
        self._muster("")

    def load(self, files, loading):
        self._muster(loading.form)
        return Feed(feeding.feeder(files, loading), loading.form)

    def _muster(self, form):
        """Have every actor ready to read `form`, or, where it is empty, to train."""
        with tempfile.TemporaryDirectory() as meeting:
            self.simulation.call(lambda grid: self.strategy.muster(grid, self.simulation.actors, meeting, form))

    def round(self, work, feed):
        if work.clients:
            self.current = self.simulation.call(lambda grid: self.strategy.average(grid, work, feed.form, self.current))

    def set_weights(self, weights):
        self.current = OrderedDict((name, np.array(array, np.float32)) for name, array in weights.items())

    def weights(self):
        return OrderedDict((name, array.copy()) for name, array in self.current.items())

    def predict(self, inputs):
        module.set_weights(self.tensors, self.current)
        return module.predict(self.model, inputs)


class Feed:
    """Reads batches in this process; the actors read theirs by `form`."""

    def __init__(self, read, form):
        self.read = read
        self.form = form

    def __call__(self, batches):
        return self.read(batches)


def _refuse(job):
    if job.device != "cpu":
        raise Unsupported(
            "timing.device = {}: the actors here have CPUs only".format(job.device), {"device": job.device}
        )
    if job.training.compile:
        told = "training.compile: every actor of Flower's would compile for itself"
        raise Unsupported(told, {"training": {"compile": True}})
    if job.cache == "cold":
        raise Unsupported("timing.cache = cold: Flower's actors keep the files mapped", {"cache": "cold"})
