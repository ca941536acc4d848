"""What approval at a datasite of PySyft 0.9 opens, found out by trying; a JSON line an answer.

The owner is the site's root user, the scientist one that it registered, who may submit code. First the site lives in
this process, which it leaves by land(), then in one of its own on 127.0.0.1, which is killed.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
from functools import partial

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from _trust.attempts import attempt, claim_stdout, tell

LINES = claim_stdout()
os.environ["NETWORK_REGISTRY_JSON"] = "{}"  # else it is fetched
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import syft as sy  # noqa: E402

RAW = np.array([23.0, 37.0, 61.0])
MOCK = np.array([1.0, 2.0, 3.0])
ROOT = {"email": "info@openmined.org", "password": "changethis"}  # a new site's
SCIENTIST = {"email": "scientist@example.org", "password": "of the scientist"}


def mean(ages):
    return float(ages.mean())


def largest(ages):
    return float(ages.max())


def everything(ages):
    return ages


def is_raw(value):
    return isinstance(value, np.ndarray) and np.array_equal(value, RAW)


def is_raw_or_largest(value):
    return is_raw(value) or (isinstance(value, float) and value == RAW.max())


class Owner:
    """The site's root user, who uploads the asset and registers the scientist."""

    def __init__(self, site):
        self.client = site.login(**ROOT)
        self.client.upload_dataset(sy.Dataset(name="ages", asset_list=[sy.Asset(name="ages", data=RAW, mock=MOCK)]))
        self.client.register(name="Scientist", password_verify=SCIENTIST["password"], **SCIENTIST)

    def data(self):
        return self.client.datasets["ages"].assets["ages"].data

    def find(self, request):
        return next(mine for mine in self.client.requests if mine.id == request.id)


class Scientist:
    """A registered user: the asset as it sees it, and its ways to get at the data."""

    def __init__(self, site):
        self.client = site.login(**SCIENTIST)
        self.asset = self.client.datasets["ages"].assets["ages"]
        self.pointer = self.asset.pointer
        self.names = ("everything_{}".format(number) for number in range(100))

    def ways(self):
        return {
            "asset.mock": self.mock,
            "asset.data": self.data,
            "pointer.get": self.get,
            "action.get": self.get_by_id,
            "pointer + 0": self.add_nothing,
            "pointer[0:]": self.slice,
            "a function without approval": self.run_unapproved,
            "one approved by the scientist": self.approve_and_run,
        }

    def mock(self):
        return self.asset.mock

    def data(self):
        return self.asset.data

    def get(self):
        return self.pointer.get()

    def get_by_id(self):
        return self.client.api.services.action.get(self.asset.action_id).syft_action_data

    def add_nothing(self):
        return (self.pointer + 0).syft_action_data

    def slice(self):
        return self.pointer[0:].syft_action_data

    def run_unapproved(self, name=None):
        name = name or next(self.names)
        self.submit(everything, name)
        self.client.refresh()  # else the name may still stand for what was submitted before
        return self.run(name)

    def approve_and_run(self):
        name = next(self.names)
        self.submit(everything, name).approve()
        return self.run(name)

    def submit(self, function, name):
        """Submit it by that name for the asset, and return the request to run it once."""
        policies = {"input_policy": sy.ExactMatch(ages=self.asset), "output_policy": sy.SingleExecutionExactOutput()}
        return self.client.code.request_code_execution(sy.syft_function(name=name, **policies)(function))

    def run(self, name):
        return getattr(self.client.code, name)(ages=self.asset).get()


def refuse_open_sockets():
    """Raise where this process or a child of it listens to more than this machine."""
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        for connection in process.net_connections():
            if connection.status == psutil.CONN_LISTEN and connection.laddr.ip not in ("127.0.0.1", "::1"):
                raise RuntimeError("PySyft listens on {}".format(connection.laddr))


def kill_children():
    for child in multiprocessing.active_children():
        child.kill()
        child.join()


def probe(variant, site, leave):
    """Answer every question at a new site; `leave` shuts it down."""
    refuse_open_sockets()
    owner = Owner(site)
    if not is_raw(owner.data()):
        raise RuntimeError("not even the owner gets the raw data")
    scientist = Scientist(site)
    tell(LINES, variant, "before", *attempt(scientist.ways(), is_raw))

    owner.find(scientist.submit(mean, "mean")).approve()
    value = scientist.run("mean")
    if value != RAW.mean():
        raise RuntimeError("the approved mean is {}".format(value))
    same_name = {"a function by the approved one's name": partial(scientist.run_unapproved, "mean")}
    tell(LINES, variant, "derived", *attempt({**scientist.ways(), **same_name}, is_raw))

    owner.find(scientist.submit(largest, "largest")).deny(reason="too much")
    value_asked_for = {"the denied value": partial(scientist.run, "largest")}
    tell(LINES, variant, "denied", *attempt({**value_asked_for, **scientist.ways()}, is_raw_or_largest))

    refuse_open_sockets()
    leave()
    tell(LINES, variant, "left", *attempt(scientist.ways(), is_raw))


def main():
    os.register_at_fork(after_in_child=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))  # killed when this one ends
    with tempfile.TemporaryDirectory() as tempfile.tempdir:
        try:
            site = sy.orchestra.launch(name="in-process")
            probe("a datasite's asset", site, site.land)
            site = sy.orchestra.launch(name="process", port="auto", host="127.0.0.1")
            probe("a datasite's asset, the site a process of its own", site, kill_children)
        finally:
            kill_children()


if __name__ == "__main__":
    main()
