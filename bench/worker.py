"""Runs one job inside a backend's own process: owns the order of work, the clock, evaluation, exit codes.

argv: the job folder. Standard input: a pipe that the harness holds open; when it closes, the whole process group
dies; a line on it is a turn, for a job that takes turns with another. Standard output: one event a line
(`bench.events`), on a descriptor of its own, because frameworks print; what they print goes to standard error. Also
writes weights-ROUND.npz and checkpoint-ROUND.npz into the job folder.
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
import time
import traceback
import types

LONG_ENOUGH_S = 0.2  # of loading alone, for a figure that the clock and the scheduler don't make
COLD_READINGS = 10  # at most, in a pass
TOLD_EVERY_S = 2.0
SINGLE_CALLS, SINGLE_S = 20, 1.0  # predictions of one sample that are timed, at most
CHECKPOINTS = 2  # kept: where the disk spoils the last one, the one before it does

DONE, CRASH, BAD_JOB, UNSUPPORTED, NO_IMPORT = range(5)


def main(folder):
    """Run the job in `folder`; return the exit code."""
    turns = threading.Semaphore(0)
    _die_with_the_harness(turns)
    send = _event_stream()
    _make_importable("bench", os.path.dirname(os.path.abspath(__file__)))
    from bench import events

    send(events.Started(events.SCHEMA, platform.python_version(), os.getpid()))
    worker = Worker(send, turns)
    try:
        worker.run(folder)
        return DONE
    except BaseException as error:
        from bench.backend import Unsupported

        if isinstance(error, Unsupported):
            send(events.Skipped(str(error), error.asked))
            return UNSUPPORTED
        message = "{}: {}".format(type(error).__name__, error) if str(error) else type(error).__name__
        send(events.Failed(worker.stage, " ".join(message.split())[:2000], traceback.format_exc()))
        return {"job": BAD_JOB, "import": NO_IMPORT}.get(worker.stage, CRASH)


class Worker:
    """Takes one job from its folder to its last event."""

    def __init__(self, send, turns):
        self.send = send
        self.turns = turns
        self.stage = "job"
        self.size = None  # bytes of the model

    def run(self, folder):
        from bench import events
        from bench.job import FROM_MEMORY, Job, scaled

        job = Job(folder)
        self.job = job
        adapter = self._phase("import", lambda: _load_adapter(job))
        backend = adapter()
        self.stage = "open"
        _refuse(backend, job)
        self._phase("open", lambda: backend.open(job, job.weights()))
        if backend.way():
            self.send(events.Chosen(*backend.way()))
        self._await_turn("load")
        self._drop()
        feed = self._phase("load", lambda: backend.load(job.files, job.loading))
        self._check(feed)
        feeds = [(job.loading.form, feed)]
        if job.passes:
            if not job.resume:
                self._passes(feed)
            self.stage = "load from memory"
            feeds.append((FROM_MEMORY.form, backend.load(job.files, FROM_MEMORY)))
        self.inputs = scaled(job.files.held_out())
        self.targets = job.files.labels[job.files.test]
        self._resume(backend)
        for number in range(job.resume.round + 1 if job.resume else 1, job.rounds + 1):
            restart = job.restart(number)
            if restart:
                backend.set_weights(restart)
            self._await_turn("round {}".format(number))
            self._round(backend, job.work(number), *feeds[(number - 1) % len(feeds)])
            last = number == job.rounds
            if job.evaluate_every and (last or number % job.evaluate_every == 0):
                predicted = self._evaluate(backend, number, job.classes)
                if last:
                    sample_s = self._time_one(backend)
                    self.send(events.Predicted(number, predicted.tolist(), sample_s, backend.model_bytes()))
            if last or (job.save_every and number % job.save_every == 0):
                self._save(backend, number, job)
            if not last and job.checkpoint_s and time.monotonic() - self.kept_at >= job.checkpoint_s:
                self._checkpoint(backend, number, job)
        if job.privacy:
            self._check_noise(backend, job.rounds)
            self.send(events.Noised([figure._asdict() for figure in backend.figures()]))
        on_device = backend.peak_device_bytes()
        if on_device is not None:
            self.send(events.OnDevice(on_device))
        self.send(events.Done(job.rounds))

    def _await_turn(self, what):
        """Do nothing until the harness says so, in a job that takes turns with another process's."""
        from bench import events

        if self.job.turns:
            self.send(events.Waiting(what))
            self.turns.acquire()

    def _phase(self, name, action):
        from bench import events, meter

        self.stage = name
        mark = meter.Meter()
        result = action()
        self.send(events.Phase(name, *mark.read()))
        return result

    def _check(self, feed):
        """Every sample that training can ask for is bit for bit the prepared one; this also warms the page cache.

        What is never trained on, a framework's own decoding, has to be of the right shape only.
        """
        import numpy as np

        from bench import events, meter

        self.stage = "check of what is fed"
        files, size = self.job.files, self.job.training.batch_size
        check = files.check if self.job.rounds else files.check_shape
        count = len(files.labels)
        batches = [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
        done = 0
        told = meter.Meter()
        for batch, fed in zip(batches, feed(batches)):
            check(batch, fed)
            done += len(batch)
            if told.elapsed() > TOLD_EVERY_S:
                self.send(events.Progress("checking what is fed", done, count))
                told = meter.Meter()
        if done != count:
            raise ValueError("the backend fed {} samples of {}".format(done, count))

    def _drop(self):
        """For a cold page cache: make the system forget what is about to be read."""
        from bench import events

        if self.job.cache == "cold":
            try:
                self.send(events.Dropped(self.job.files.forget(self.job.loading.form), None))
            except OSError as error:
                self.send(events.Dropped(None, str(error)))

    def _passes(self, feed):
        """Time loading alone: a round's batches, in its order, let go as they come."""
        from bench import events

        channels, height, width = self.job.shape
        for number in range(1, self.job.passes + 1):
            self.stage = "loading pass {}".format(number)
            batches = [batch for client in self.job.work(number).clients for batch in client.batches]
            if number == 1:
                _read(feed, batches, 0.0)  # untimed: what is made on first use
            parts = list(self._pass(feed, batches))
            samples = sum(samples for samples, _ in parts)
            seconds, cpu_seconds = (sum(part[index] for _, part in parts) for index in (0, 1))
            size = samples * channels * height * width
            self.send(events.Fed(number, seconds, cpu_seconds, samples, size, parts[-1][1].peak_rss_bytes))

    def _pass(self, feed, batches):
        """Read until a clock can tell; with a cold cache that is a few short readings, each of files just dropped."""
        if self.job.cache == "warm":
            yield _read(feed, batches, LONG_ENOUGH_S)
            return
        seconds = 0.0
        for _ in range(COLD_READINGS):
            self._drop()
            part = _read(feed, batches, 0.0)
            yield part
            seconds += part[1].seconds
            if seconds > LONG_ENOUGH_S:
                return

    def _resume(self, backend):
        """Go on where an earlier process of this job came to, if one did."""
        self.stage = "resume"
        self.checkpoints = []
        self.kept_at = time.monotonic()
        if self.job.resume:
            backend.set_weights(self.job.resumed())
            if self.job.privacy:
                for number in range(1, self.job.resume.round + 1):
                    backend.count_noise(self.job.work(number))
            self.checkpoints.append(self.job.resume.file)

    def _round(self, backend, work, form, feed):
        from bench import events, meter

        self.stage = "round {}".format(work.number)
        self._drop()
        mark = meter.Meter()
        backend.round(work, feed)
        if self.job.slowdown:
            time.sleep(self.job.slowdown * mark.elapsed())
        seconds, cpu_seconds, peak = mark.read()
        if self.size is None:  # copying the weights after each round, to count their bytes, took 1 % of a short one
            weights = backend.weights()
            self.size = sum(array.nbytes for array in weights.values()) if weights else 0
        moved = self.size * len(work.clients)
        cohort = [client.id for client in work.clients]
        self.send(events.Round(work.number, form, seconds, cpu_seconds, cohort, moved, moved, peak))

    def _check_noise(self, backend, rounds):
        """Hold the noise that the backend tells of against what was asked for: epsilon is computed from the latter."""
        self.stage = "privacy"
        asked, applied = self.job.privacy, backend.mechanism()
        if applied is None:
            raise ValueError("privacy was asked for, and the backend added no noise")
        for name in ("noise_multiplier", "max_grad_norm"):
            if getattr(applied, name) != getattr(asked, name):
                raise ValueError("{} was {}, not {}".format(name, getattr(applied, name), getattr(asked, name)))
        planned = self._planned_steps(rounds)
        if applied.steps != planned:
            raise ValueError("noise was added in steps {}, not {}".format(applied.steps, planned))

    def _planned_steps(self, rounds):
        if self.job.privacy.unit == "client":
            return rounds
        steps = {}
        for number in range(1, rounds + 1):
            for client in self.job.work(number).clients:
                steps[client.id] = steps.get(client.id, 0) + len(client.batches)
        return steps

    def _evaluate(self, backend, number, classes):
        """Tell accuracy and loss; return the classes predicted, int (m,)."""
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
        return logits.argmax(axis=1)

    def _time_one(self, backend):
        """Return the median seconds of predicting one sample; what compiles on first use has done so before."""
        from bench import meter

        self.stage = "prediction of one sample"
        one = self.inputs[:1]
        backend.predict(one)
        times = []
        while len(times) < SINGLE_CALLS and sum(times) < SINGLE_S:
            mark = meter.Meter()
            backend.predict(one)
            times.append(mark.elapsed())
        return sorted(times)[len(times) // 2]

    def _save(self, backend, number, job):
        from bench import events

        self.stage = "weights after round {}".format(number)
        weights = backend.weights()
        if weights is not None:
            file = "weights-{:06d}.npz".format(number)
            self.send(events.Saved(number, file, self._write(file, weights, job, "float32")))

    def _checkpoint(self, backend, number, job):
        """Keep what another process can go on from, outside of every clock."""
        from bench import events

        if job.privacy:
            self._check_noise(backend, number)  # who goes on takes the noise until here for the planned one
        self.stage = "checkpoint after round {}".format(number)
        weights = backend.exact_weights()
        if weights is not None:
            file = "checkpoint-{:06d}.npz".format(number)
            try:
                self.send(events.Checkpoint(number, file, self._write(file, weights, job, None)))
                self.checkpoints.append(file)
                while len(self.checkpoints) > CHECKPOINTS:
                    os.remove(os.path.join(job.folder, self.checkpoints.pop(0)))
            except OSError as error:  # training needs no checkpoint: a full disk mustn't end it
                print("no checkpoint after round {}: {}".format(number, error), file=sys.stderr)
        self.kept_at = time.monotonic()

    def _write(self, file, weights, job, dtype):
        """Write canonical weights into the job folder, all of them or nothing; return the file's sha256.

        `dtype` None keeps theirs.
        """
        import numpy as np

        expected = {name: array.shape for name, array in job.weights().items()}
        found = {name: np.shape(array) for name, array in weights.items()}
        for name in list(expected) + list(found):
            if expected.get(name) != found.get(name):
                raise ValueError("weight {} has shape {}, not {}".format(name, found.get(name), expected.get(name)))
        ordered = {name: np.asarray(weights[name], dtype) for name in expected}
        for name, array in ordered.items():
            if not np.isfinite(array).all():
                raise FloatingPointError("{} is not finite: training diverged, or the backend is wrong".format(name))
        path = os.path.join(job.folder, file)
        with open(path + ".part", "wb") as target:
            np.savez(target, **ordered)
            target.flush()
            os.fsync(target.fileno())
        os.replace(path + ".part", path)
        with open(path, "rb") as source:
            return hashlib.sha256(source.read()).hexdigest()


def _refuse(backend, job):
    from bench.backend import Unsupported

    if job.loading.loader not in backend.loaders:
        told = "data.loader = {}: this backend has no loader of its own".format(job.loading.loader)
        raise Unsupported(told, {"loading": {"loader": job.loading.loader}})
    if job.strategy not in backend.strategies:
        told = "timing.strategy = {}: this backend has none but eager".format(job.strategy)
        raise Unsupported(told, {"strategy": job.strategy})
    if job.privacy is None:
        return
    unit, engine = job.privacy.unit, job.privacy.engine
    engines = [one for own, one in backend.private if own == unit]
    if not engines:
        told = "privacy.unit = {}: this backend has no such differential privacy".format(unit)
        raise Unsupported(told, {"privacy": {"unit": unit}})
    if engine not in engines:
        told = "privacy.engine = {}: this backend has {} for unit {}".format(engine, " and ".join(engines), unit)
        raise Unsupported(told, {"privacy": {"unit": unit, "engine": engine}})


def _read(feed, batches, at_least_s):
    """Feed all batches, again until so many seconds have passed; return the samples fed and the `meter.Reading`.

    Batches are counted, not samples: asking a framework's array for its length takes as long as gathering it.
    """
    from bench import meter

    samples = sum(len(batch) for batch in batches)
    epochs = 0
    mark = meter.Meter()
    while not epochs or mark.elapsed() < at_least_s:
        fed = sum(1 for _ in feed(batches))
        if fed != len(batches):
            raise ValueError("the backend fed {} batches of {}".format(fed, len(batches)))
        epochs += 1
    return epochs * samples, mark.read()


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
    module.Adapter.import_variant(job.variant)
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


def _die_with_the_harness(turns):
    """Die when standard input closes; until then, a line on it is one of `turns`."""

    def watch():
        while os.read(0, 1):
            turns.release()
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)  # frameworks hang in their own shutdown; everything of ours is already on disk
