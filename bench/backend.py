"""The contract between fedbench and a federated-learning framework.

An adapter is one file with a class `Adapter(Backend)`. The worker makes one instance in a process of its
own and calls `open`, `load`, then `round` and `predict` as the plan says. The worker holds the clock; the
adapter trains. This file also runs inside backend environments: standard library and numpy only, Python 3.7.
"""

from collections import namedtuple

Mechanism = namedtuple("Mechanism", "noise_multiplier max_grad_norm steps")
Mechanism.__doc__ = """The noise that was added, as the backend counted it.

noise_multiplier, max_grad_norm: float, as applied; steps: where privacy is by example, a dict from client to the
noised sums that were made of its samples; where it is by client, the number of noised rounds, an int.
"""

Figure = namedtuple("Figure", "name accountant sampling epsilon orders")
Figure.__doc__ = """A framework's own epsilon, the largest of all clients.

name: str, whose it is; accountant: what fedbench holds it against, "rdp" (Renyi DP at the `orders`, list of float) or
"pld" (privacy loss, numerically; orders None); sampling: "poisson" or "shuffled", what it takes for granted; epsilon:
float, or None where the framework can't compute it.
"""


class Unsupported(Exception):
    """Raised by an adapter that can't honour the job, with the reason: a skip, never a silent difference.

    `asked` is what of the job is refused whatever else it asks, in the words of its job.json, such as {"privacy":
    {"unit": "client"}}; None where that isn't told. `bench conformance` doesn't ask for the same twice.
    """

    def __init__(self, reason, asked=None):
        super().__init__(reason)
        self.asked = asked


class Backend:
    """One framework. Weights are always canonical: a dict name -> float32 array, see `bench.model`.

    `loaders` says who can read its samples: fedbench (`gather`), and the framework's own loader (`framework`);
    `private` which units of differential privacy, by which engines, such as (("example", "stock"),); `strategies` which
    of `timing.strategy` it has.
    """

    loaders = ("gather",)
    private = ()
    strategies = ("eager",)

    @classmethod
    def import_variant(cls, variant):
        """Import what one variant needs and another goes without; `variant` is what follows the + in its name, or None.

        Timed as part of the import, as the file's own imports are.
        """

    def open(self, job, weights):
        """Build the model with these initial weights. `job` is a `bench.job.Job`.

        Raise `Unsupported(reason)` for whatever of the job the framework can't do.
        """
        raise NotImplementedError

    def way(self):
        """Return (name, seconds by name) of the way it runs in, where `open` chose one by measuring, else None.

        The job's repeats are told the name in `job.way`, and take it: another way would round differently. The seconds,
        a dict, are empty there.
        """
        return

    def load(self, files, loading):
        """Make the samples ready and return what feeds them: a function from batches to an iterator over their samples.

        `files` is a `bench.job.Files`, `loading` a `bench.job.Loading`; `files.reader(loading.form).feed` is such a
        function for every form that can be trained on. Batches are int arrays of sample numbers; each is answered,
        in order, by the framework's own array in this process, uint8 (n, channel, height, width), readable by numpy.
        Called once for each way of reading that a job compares: each feed stands by itself.
        """
        raise NotImplementedError

    def round(self, work, feed):
        """Train one round of federated averaging: `work` is a `bench.job.Work`, its samples are read through `feed`.

        Every member of the cohort starts from the current weights, takes one SGD step a batch in the given
        order (mean cross-entropy; momentum starts at zero each round), and the new weights are the mean of
        the members' weights, weighted by `client.examples`. A pure function of (weights, work), but for the noise
        of `bench.job.Privacy` where the job has one; returns when the device is idle. With privacy a batch may be
        empty, which is a step of noise alone, and so may a cohort.
        """
        raise NotImplementedError

    def set_weights(self, weights):
        """Go on from these canonical weights instead; whatever else the next round may not depend on stays as it is.

        The certificate's probe starts each round from the reference's weights, so that differences don't add up.
        """
        raise NotImplementedError

    def exact_weights(self):
        """Return what `set_weights` goes on from, bit for bit: the canonical weights, unrounded where they are wider.

        For a backend that trains in float32 these are `weights`.
        """
        return self.weights()

    def mechanism(self):
        """Return the `Mechanism` that all rounds so far amount to, or None where nothing was noised."""
        return

    def figures(self):
        """Return the `Figure`s that the framework itself gives for the noise of all rounds so far."""
        return []

    def count_noise(self, work):
        """Count in the noise of this round, which an earlier process of an interrupted job has added."""
        raise NotImplementedError("a backend with privacy that goes on from a checkpoint needs count_noise")

    def weights(self):
        """Return the current canonical weights, or None where the method has none."""
        raise NotImplementedError

    def model_bytes(self):
        """Return how many bytes prediction's numbers take, or None: here those of the canonical weights."""
        weights = self.weights()
        return None if weights is None else sum(array.nbytes for array in weights.values())

    def peak_device_bytes(self):
        """Return the most memory that tensors have taken on the job's device so far, or None on the CPU."""
        return

    def predict(self, inputs):
        """Return logits, float32 (n, classes), of `inputs`, float32 (n, channel, height, width).

        A method without logits returns scores of which the right class's is the largest, too.
        """
        raise NotImplementedError
