"""Runs one job inside a backend's own process: owns the order of work, the clock, evaluation, exit codes.

argv: the job folder. Standard input: a pipe that the harness holds open; when it closes, the whole process
group dies. Standard output: one event a line (`bench.events`), on a descriptor of its own, because frameworks
print; what they print goes to standard error. Also writes weights-ROUND.npz into the job folder.
Exit codes: 0 done, 1 crash, 2 bad job, 3 unsupported, 4 the framework does not import.

Runs inside backend environments: standard library and numpy only, Python 3.7, started by path with -I.
"""

import hashlib
import importlib.util
import os
import platform
import signal
import sys
import threading
import traceback
import types

LONG_ENOUGH_S = 0.2  # of loading alone, for a figure that the clock and the scheduler don't make

DONE, CRASH, BAD_JOB, UNSUPPORTED, NO_IMPORT = range(5)


def main(folder):
    """Run the job in `folder`; return the exit code."""
    _die_with_the_harness()
    send = _event_stream()
    _make_importable("bench", os.path.dirname(os.path.abspath(__file__)))
    from bench import events

    send(events.Started(events.SCHEMA, platform.python_version(), os.getpid()))
    worker = Worker(send)
    try:
        worker.run(folder)
        return DONE
    except BaseException as error:
        from bench.backend import Unsupported

        if isinstance(error, Unsupported):
            send(events.Skipped(str(error)))
            return UNSUPPORTED
        message = "{}: {}".format(type(error).__name__, error) if str(error) else type(error).__name__
        send(events.Failed(worker.stage, " ".join(message.split())[:2000], traceback.format_exc()))
        return {"job": BAD_JOB, "import": NO_IMPORT}.get(worker.stage, CRASH)


class Worker:
    """Takes one job from its folder to its last event."""

    def __init__(self, send):
        self.send = send
        self.stage = "job"

    def run(self, folder):
        from bench import events
        from bench.job import Job, scaled

        job = Job(folder)
        self.job = job
        adapter = self._phase("import", lambda: _load_adapter(job))
        backend = adapter()
        self.stage = "open"
        _refuse(backend, job.loading)
        self._phase("open", lambda: backend.open(job, job.weights()))
        self._drop()
        self._phase("load", lambda: backend.load(job.files, job.loading))
        if job.loading.form != "image-native":
            self._check(backend)
        for number in range(1, job.loading.passes + 1):
            self._feed(backend, job.work(number))
        self.inputs = scaled(job.files.held_out())
        self.targets = job.files.labels[job.files.test]
        for number in range(1, job.rounds + 1):
            self._round(backend, job.work(number))
            last = number == job.rounds
            if job.evaluate_every and (last or number % job.evaluate_every == 0):
                self._evaluate(backend, number, job.classes)
            if last or (job.save_every and number % job.save_every == 0):
                self._save(backend, number, job)
        self.send(events.Done(job.rounds))

    def _phase(self, name, action):
        from bench import events, meter

        self.stage = name
        mark = meter.Meter()
        result = action()
        self.send(events.Phase(name, *mark.read()))
        return result

    def _check(self, backend):
        """Every sample that training can ask for is bit for bit the prepared one; reading it warms the page cache."""
        import numpy as np

        self.stage = "check of what is fed"
        count = len(self.job.files.labels)
        size = self.job.training.batch_size
        batches = [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
        self.job.files.check(batches, backend.feed(batches))

    def _drop(self):
        """For a cold page cache: make the system forget what is about to be read."""
        from bench import events

        if self.job.loading.cache == "cold":
            try:
                self.send(events.Dropped(self.job.files.forget(self.job.loading.form), None))
            except OSError as error:
                self.send(events.Dropped(None, str(error)))

    def _feed(self, backend, work):
        """Time loading alone: the round's batches, until a clock can tell; where the cache is cold, once."""
        from bench import events, meter

        self.stage = "loading pass {}".format(work.number)
        batches = [batch for client in work.clients for batch in client.batches]
        self._drop()
        samples = 0
        mark = meter.Meter()
        while not samples or (self.job.loading.cache == "warm" and mark.elapsed() < LONG_ENOUGH_S):
            for fed in backend.feed(batches):
                samples += len(fed)
        reading = mark.read()
        expected = sum(len(batch) for batch in batches)
        if samples % expected:
            raise ValueError("the backend fed {} samples of {}".format(samples, expected))
        channels, height, width = self.job.shape
        size = samples * channels * height * width
        self.send(events.Fed(work.number, reading.seconds, reading.cpu_seconds, samples, size, reading.peak_rss_bytes))

    def _round(self, backend, work):
        from bench import events, meter

        self.stage = "round {}".format(work.number)
        self._drop()
        mark = meter.Meter()
        backend.round(work)
        seconds, cpu_seconds, peak = mark.read()
        weights = backend.weights()
        size = sum(array.nbytes for array in weights.values()) if weights else 0
        moved = size * len(work.clients)
        cohort = [client.id for client in work.clients]
        self.send(events.Round(work.number, seconds, cpu_seconds, cohort, moved, moved, peak))

    def _evaluate(self, backend, number, classes):
        import numpy as np

        from bench import events, meter

        self.stage = "evaluation after round {}".format(number)
        mark = meter.Meter()
        logits = np.asarray(backend.predict(self.inputs))
        seconds = mark.elapsed()
        if logits.shape != (len(self.inputs), classes):
            raise ValueError("predict returned shape {}, not {}".format(logits.shape, (len(self.inputs), classes)))
        if not np.isfinite(logits).all():
            raise FloatingPointError("the logits are not finite: training diverged, or the backend is wrong")
        accuracy, loss = _score(logits.astype(np.float64), self.targets)
        self.send(events.Evaluation(number, accuracy, loss, seconds))

    def _save(self, backend, number, job):
        import numpy as np

        from bench import events

        self.stage = "weights after round {}".format(number)
        weights = backend.weights()
        if weights is None:
            return
        expected = {name: array.shape for name, array in job.weights().items()}
        found = {name: np.shape(array) for name, array in weights.items()}
        for name in list(expected) + list(found):
            if expected.get(name) != found.get(name):
                raise ValueError("weight {} has shape {}, not {}".format(name, found.get(name), expected.get(name)))
        ordered = {name: np.asarray(weights[name], np.float32) for name in expected}
        for name, array in ordered.items():
            if not np.isfinite(array).all():
                raise FloatingPointError("{} is not finite: training diverged, or the backend is wrong".format(name))
        file = "weights-{:06d}.npz".format(number)
        path = os.path.join(job.folder, file)
        with open(path + ".part", "wb") as target:
            np.savez(target, **ordered)
            target.flush()
            os.fsync(target.fileno())
        os.replace(path + ".part", path)
        with open(path, "rb") as source:
            self.send(events.Saved(number, file, hashlib.sha256(source.read()).hexdigest()))


def _refuse(backend, loading):
    from bench.backend import Unsupported

    if loading.loader not in backend.loaders:
        raise Unsupported("data.loader = {}: this backend has no loader of its own".format(loading.loader))


def _score(logits, targets):
    """Return accuracy and mean cross-entropy of float64 logits (n, classes)."""
    import numpy as np

    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_probabilities[np.arange(len(targets)), targets].mean()
    return float((logits.argmax(axis=1) == targets).mean()), float(loss)


def _load_adapter(job):
    for need in job.needs:
        _make_importable(os.path.basename(os.path.dirname(need)), os.path.dirname(need))
    spec = importlib.util.spec_from_file_location("adapter", job.adapter)
    module = importlib.util.module_from_spec(spec)
    sys.modules["adapter"] = module
    spec.loader.exec_module(module)
    return module.Adapter


def _make_importable(name, folder):
    """Let `import name.module` find modules in `folder` without putting any folder on sys.path."""
    package = types.ModuleType(name)
    package.__path__ = [folder]
    sys.modules[name] = package


def _event_stream():
    """Move standard output aside for events; from now on whoever prints, prints to standard error."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(event):
        from bench.events import to_line

        stream.write(to_line(event))
        stream.flush()

    return send


def _die_with_the_harness():
    def watch():
        while os.read(0, 4096):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)  # frameworks hang in their own shutdown; everything of ours is already on disk
