"""What a tensor at a VirtualWorker of PySyft 0.2 gives away, found out by trying; a JSON line an answer.

There is no approval in this generation: a plain tensor has no permissions, a private one names who may get it.
The scientist holds a pointer and sends messages; nobody here looks into the worker's memory, though it is the same
process. The owner's credential is a secret that the scientist isn't told.
"""

import itertools
import os
import sys
from functools import partial

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from _syft import without_aiortc
from _trust.attempts import attempt, claim_stdout, tell

RAW = [23.0, 37.0, 61.0]
OWNER = "a secret of the owner"
SCIENTIST = "scientist"
NUMBER = itertools.count()


LINES = claim_stdout()
sy = without_aiortc.import_syft()
import torch  # noqa: E402

HOOK = sy.TorchHook(torch)


def unwrapped(value):
    while hasattr(value, "child"):
        value = value.child
    return value


def is_raw(value):
    """Is it the raw tensor, wrapped or not, or its text?"""
    if isinstance(value, str):
        return "23., 37., 61." in value
    value = unwrapped(value)
    return isinstance(value, torch.Tensor) and value.tolist() == RAW


def sent(private):
    """Send the raw tensor to a new worker of the owner; return the pointer that the scientist finds by its tag."""
    worker = sy.VirtualWorker(HOOK, id="owner-{}".format(next(NUMBER)))
    tensor = torch.tensor(RAW)
    if private:
        tensor = tensor.private_tensor(allowed_users=(OWNER,))
    tensor.tag("#ages").send(worker, garbage_collect_data=False, **({"user": OWNER} if private else {}))
    return HOOK.local_worker.request_search(["#ages"], location=worker)[0]


def get(pointer):
    return pointer.get(user=SCIENTIST)


def copy_and_get(pointer):
    return pointer.copy().get(user=SCIENTIST)


def add_nothing_and_get(pointer):
    return (pointer + 0).get(user=SCIENTIST)


def slice_and_get(pointer):
    return pointer[0:].get(user=SCIENTIST)


def move_here(pointer):
    return pointer.move(HOOK.local_worker)


def ask_for_text(pointer):
    """Send the worker the command __repr__, as any other is sent; of a long tensor it tells 1000 values at most."""
    return HOOK.local_worker.send_command(pointer.location, "__repr__", pointer.child, return_value=True)


def accept_mean(pointer, private):
    """The scientist asks for a mean, the owner allows it: return it as it arrives."""
    mean = pointer.mean()
    if private:
        pointer.location.get_obj(mean.child.id_at_location).child.register_credentials([SCIENTIST])
    mean = mean.get(user=SCIENTIST)
    if not torch.equal(unwrapped(mean), torch.tensor(RAW).mean()):
        raise RuntimeError("the accepted mean is {}".format(mean))
    return mean


def get_once_the_mean_came(way, private, pointer):
    accept_mean(pointer, private)
    return way(pointer)


def get_by_credentials_of_the_mean(pointer):
    """The mean arrives with the names of all who may get it: use them."""
    for credential in accept_mean(pointer, True).child.allowed_users:
        if credential != SCIENTIST:
            return pointer.get(user=credential)
    return None


def deregister(worker):
    worker.remove_worker_from_local_worker_registry()


def deregister_and_clear(worker):
    worker.remove_worker_from_local_worker_registry()
    worker.clear_objects()


def get_once_left(way, leave, pointer):
    leave(pointer.location)
    return way(pointer)


def answer(variant, question, private, ways):
    """Try each way, {name: function of a pointer}, at a tensor of its own: getting it removes it."""
    ready = {name: partial(way, sent(private)) for name, way in ways.items()}
    tell(LINES, variant, question, *attempt(ready, is_raw))


def answer_denied(variant, private):
    """Ask with a reason, and look for what the owner could deny it by."""
    pointer = sent(private)
    ways = {"get with a reason": partial(pointer.get, user=SCIENTIST, reason="for a mean")}
    happened = attempt(ways, is_raw)[1]
    verbs = ("accept", "approve", "deny", "refuse", "reject")
    methods = [name for name in dir(pointer.location) if name.startswith(verbs)]
    if methods:
        raise RuntimeError("this VirtualWorker has {}, which the probe doesn't try".format(methods))
    detail = "answered at once; a VirtualWorker has no method to {}; {}".format(" or ".join(verbs), happened)
    tell(LINES, variant, "denied", "not applicable", detail)


def probe(variant, private, ways, after_the_mean=None):
    answer(variant, "before", private, ways)
    derived = {name: partial(get_once_the_mean_came, way, private) for name, way in ways.items()}
    answer(variant, "derived", private, dict(derived, **(after_the_mean or {})))
    answer_denied(variant, private)
    left = {}
    for state, leave in (("deregistered", deregister), ("cleared too", deregister_and_clear)):
        left.update({"{} ({})".format(name, state): partial(get_once_left, way, leave) for name, way in ways.items()})
    answer(variant, "left", private, left)


def main():
    ways = {
        "get": get,
        "copy": copy_and_get,
        "+ 0": add_nothing_and_get,
        "[0:]": slice_and_get,
        "move": move_here,
    }
    probe("a plain tensor sent to a VirtualWorker", False, ways)
    probe("a private tensor", True, ways)
    roundabout = {"get by the mean's list of users": get_by_credentials_of_the_mean}
    probe("a private tensor, by a roundabout way", True, {"the command __repr__": ask_for_text}, roundabout)


if __name__ == "__main__":
    main()
