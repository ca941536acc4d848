"""`timing.strategy = fast`, or torch+fast: the cohort is averaged in whichever way is the fastest on this machine.

The ways, of which torch+lean, torch+crew and torch+sparse take just the one: eager, the loop that everyone writes;
lean, the same in one process with less memory moved (`lean`); crew, lean in one process a thread, with the clients
dealt out among them (`crew`); sparse, a crew that doesn't multiply the zeros behind max-pooling, by loops of our own
(`sparse`). All sum up the same in another order, and each gives the same weights bit for bit every time.
"""

from functools import partial

import numpy as np
import torch
from _torch import crew, race
from _torch.lean import Lean, has_zeros

from bench.backend import Unsupported

WAYS = "lean", "crew", "sparse"
ROUNDS_LOOKED_AT = 10  # for the largest cohort, which the ways are measured with
WORTH_IT = 0.9  # of eager's seconds, at most: laps are closer together than rounds, which tells for a crew's waking up


class Fast:
    """Averages cohorts. eager: the adapter's own function of (clients, feed, targets), raced against.

    The process may not have had more than one thread of torch's until `attach`, see `crew.Crew`.
    way: eager or one of `WAYS`; seconds: by way, of a lap of the race, empty where an earlier process had raced.
    """

    def __init__(self, job, weights, eager):
        _refuse(job)
        self.job = job
        self.weights = weights
        self.way = job.variant if job.variant in WAYS else job.way
        self.seconds = {}
        if self.way is None:
            self.seconds = self._race(eager)
            fastest = min(self.seconds, key=self.seconds.get)
            self.way = fastest if self.seconds[fastest] < WORTH_IT * self.seconds["eager"] else "eager"
        self.lean = None if self.way == "eager" else self._lean(self.way)
        self.trainer = None

    def attach(self, feed, targets):
        """Train on these samples from now on."""
        if self.lean:
            self.trainer = self._trainer(self.way, self.lean, feed, targets)
        torch.set_num_threads(self.job.threads)

    def average(self, clients, weights):
        """Return the clients' mean weights, from canonical torch tensors to canonical ones, by name."""
        return self.trainer.average(clients, weights)

    def _lean(self, way):
        job = self.job
        return Lean(job.layers, job.training, job.shape, self.weights, skip_zeros=way == "sparse")

    def _trainer(self, way, lean, feed, targets):
        if way == "lean" or (way == "sparse" and self.job.threads == 1):
            return crew.Alone(lean, feed, targets)
        return crew.Crew(self.job.threads, lean, feed, targets)

    def _race(self, eager):
        job = self.job
        targets = torch.from_numpy(np.array(job.files.labels))
        samples = torch.randint(0, 256, (job.training.batch_size, *job.shape), dtype=torch.uint8)
        start = {name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()}

        def feed(batches):
            return (samples[: len(batch)] for batch in batches)

        def way_of(name):
            if name == "eager":
                torch.set_num_threads(job.threads)
                return lambda clients: eager(clients, feed, targets)
            trainer = self._trainer(name, self._lean(name), feed, targets)
            torch.set_num_threads(job.threads)
            return lambda clients: trainer.average(clients, start)

        rounds = range(1, min(job.rounds, ROUNDS_LOOKED_AT) + 1)
        cohort = max((job.work(number).clients for number in rounds), key=len, default=[])
        if not cohort:
            return {"eager": 0.0}
        names = ["eager", "lean"]
        if job.threads > 1:
            names.append("crew")
        if has_zeros(job.layers):
            names.append("sparse")
        return race.run({name: partial(way_of, name) for name in names}, cohort, job.threads)


def _refuse(job):
    mine = {"strategy": job.strategy, "variant": job.variant}
    told = "timing.strategy = fast with {}: only the eager loop does that"
    if job.device != "cpu":
        raise Unsupported(told.format("timing.device = {}".format(job.device)), {**mine, "device": job.device})
    if job.privacy:
        raise Unsupported(told.format("privacy"), {**mine, "privacy": {}})
    if job.training.compile:
        raise Unsupported(told.format("training.compile"), {**mine, "training": {"compile": True}})
    if job.loading.loader != "gather":
        raise Unsupported(told.format("a framework's loader"), {**mine, "loading": {"loader": job.loading.loader}})
    if job.cache == "cold":  # the crew keeps the files mapped, and the system what is mapped
        raise Unsupported(told.format("timing.cache = cold"), {**mine, "cache": "cold"})
    if job.passes:
        raise Unsupported(told.format("passes of loading"))
    if job.variant == "sparse" and not has_zeros(job.layers):
        raise Unsupported("torch+sparse: in this model no max-pool follows a convolution and its ReLU")
