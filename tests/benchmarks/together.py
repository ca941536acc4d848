"""A backend, and a bare script beside it in the same process, a round of one after a round of the other.

Two processes of one framework differ by more than the harness costs; here both train in one. `harness_cost` puts this
in an adapter's place, and tells it by together.json, in the job's folder, which adapter and which script it stands for,
which of the adapter's attributes are lent to the script, in the place of its own of that name, and whether a second
script, the first one's twin, is to train instead of the adapter.
together-seconds.json is its answer: of each round, the script's seconds, the adapter's own, and those with all that
passes until the harness asks for the next.
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
        self.script = self._script("script", told, told["settings"])
        self.twin = self._script("twin", told, told["twin"]) if told["twin"] else None
        self.rounds = job.rounds
        self.seconds = {"bare": [], "own": [], "waited": []}
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
        sides = [(("own", "waited"), lambda: self._train(work, feed)), (("bare",), lambda: next(self.script))]
        for names, train in sides if work.number % 2 else reversed(sides):
            started = time.perf_counter()
            train()
            for name in names:
                self.seconds[name].append(time.perf_counter() - started)
        if work.number == self.rounds:
            for script in filter(None, (self.script, self.twin)):
                next(script, None)  # it writes its weights
        with open(self.answer, "w") as file:
            json.dump(self.seconds, file)
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


def _imported(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
