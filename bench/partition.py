"""Who holds which samples.

Every partition is disjoint and complete, and gives each client at least one sample. Ours, because the
kept-up partitioners we looked at bring a framework or a data hub with them.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bench import draws
from bench.errors import UserError
from bench.spec import Federation

Samples = npt.NDArray[np.int32]
Parts = list[Samples]
TOLD = 6  # groups, in a message


def partition(
    settings: Federation,
    samples: Samples,
    labels: npt.NDArray[np.int64],
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> Parts:
    """Return the samples of each client, ascending.

    `samples` are indices int32 (n,), `labels` and `groups` the class and the group of every sample of the data set
    (all, not only those n). Raises UserError where the clients can't be served.
    """
    if settings.partition == "groups":
        return _groups(settings, np.sort(samples), groups)
    if settings.clients > len(samples):
        raise UserError(
            f"federation.clients = {settings.clients}: there are only {len(samples)} training samples;"
            " every client needs at least one"
        )
    parts = _KINDS[settings.partition](settings, np.sort(samples), labels, seed)
    return [np.sort(part).astype(np.int32) for part in parts]


def _groups(settings: Federation, samples: Samples, groups: Sequence[str | None] | None) -> Parts:
    """A group's samples a client, in the order of the groups' names."""
    own = [groups[index] for index in samples] if groups is not None else []
    if not own or None in own:
        raise UserError(
            "federation.partition = groups: this data set doesn't tell whose each sample is;"
            " allowed here are iid, classes, unequal and dirichlet"
        )
    names = sorted({str(name) for name in own})
    if len(names) != settings.clients:
        told = ", ".join(names[:TOLD]) + (", ..." if len(names) > TOLD else "")
        raise UserError(
            f"federation.clients = {settings.clients}: with partition groups it must be {len(names)}, the number of"
            f" groups to train on ({told})"
        )
    numbers = {name: number for number, name in enumerate(names)}
    whose = np.array([numbers[str(name)] for name in own])
    return _cut(samples[np.argsort(whose, kind="stable")].astype(np.int32), np.bincount(whose))


def _iid(settings: Federation, samples: Samples, labels: npt.NDArray[np.int64], seed: int) -> Parts:
    return np.array_split(draws.shuffled(seed, "partition", samples), settings.clients)


def _unequal(settings: Federation, samples: Samples, labels: npt.NDArray[np.int64], seed: int) -> Parts:
    """Sizes in proportion to draws between 1 and 10; what is held is IID."""
    shares = 1.0 + 9.0 * draws.uniforms(seed, "sizes", np.arange(settings.clients))
    sizes = 1 + apportion(len(samples) - settings.clients, shares)
    return _cut(draws.shuffled(seed, "partition", samples), sizes)


def _classes(settings: Federation, samples: Samples, labels: npt.NDArray[np.int64], seed: int) -> Parts:
    """`classes_per_client` classes a client; each class split to within one sample among its holders."""
    present = np.unique(labels[samples])
    held, clients = settings.classes_per_client, settings.clients
    if held > len(present):
        raise UserError(
            f"federation.classes_per_client = {held}: must be at most {len(present)}, the number of classes"
        )
    if held * clients < len(present):
        raise UserError(
            f"federation.clients = {clients} x classes_per_client = {held}: too few to hold all"
            f" {len(present)} classes; their product must be at least {len(present)}"
        )
    order = draws.shuffled(seed, "classes", present)
    holders = draws.shuffled(seed, "holders", np.arange(clients))
    slots = np.arange(clients * held)
    parts: list[list[Samples]] = [[] for _ in range(clients)]
    for position, label in enumerate(order):
        own = holders[slots[slots % len(order) == position] // held]
        members = samples[labels[samples] == label]
        if len(members) < len(own):
            raise UserError(
                f"federation.clients = {clients}: class {label} has {len(members)} training samples"
                f" for its {len(own)} holders; every holder needs at least one"
            )
        split = np.array_split(draws.shuffled(seed, "partition", members), len(own))
        for client, piece in zip(own, split, strict=True):
            parts[client].append(piece)
    return [np.concatenate(pieces) for pieces in parts]


def _dirichlet(settings: Federation, samples: Samples, labels: npt.NDArray[np.int64], seed: int) -> Parts:
    """Each class shared out by Dirichlet(alpha) (Hsu, Qi and Brown 2019, section 3).

    A client left with nothing gets one sample of the client that holds most.
    """
    # RandomState's stream is frozen (NEP 19); rounding hides the last bits, which libm decides.
    stream = np.random.RandomState(int(draws.keys(seed, "dirichlet")) % 2**32)
    parts: list[list[Samples]] = [[] for _ in range(settings.clients)]
    for label in np.unique(labels[samples]):
        members = draws.shuffled(seed, "partition", samples[labels[samples] == label])
        shares = np.round(stream.gamma(settings.alpha, size=settings.clients), 9) + 1e-9
        for client, piece in enumerate(_cut(members, apportion(len(members), shares))):
            parts[client].append(piece)
    whole = [np.concatenate(pieces) for pieces in parts]
    sizes = np.array([len(part) for part in whole])
    for poorest in np.flatnonzero(sizes == 0):
        richest = int(np.argmax(sizes))
        whole[poorest], whole[richest] = whole[richest][-1:], whole[richest][:-1]
        sizes[poorest], sizes[richest] = 1, sizes[richest] - 1
    return whole


def apportion(total: int, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Split `total` into whole numbers in proportion to `shares` (largest remainders; ties to the first)."""
    exact = np.round(total * shares / shares.sum(), 6)
    sizes = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - sizes), kind="stable")
    sizes[order[: total - int(sizes.sum())]] += 1
    return sizes


def _cut(samples: Samples, sizes: npt.NDArray[np.int64]) -> Parts:
    return np.split(samples, np.cumsum(sizes)[:-1])


_KINDS: dict[str, Callable[[Federation, Samples, npt.NDArray[np.int64], int], Parts]] = {
    "iid": _iid,
    "classes": _classes,
    "unequal": _unequal,
    "dirichlet": _dirichlet,
}
