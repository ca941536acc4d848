"""What a worker is told: reads the job folder into plain read-only values.

Also runs inside backend environments: standard library and numpy only, Python 3.7.
"""

import hashlib
import json
import os
from collections import OrderedDict, namedtuple

import numpy as np

Client = namedtuple("Client", "id batches examples seed")
Client.__doc__ = """One client's part in a round.

id: int; batches: list of int32 arrays, the samples of each batch in order; examples: int, their total, which
is the client's weight in the average; seed: int, non-negative 63 bits, for draws such as dropout masks.
"""

Work = namedtuple("Work", "number clients")
Work.__doc__ = """One round: its number (from 1) and the cohort's `Client`s."""

Training = namedtuple("Training", "batch_size lr momentum weight_decay compile")
Training.__doc__ = """Local SGD: v = momentum * v + (gradient + weight_decay * w); w = w - lr * v."""


class Job:
    """One backend's task, read from `folder`.

    layers: list of dicts, the model in the words of `bench.model`; training: `Training`; rounds: int;
    classes: int; shape: (channel, height, width) of a sample; threads: int; device: "cpu" or "cuda";
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
        self.seed = told["seed"]
        self.evaluate_every = told["evaluate_every"]
        self.save_every = told["save_every"]
        self.training = Training(**told["training"])
        self.form = told["form"]
        self.files = Files(told["data"])
        self.shape = self.files.shape
        self.classes = len(self.files.classes)
        plan = told["plan"]
        with open(os.path.join(plan, "layers.json"), encoding="utf-8") as file:
            self.layers = json.load(file)
        self._weights = os.path.join(plan, "weights.npz")
        self._plan = {
            name: np.load(os.path.join(plan, name + ".npy"), mmap_mode="r")
            for name in (
                "cohort_clients", "cohort_offsets", "slot_batches", "batch_samples", "batch_offsets", "slot_seeds",
            )
        }  # fmt: skip
        self.rounds = len(self._plan["cohort_offsets"]) - 1

    def weights(self):
        """Return the initial canonical weights, read-only."""
        with np.load(self._weights) as stored:
            weights = OrderedDict((name, stored[name]) for name in stored.files)
        for array in weights.values():
            array.setflags(write=False)
        return weights

    def work(self, number):
        """Return the `Work` of round `number`, from 1."""
        first, last = (int(offset) for offset in self._plan["cohort_offsets"][number - 1 : number + 1])
        return Work(number, [self._client(slot) for slot in range(first, last)])

    def _client(self, slot):
        first, last = (int(batch) for batch in self._plan["slot_batches"][slot : slot + 2])
        offsets = [int(offset) for offset in self._plan["batch_offsets"][first : last + 1]]
        samples = self._plan["batch_samples"]
        batches = [samples[start:stop] for start, stop in zip(offsets, offsets[1:])]
        examples = offsets[-1] - offsets[0]
        return Client(int(self._plan["cohort_clients"][slot]), batches, examples, int(self._plan["slot_seeds"][slot]))


class Files:
    """The prepared samples on disk, in every form.

    classes: list of str; shape: (channel, height, width); labels: int64 (n,); test: int32 (m,), the samples
    held out; images: list of n image files; npy: folder of n .npy files; packed: one uint8 .npy file (n, *shape).
    """

    def __init__(self, told):
        self.classes = told["classes"]
        self.shape = tuple(told["shape"])
        with open(told["images"], encoding="utf-8") as file:
            self.images = json.load(file)
        self.packed = told["packed"]
        self.npy = told["npy"]
        self.labels = np.load(told["labels"], mmap_mode="r")
        self.test = np.load(told["test"], mmap_mode="r")
        self.digest = told["pixels"]

    def read(self, form):
        """Return all samples read from `form`, uint8 (n, *shape)."""
        if form in ("packed", "memory"):
            return np.array(np.load(self.packed, mmap_mode="r"))
        samples = np.empty((len(self.labels),) + self.shape, np.uint8)
        if form == "npy":
            for index in range(len(samples)):
                samples[index] = np.load(os.path.join(self.npy, "{:06d}.npy".format(index)))
        elif form == "image":
            from bench.images import read_image

            for index, path in enumerate(self.images):
                samples[index] = read_image(path, self.shape)
        else:
            raise ValueError("no such form: {}".format(form))
        return samples

    def held_out(self):
        """Return the samples held out for evaluation, uint8 (m, *shape)."""
        return np.load(self.packed, mmap_mode="r")[self.test]

    def check(self, samples):
        """Raise ValueError unless `samples`, uint8 (n, *shape), are bit for bit the ones the plan was made for."""
        found = hashlib.sha256(np.ascontiguousarray(samples)).hexdigest()
        if found != self.digest:
            raise ValueError("the samples read differ from those the plan was made for (sha256 {})".format(found[:12]))


def scaled(samples):
    """Return uint8 samples as the float32 that everyone trains on: value / 255."""
    return np.asarray(samples, np.float32) / np.float32(255)
