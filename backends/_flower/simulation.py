"""Flower's Simulation Runtime, kept running from `open` on; what its ServerApp does is told it bit by bit."""

import os
import queue
import sys
import tempfile
import threading
import time

import ray  # noqa: F401  here, so that Flower doesn't do it in `open`, where starting Ray is timed
from _flower import client
from flwr.serverapp import ServerApp
from flwr.simulation import run_simulation

PACKAGES = ("bench", "_torch", "_flower")
STORE_BYTES = 80 * 2**20  # at least, says Ray, 75 MiB
SOCKET = len("/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store")
LONGEST_TEMPORARY = 107 - SOCKET  # a Unix socket's path has 107 characters at most
STEP_S = 0.05


class Simulation:
    """A simulation of `nodes` clients by `actors` actors of one CPU each, as many as `threads` or as there are nodes.

    model_bytes: of the weights, of which Ray's store has to hold some at once.
    """

    def __init__(self, nodes, threads, model_bytes):
        self.actors = min(nodes, threads)
        self.nodes = nodes
        self.asked, self.answers = queue.SimpleQueue(), queue.SimpleQueue()
        temporary = tempfile.gettempdir()
        if len(temporary) > LONGEST_TEMPORARY:
            told = "TMPDIR: {} is too long for the sockets that Ray makes in it: at most {} characters"
            raise ValueError(told.format(temporary, LONGEST_TEMPORARY))
        _let_actors_import(os.path.join(temporary, "importable"))
        settings = {
            "init_args": {
                "num_cpus": self.actors,
                "num_gpus": 0,
                "include_dashboard": False,
                "object_store_memory": max(STORE_BYTES, 4 * (self.actors + 1) * model_bytes),
                "_temp_dir": temporary,
                "log_to_driver": False,
            },
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        }
        threading.Thread(target=self._run, args=(settings,), daemon=True).start()

    def call(self, action):
        """Return what `action`, a function of the ServerApp's grid, returns there; raise what it, or Ray, raises."""
        self.asked.put(action)
        answer, error = self.answers.get()
        if error is not None:
            raise error
        return answer

    def _run(self, settings):
        try:
            run_simulation(_server_app(self._serve), client.app, self.nodes, "ray", settings)
            raise RuntimeError("Flower's simulation ended by itself")
        except BaseException as error:
            self.answers.put((None, error))

    def _serve(self, grid, context):
        while len(list(grid.get_node_ids())) < self.nodes:
            time.sleep(STEP_S)
        while True:
            action = self.asked.get()
            try:
                self.answers.put((action(grid), None))
            except Exception as error:
                self.answers.put((None, error))


def _server_app(main):
    server = ServerApp()
    server.main()(main)
    return server


def _let_actors_import(folder):
    """Show Ray's processes, by one folder of links, the packages that the worker has made importable by itself."""
    os.mkdir(folder)
    for name in PACKAGES:
        os.symlink(next(iter(sys.modules[name].__path__)), os.path.join(folder, name))
    os.environ["PYTHONPATH"] = folder
