"""Flower's Simulation Runtime, kept running from `open` on; what its ServerApp does is told it bit by bit."""

import os
import queue
import sys
import tempfile
import threading
import time

from _flower import client
from flwr.serverapp import ServerApp
from flwr.simulation import run_simulation

PACKAGES = ("bench", "_torch", "_flower")
STORE_BYTES = 80 * 2**20  # at least, says Ray, 75 MiB
LONGEST_SOCKET = len("/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store.0000")
LONGEST_PATH = 107  # of a Unix socket
STEP_S = 0.05


class Simulation:
    """A simulation of `nodes` clients by `actors` actors of one CPU each (of fewer, where there are fewer nodes)."""

    def __init__(self, nodes, threads, model_bytes):
        self.actors = min(nodes, threads)
        self.nodes = nodes
        self.asked, self.answers = queue.SimpleQueue(), queue.SimpleQueue()
        temporary = tempfile.gettempdir()
        if len(temporary) + LONGEST_SOCKET > LONGEST_PATH:
            told = "the temporary folder {} is too long a path for Ray's sockets: at most {} characters, see TMPDIR"
            raise ValueError(told.format(temporary, LONGEST_PATH - LONGEST_SOCKET))
        _let_actors_import(os.path.join(temporary, "importable"))
        settings = {
            "init_args": {
                "num_cpus": self.actors,
                "num_gpus": 0,
                "include_dashboard": False,
                "object_store_memory": max(STORE_BYTES, 4 * (self.actors + 1) * model_bytes),
                "_temp_dir": os.path.join(temporary, "ray"),
                "_node_ip_address": "127.0.0.1",
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
            run_simulation(ServerApp_of(self._serve), client.app, self.nodes, "ray", settings)
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


def ServerApp_of(main):
    server = ServerApp()
    server.main()(main)
    return server


def _let_actors_import(folder):
    """Show Ray's processes, by one folder of links, the packages that the worker has made importable by itself."""
    os.mkdir(folder)
    for name in PACKAGES:
        os.symlink(next(iter(sys.modules[name].__path__)), os.path.join(folder, name))
    os.environ["PYTHONPATH"] = folder
