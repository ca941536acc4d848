"""A backend, and a bare script beside it in the same process, a round of one after a round of the other.

Two processes of one framework differ by more than the harness costs; here both train in one. `harness_cost` puts this
in an adapter's place, and tells it by together.json, in the job's folder, which adapter and which script it stands for,
which of the adapter's attributes are lent to the script, in the place of its own of that name, by which of their
methods they train, and whether a second script, the first one's twin, is to train instead of the adapter.
together-seconds.json is its answer: of each round, the script's seconds, the adapter's own, those with all that
passes until the harness asks for the next, and those that either spent within what is lent; and, where a file says how
it is told, what each gave that in the last round.
Runs inside backend environments: standard library and numpy only.
"""

import importlib.util
import json
import os
import sys
import time

from bench.backend import Backend


class Adapter(Backend):
    """Trains the job by the adapter that it stands for."""

    def open(self, job, weights):
        with open(os.path.join(job.folder, "together.json")) as file:
            told = json.load(file)
        self.answer = os.path.join(job.folder, "together-seconds.json")
        self.own = _imported("own", told["adapter"]).Adapter()
        self.own.open(job, weights)
        self.lent = [Lent(getattr(self.own, name), method) for name, method in told["lent"].items()]
        for name, lent in zip(told["lent"], self.lent):
            setattr(self.own, name, lent)
        self.given = _imported("given", told["given"]).given if told["given"] else None
        self.script = self._script("script", told, told["settings"])
        self.twin = self._script("twin", told, told["twin"]) if told["twin"] else None
        self.rounds = job.rounds
        self.seconds = {"bare": [], "own": [], "waited": [], "bare lent": [], "own lent": []}
        self.left = None

    def _script(self, name, told, settings):
        """Return what trains the script's rounds, as it was told in `settings`."""
        sys.argv = [told["script"], settings]
        script = _imported(name, told["script"])
        for lent in told["lent"]:
            setattr(script, lent, getattr(self.own, lent))
        return script.rounds()

    def load(self, files, loading):
        return self.own.load(files, loading)

    def round(self, work, feed):
        if self.left is not None:
            self.seconds["waited"][-1] += time.perf_counter() - self.left
        is_last = work.number == self.rounds
        given = {}
        sides = [("own", lambda: self._train(work, feed)), ("bare", lambda: next(self.script))]
        for side, train in sides if work.number % 2 else reversed(sides):
            for lent in self.lent:
                lent.begin(is_last)
            started = time.perf_counter()
            train()
            self.seconds[side].append(time.perf_counter() - started)
            self.seconds[side + " lent"].append(sum(lent.seconds for lent in self.lent))
            if is_last and self.given:
                given[side] = [self.given(*lent.arguments) for lent in self.lent]
        self.seconds["waited"].append(self.seconds["own"][-1])
        if is_last:
            for script in filter(None, (self.script, self.twin)):
                next(script, None)  # it writes its weights
        with open(self.answer, "w") as file:
            json.dump({"seconds": self.seconds, "given": given}, file)
        self.left = time.perf_counter()

    def _train(self, work, feed):
        if self.twin:
            next(self.twin)
        else:
            self.own.round(work, feed)

    def set_weights(self, weights):
        self.own.set_weights(weights)

    def weights(self):
        return self.own.weights()

    def predict(self, inputs):
        return self.own.predict(inputs)


class Lent:
    """Stands for what both sides train by, and clocks one of its methods."""

    def __init__(self, own, method):
        self._own = own
        self._method = getattr(own, method)
        setattr(self, method, self._clocked)
        self.begin(keeps=False)

    def __getattr__(self, name):
        return getattr(self._own, name)

    def begin(self, keeps):
        """Begin a side's round, of which the arguments are kept or not: what is kept takes memory from the next."""
        self.seconds, self.arguments, self._keeps = 0.0, None, keeps

    def _clocked(self, *arguments):
        if self._keeps:
            self.arguments = arguments
        started = time.perf_counter()
        try:
            return self._method(*arguments)
        finally:
            self.seconds += time.perf_counter() - started


def _imported(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
