"""Federated averaging of the study's network in plain torch, as a person writes it for one experiment.

argv: a JSON file of settings. `rounds` trains, and writes the final weights. Runs in torch's own environment; nothing
of fedbench is in it.
"""

import json
import sys

import numpy as np
import torch
from torch import nn

with open(sys.argv[1]) as file:
    settings = json.load(file)
torch.set_num_threads(settings["threads"])

plan = {name: np.load("{}/{}.npy".format(settings["plan"], name)) for name in settings["arrays"]}
images = torch.from_numpy(np.load(settings["images"])).to(torch.float32).div_(255)
labels = torch.from_numpy(np.load(settings["labels"]))
side = (images.shape[2] - 4) // 2

model = nn.Sequential(
    nn.Conv2d(images.shape[1], 32, 3),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Dropout(0.25),
    nn.Flatten(),
    nn.Linear(64 * side * side, 128),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(128, settings["classes"]),
)
parameters = list(model.parameters())
with np.load("{}/weights.npz".format(settings["plan"])) as stored:
    names = stored.files
    current = [torch.from_numpy(stored[name]) for name in names]


def put(weights):
    with torch.no_grad():
        for parameter, value in zip(parameters, weights):
            parameter.copy_(value)


def train(slot):
    """One client's local epoch(s), from `current`."""
    put(current)
    torch.manual_seed(int(plan["slot_seeds"][slot]))
    optimizer = torch.optim.SGD(parameters, lr=settings["lr"], momentum=settings["momentum"])
    model.train()
    for batch in range(*plan["slot_batches"][slot : slot + 2]):
        picked = plan["batch_samples"][slice(*plan["batch_offsets"][batch : batch + 2])]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[picked]), labels[picked])
        loss.backward()
        optimizer.step()


def rounds():
    """Train a round each time that the next is asked for; write the final weights after the last."""
    global current
    for number in range(settings["rounds"]):
        slots = range(*plan["cohort_offsets"][number : number + 2])
        examples = int(sum(plan["slot_examples"][slot] for slot in slots))
        moved = [torch.zeros_like(value) for value in current]
        for slot in slots:
            train(slot)
            for total, parameter, value in zip(moved, parameters, current):
                total.add_(parameter.detach().sub_(value), alpha=int(plan["slot_examples"][slot]) / examples)
        current = [value.add_(total) for value, total in zip(current, moved)]
        yield
    np.savez(settings["weights"], **{name: value.numpy() for name, value in zip(names, current)})
