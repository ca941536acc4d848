"""Flower's federated averaging over the plan: its cohorts, and its batches in the messages."""

from collections import OrderedDict

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp.strategy import FedAvg


class PlannedAverage(FedAvg):
    """`FedAvg` whose clients are told, not sampled. `folder`: the job's, which the actors read, too.

    Every client has the node of its number, in the order of the nodes' names.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.nodes = []

    def muster(self, grid, count, meeting, form):
        """Have `count` actors ready, see `client.muster`."""
        self.nodes = sorted(grid.get_node_ids())
        told = {"job": self.folder, "meeting": meeting, "form": form, "count": count}
        content = RecordDict({"config": ConfigRecord(told)})
        _replies(grid, [Message(content, node, MessageType.QUERY) for node in self.nodes[:count]])

    def average(self, grid, work, form, weights):
        """Return the mean weights of a round's clients, by their examples: canonical ones, from canonical ones.

        Replies are averaged in the cohort's order: in that of their coming, a sum would round differently every time.
        """
        arrays = ArrayRecord({name: Array(own) for name, own in weights.items()})
        messages = [self._message(client, form, arrays) for client in work.clients]
        replies = {reply.metadata.src_node_id: reply for reply in _replies(grid, messages)}
        mean, _ = self.aggregate_train(work.number, [replies[self.nodes[client.id]] for client in work.clients])
        return OrderedDict((name, mean[name].numpy()) for name in weights)

    def _message(self, client, form, arrays):
        told = {
            "job": self.folder,
            "form": form,
            "samples": np.concatenate(client.batches).astype(np.int32).tobytes(),
            "ends": np.cumsum([len(batch) for batch in client.batches], dtype=np.int32).tobytes(),
            "seed": client.seed,
            "examples": client.examples,
        }
        content = RecordDict({self.arrayrecord_key: arrays, self.configrecord_key: ConfigRecord(told)})
        return Message(content, self.nodes[client.id], MessageType.TRAIN)


def _replies(grid, messages):
    """Return the answers to all messages. Raises RuntimeError where a client failed."""
    replies = list(grid.send_and_receive(messages))
    for reply in replies:
        if reply.has_error():
            raise RuntimeError("a client failed: {}".format(reply.error.reason))
    return replies
