"""Flower's `ClientApp`, as every actor runs it: plain local SGD in torch on the batches that a message names."""

import functools
import os
import time

import numpy as np
import torch
from _torch import feeding, module
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from bench.job import Job, Loading

MUSTER_S = 120.0

app = ClientApp()


@app.train()
def train(message, context):
    """Answer with the weights after one SGD step a batch, from the message's weights."""
    told = message.content["config"]
    trainer = _trainer(told["job"])
    trainer.set_weights({name: array.numpy() for name, array in message.content["arrays"].items()})
    samples, ends = (np.frombuffer(told[name], np.int32) for name in ("samples", "ends"))
    trainer.train(np.split(samples, ends[:-1]), told["form"], told["seed"])
    arrays = ArrayRecord({name: Array(own) for name, own in trainer.weights().items()})
    content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": told["examples"]})})
    return Message(content, reply_to=message)


@app.query()
def muster(message, context):
    """Get ready, and answer when `count` actors have: a busy actor leaves the other messages to others."""
    told = message.content["config"]
    trainer = _trainer(told["job"])
    if told["form"]:
        trainer.reader(told["form"])
    open(os.path.join(told["meeting"], str(os.getpid())), "w").close()
    began = time.monotonic()
    while len(os.listdir(told["meeting"])) < told["count"]:
        if time.monotonic() - began > MUSTER_S:
            raise TimeoutError("not all of Ray's actors came up")
        time.sleep(0.01)
    return Message(RecordDict(), reply_to=message)


class Trainer:
    """A model and the samples of one job, kept from message to message."""

    def __init__(self, folder):
        job = Job(folder)
        torch.set_num_threads(1)
        self.files = job.files
        self.training = job.training
        self.model = module.build(job.layers)
        self.tensors = module.canonical_tensors(self.model, job.weights())
        self.targets = torch.from_numpy(np.array(job.files.labels))
        self.readers = {}

    def reader(self, form):
        """Return what feeds batches of `form`; made once."""
        if form not in self.readers:
            self.readers[form] = feeding.feeder(self.files, Loading(form, "gather", 0))
        return self.readers[form]

    def train(self, batches, form, seed):
        """Take a step a batch (int32 arrays of sample numbers) with a new optimizer; dropout's masks follow `seed`."""
        torch.manual_seed(seed)
        self.model.train()
        optimizer = module.sgd(self.model.parameters(), self.training)
        for batch, samples in zip(batches, self.reader(form)(batches), strict=True):
            optimizer.zero_grad()
            logits = self.model(feeding.scaled(samples))
            torch.nn.functional.cross_entropy(logits, self.targets[torch.from_numpy(batch.astype(np.int64))]).backward()
            optimizer.step()

    def set_weights(self, weights):
        module.set_weights(self.tensors, weights)

    def weights(self):
        return module.get_weights(self.tensors)


@functools.lru_cache(maxsize=1)
def _trainer(folder):
    return Trainer(folder)
