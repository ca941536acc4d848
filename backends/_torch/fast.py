"""`timing.strategy = fast`, or torch+fast: the cohort is averaged in whichever way is the fastest on this machine.

The ways, of which torch+lean and torch+crew take just the one: eager, the loop that everyone writes; lean, the same in
one process with less memory moved (`lean`); crew, lean in one process a thread, with the clients dealt out among them
(`crew`). All of them do the same arithmetic in another order of summation, and each gives the same weights bit for bit
every time.
"""

import numpy as np
import torch
from _torch import crew, race
from _torch.lean import Lean

from bench.backend import Unsupported

ROUNDS_LOOKED_AT = 10  # for the largest cohort, which the ways are measured with
WORTH_IT = 0.9  # of eager's seconds, at most: laps are closer together than rounds, which tells for a crew's waking up


class Fast:
    """Averages cohorts. eager: the adapter's own function of (clients, feed, targets), raced against.

    The process may not have had more than one thread of torch's until `attach`, see `crew.Crew`.
    way: eager, lean or crew; seconds: by way, of a lap of the race, empty where an earlier process had raced.
    """

    def __init__(self, job, weights, eager):
        _refuse(job)
        self.threads = job.threads
        self.lean = Lean(job.layers, job.training, job.shape, weights)
        self.way = job.variant if job.variant in ("lean", "crew") else job.way
        self.seconds = {}
        if self.way is None:
            self.seconds = self._race(job, weights, eager)
            fastest = min(self.seconds, key=self.seconds.get)
            self.way = fastest if self.seconds[fastest] < WORTH_IT * self.seconds["eager"] else "eager"
        self.trainer = None

    def attach(self, feed, targets):
        """Train on these samples from now on."""
        if self.way == "crew":
            self.trainer = crew.Crew(self.threads, self.lean, feed, targets)
        elif self.way == "lean":
            self.trainer = crew.Alone(self.lean, feed, targets)
        torch.set_num_threads(self.threads)

    def average(self, clients, weights):
        """Return the clients' mean weights, from canonical torch tensors to canonical ones, by name."""
        return self.trainer.average(clients, weights)

    def _race(self, job, weights, eager):
        targets = torch.from_numpy(np.array(job.files.labels))
        samples = torch.randint(0, 256, (job.training.batch_size, *job.shape), dtype=torch.uint8)
        start = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}

        def feed(batches):
            return (samples[: len(batch)] for batch in batches)

        def all_threads(train):
            torch.set_num_threads(self.threads)
            return train

        def of(trainer):
            return lambda clients: trainer.average(clients, start)

        ways = {
            "eager": lambda: all_threads(lambda clients: eager(clients, feed, targets)),
            "lean": lambda: all_threads(of(crew.Alone(self.lean, feed, targets))),
        }
        if self.threads > 1:
            ways["crew"] = lambda: of(crew.Crew(self.threads, self.lean, feed, targets))
        rounds = range(1, min(job.rounds, ROUNDS_LOOKED_AT) + 1)
        cohort = max((job.work(number).clients for number in rounds), key=len, default=[])
        return race.run(ways, cohort, self.threads) if cohort else {"eager": 0.0}


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
