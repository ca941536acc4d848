"""Who trains a cohort's clients: this process alone, or a crew of forked ones with a share of the clients each.

Shares depend on the cohort alone, and sums are made in the order of clients and of shares: the same work gives the same
weights bit for bit.
"""

import ctypes
import mmap
import multiprocessing
import traceback

import torch

_BYTES = 4  # of a float32
_PIECE = 2**16  # weights, of which a few pieces fit into a core's own cache
_KEPT = (-1, 2**30), (-3, 2**25), (-3, 2**30)  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD; an older glibc refuses the last


class Alone:
    """This process trains every client, one after another."""

    def __init__(self, lean, feed, targets):
        _keep_memory()
        self.train = lambda *share: _train(lean, feed, targets, *share)
        self.lean = lean
        self.start, self.moved = torch.empty_like(lean.block), torch.empty_like(lean.block)

    def average(self, clients, weights):
        """Return the clients' mean weights, from canonical ones to canonical ones; see `Backend.round`."""
        self.lean.write(weights, self.start)
        self.train(clients, _examples(clients), self.start, self.moved)
        return self.lean.read(self.start.add_(self.moved))


class Crew:
    """`size` processes of one thread each. They have the parent's memory as it was when the crew was made.

    The parent may have had one thread only until then: of a pool of threads a forked process has the locks alone.
    """

    def __init__(self, size, lean, feed, targets):
        self.lean = lean
        self.start = _shared(lean.block.numel())
        self.moves = [_shared(lean.block.numel()) for _ in range(size)]
        fork = multiprocessing.get_context("fork")
        self.members = []
        for moved in self.moves:
            ours, theirs = fork.Pipe()
            told = (theirs, ours, lean, feed, targets, self.start, moved)
            fork.Process(target=_serve, args=told, daemon=True).start()
            theirs.close()
            self.members.append(ours)

    def average(self, clients, weights):
        """Return the clients' mean weights, from canonical ones to canonical ones; see `Backend.round`."""
        self.lean.write(weights, self.start)
        shares = [share for share in deal(clients, len(self.members)) if share]
        for member, share in zip(self.members, shares):
            member.send((share, _examples(clients)))
        for member in self.members[: len(shares)]:
            try:
                trouble = member.recv()
            except EOFError:
                trouble = "it died"
            if trouble:
                raise RuntimeError("a process of the crew failed: " + trouble)
        for moved in self.moves[: len(shares)]:
            self.start.add_(moved)
        return self.lean.read(self.start)


def deal(clients, hands):
    """Return `hands` lists of clients, about as long to train: the longest first, each to who has least (Graham 1969).

    Every list keeps the cohort's order.
    """
    samples = [sum(len(batch) for batch in client.batches) for client in clients]
    dealt = [[] for _ in range(hands)]
    loads = [0] * hands
    for place in sorted(range(len(clients)), key=lambda place: -samples[place]):
        least = loads.index(min(loads))
        dealt[least].append(place)
        loads[least] += samples[place]
    return [[clients[place] for place in sorted(own)] for own in dealt]


def _examples(clients):
    return sum(client.examples for client in clients)


def _train(lean, feed, targets, clients, examples, start, moved):
    """Leave in `moved` how far the clients bring the mean from `start`: their moves, by their share of `examples`.

    A float32 sum of thousands of whole weights would be off by as much as these moved. It goes by pieces, which lie in
    the cache from the first of its steps to the last.
    """
    moved.zero_()
    lean.block.copy_(start)
    pieces = list(zip(*(part.split(_PIECE) for part in (moved, lean.block, start))))
    for client in clients:
        lean.train(client, feed, targets)
        for far, own, own_start in pieces:
            far.add_(own.sub_(own_start), alpha=client.examples / examples)
            own.copy_(own_start)


def _serve(connection, parents, lean, feed, targets, start, moved):
    parents.close()
    _keep_memory()
    torch.set_num_threads(1)
    while True:
        try:
            clients, examples = connection.recv()
        except EOFError:
            return
        try:
            _train(lean, feed, targets, clients, examples, start, moved)
            connection.send(None)
        except Exception:
            connection.send(traceback.format_exc())


def _keep_memory():
    """Have glibc keep what a step frees for the next one: given back, it would come anew page by page, zeroed.

    Batches of several sizes make it give back tens of times a second. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for threshold, size in _KEPT:
            mallopt(threshold, size)


def _shared(count):
    """A float32 tensor (count,) in memory that forked processes share, of no file: containers have little /dev/shm."""
    return torch.frombuffer(mmap.mmap(-1, count * _BYTES), dtype=torch.float32)
