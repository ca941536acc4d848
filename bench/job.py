"""What a worker is told: reads the job folder into plain read-only values.

Also runs inside backend environments: standard library and numpy only, Python 3.7.
"""

import hashlib
import json
import os
from collections import OrderedDict, namedtuple

import numpy as np

from bench import forms, pagecache
from bench.backend import Unsupported

Client = namedtuple("Client", "id batches examples seed held sampling_rate divisors")
Client.__doc__ = """One client's part in a round.

id: int; batches: list of int32 arrays, the samples of each batch in order; examples: int, the client's weight in
the average: their total or, where batches are Poisson draws, what they are drawn from; seed: int, non-negative 63
bits, for draws such as dropout masks, never for privacy's noise; held: int, the samples that the client holds;
sampling_rate: float, batch size / held, at most 1; divisors: list of float, what each batch's clipped and noised
sum is divided by where privacy is by example.
"""

Work = namedtuple("Work", "number clients")
Work.__doc__ = """One round: its number (from 1) and the cohort's `Client`s."""

Training = namedtuple("Training", "batch_size lr momentum weight_decay compile")
Training.__doc__ = """Local SGD: v = momentum * v + (gradient + weight_decay * w); w = w - lr * v."""

Privacy = namedtuple(
    "Privacy", "unit engine noise_multiplier max_grad_norm delta sampling noise_seed cohort_size cohort_rate"
)
Privacy.__doc__ = """Differential privacy: sums of what is clipped to max_grad_norm (L2), with noise on each sum.

The noise is Gaussian, of standard deviation noise_multiplier * max_grad_norm, drawn from the operating system's
randomness unless noise_seed, an int for tests, is given.
unit: example (Abadi et al. 2016, algorithm 1: each example's gradient, a step's noised sum divided by the batch's
divisor) or client (McMahan et al. 2018, algorithm 1: each member's update, a round's noised sum divided by
cohort_size, every member weighing the same); engine: stock or fused; delta: float; sampling: poisson or shuffled;
cohort_size: int, the cohort to be expected; cohort_rate: float, its share of all clients.
"""

Loading = namedtuple("Loading", "form loader workers")
Loading.__doc__ = """One way for samples to reach training.

form: memory, packed, npy, image or image-native; loader: gather (fedbench's own) or framework; workers: int, of the
framework's loader, beside the training process.
"""

Resume = namedtuple("Resume", "round file")
Resume.__doc__ = (
    """How far an earlier process of the job came: the last round that is kept, and its checkpoint's file."""
)

FROM_MEMORY = Loading("memory", "gather", 0)


class Job:
    """One backend's task, read from `folder`.

    layers: list of dicts, the model in the words of `bench.model`; training: `Training`; privacy: `Privacy` or None;
    loading: `Loading`;
    cache: warm or cold; passes: int, of loading alone: where there are any, every other round reads from memory;
    clients: int, all that there are; rounds: int, none where only loading is timed;
    restarts: dict from a round's number to the weights file that it starts from instead of the last round's weights,
    as in a probe;
    checkpoint_s: float, seconds between checkpoints, 0 for none; resume: `Resume`, or None for a job that begins anew;
    turns: bool, whether to wait for a turn before loading and before each round; slowdown: float, the share of its
    seconds by which a round is held back, 0 but where a check tests itself;
    classes: int; shape: (channel, height, width) of a sample; threads: int; device: "cpu" or "cuda";
    strategy: "eager" or "fast"; way: str or None, what `Backend.way` of an earlier process of the backend told;
    variant: str or None, what follows the + in the backend's name.
    """

    def __init__(self, folder):
        with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
            told = json.load(file)
        self.folder = folder
        self.adapter = told["adapter"]
        self.needs = told["needs"]
        self.variant = told["variant"]
        self.threads = told["threads"]
        self.device = told["device"]
        self.strategy = told["strategy"]
        self.way = told["way"]
        self.seed = told["seed"]
        self.evaluate_every = told["evaluate_every"]
        self.save_every = told["save_every"]
        self.training = Training(**told["training"])
        self.privacy = Privacy(**told["privacy"]) if told["privacy"] else None
        self.loading = Loading(**told["loading"])
        self.cache = told["cache"]
        self.passes = told["passes"]
        self.checkpoint_s = told["checkpoint_s"]
        self.turns = told["turns"]
        self.slowdown = told["slowdown"]
        self.resume = Resume(**told["resume"]) if told["resume"] else None
        self.files = Files(told["data"])
        self.shape = self.files.shape
        self.classes = len(self.files.classes)
        plan = told["plan"]
        with open(os.path.join(plan, "layers.json"), encoding="utf-8") as file:
            self.layers = json.load(file)
        self._weights = os.path.join(plan, "weights.npz")
        self._plan = {
            name: _mapped(os.path.join(plan, name + ".npy"))
            for name in (
                "part_offsets", "cohort_clients", "cohort_offsets", "slot_batches", "batch_samples", "batch_offsets",
                "slot_examples", "slot_seeds",
            )
        }  # fmt: skip
        self.clients = len(self._plan["part_offsets"]) - 1
        self.rounds = told["rounds"]
        self.restarts = {int(number): path for number, path in told["restarts"].items()}

    def weights(self):
        """Return the initial canonical weights, read-only."""
        return _read_weights(self._weights)

    def restart(self, number):
        """Return the canonical weights that round `number` starts from instead, or None."""
        return _read_weights(self.restarts[number]) if number in self.restarts else None

    def resumed(self):
        """Return the weights that the job goes on from, as `Backend.exact_weights` gave them."""
        return _read_weights(os.path.join(self.folder, self.resume.file))

    def work(self, number):
        """Return the `Work` of round `number`, from 1."""
        plan = self._plan
        first, last = plan["cohort_offsets"][number - 1 : number + 1].tolist()
        clients = plan["cohort_clients"][first:last]
        bounds = plan["slot_batches"][first : last + 1].tolist()
        offsets = plan["batch_offsets"][bounds[0] : bounds[-1] + 1].tolist()
        told = zip(
            clients.tolist(),
            plan["slot_examples"][first:last].tolist(),
            plan["slot_seeds"][first:last].tolist(),
            (plan["part_offsets"][clients + 1] - plan["part_offsets"][clients]).tolist(),
        )
        places = [bound - bounds[0] for bound in bounds]
        cuts = (offsets[start : stop + 1] for start, stop in zip(places, places[1:]))
        return Work(number, [self._client(own, *facts) for own, facts in zip(cuts, told)])

    def _client(self, offsets, client, examples, seed, held):
        samples = self._plan["batch_samples"]
        batches = [samples[start:stop] for start, stop in zip(offsets, offsets[1:])]
        expected = min(self.training.batch_size, held)
        drawn = self.privacy is not None and (self.privacy.unit, self.privacy.sampling) == ("example", "poisson")
        divisors = [float(expected if drawn else len(batch)) for batch in batches]
        return Client(client, batches, examples, seed, held, expected / held, divisors)


class Files:
    """The prepared samples on disk, in every form.

    classes: list of str; shape: (channel, height, width); labels: int64 (n,); test: int32 (m,), the samples
    held out; images: list of n image files; npy: list of n .npy files; packed: one uint8 .npy file (n, *shape).
    """

    def __init__(self, told):
        self.classes = told["classes"]
        self.shape = tuple(told["shape"])
        self.images = _read_json(told["images"])
        self.npy = [os.path.join(os.path.dirname(told["npy"]), name) for name in _read_json(told["npy"])]
        self.packed = told["packed"]
        self.labels = np.load(told["labels"], mmap_mode="r")
        self.test = np.load(told["test"], mmap_mode="r")
        self.digest = told["pixels"]
        self._readers = []
        self._is_sound = False

    def reader(self, form):
        """Return what reads `form` (memory, packed, npy or image): see `bench.forms`."""
        reader = self._reader(form)
        self._readers.append(reader)
        return reader

    def _reader(self, form):
        if form == "memory":
            return forms.Rows(np.load(self.packed))
        if form == "packed":
            return forms.Rows(np.load(self.packed, mmap_mode="r"))
        if form == "npy":
            return forms.FileEach(self.npy, self.shape, np.load)
        if form == "image":
            try:
                from bench.images import read_image
            except ImportError as error:
                raise Unsupported("data.form = image: OpenCV is not in this environment") from error
            return forms.FileEach(self.images, self.shape, lambda path: read_image(path, self.shape))
        raise Unsupported("data.form = {}: fedbench's own reader doesn't know it".format(form))

    def forget(self, form):
        """Drop the files of `form` from the page cache; see `pagecache.drop`."""
        for reader in self._readers:
            reader.let_go()
        paths = {"memory": [self.packed], "packed": [self.packed], "npy": self.npy}
        return pagecache.drop(paths.get(form, self.images))

    def held_out(self):
        """Return the samples held out for evaluation, uint8 (m, *shape)."""
        return np.load(self.packed, mmap_mode="r")[self.test]

    def check(self, batch, fed):
        """Raise ValueError unless `fed`, an array of uint8, is bit for bit the prepared samples of `batch`."""
        self.check_shape(batch, fed)
        wrong = (np.asarray(fed) != self._prepared()[batch]).reshape(len(batch), -1).any(axis=1)
        if wrong.any():
            path = self.images[batch[int(np.argmax(wrong))]]
            told = "what was read of {!r} differs from what was prepared; bench data verify tells"
            raise ValueError(told.format(path))

    def check_shape(self, batch, fed):
        """Raise ValueError unless `fed` is an array of uint8 for as many samples as are in `batch`."""
        fed, expected = np.asarray(fed), (len(batch),) + self.shape
        if fed.shape != expected or fed.dtype != np.uint8:
            raise ValueError("the backend feeds {} {}, not uint8 {}".format(fed.dtype, fed.shape, expected))

    def _prepared(self):
        """The prepared samples, mapped while this is used; altered ones are refused when it is first asked for."""
        packed = np.load(self.packed, mmap_mode="r")
        if not self._is_sound:
            found = hashlib.sha256(packed).hexdigest()
            if found != self.digest:
                told = "{} was altered since it was prepared (sha256 {})"
                raise ValueError(told.format(self.packed, found[:12]))
            self._is_sound = True
        return packed


def _mapped(path):
    """A file's array, read-only, of which only what is used is read; plain, because a memmap's slices take long."""
    return np.load(path, mmap_mode="r").view(np.ndarray)


def _read_weights(path):
    with np.load(path) as stored:
        weights = OrderedDict((name, stored[name]) for name in stored.files)
    for array in weights.values():
        array.setflags(write=False)
    return weights


def _read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def scaled(samples):
    """Return uint8 samples as the float32 that everyone trains on: value / 255."""
    return np.asarray(samples, np.float32) / np.float32(255)
