# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "pfl==0.6.0",
#     "torch==2.13.0",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
# ]
#
# [tool.bench]
# framework = "pfl"
# imports = ["pfl.model.pytorch", "pfl.aggregate.simulate"]
# needs = [
#     "_torch/module.py",
#     "_torch/feeding.py",
#     "_torch/noise.py",
#     "_pfl/network.py",
#     "_pfl/planned.py",
#     "_pfl/client_privacy.py",
# ]
# computes_with = "torch"
# transport = "in process"
# ///
"""pfl-research (Granqvist et al. 2024): Apple's simulation of private federated learning, with torch.

A round is one central iteration of pfl's `FederatedAveraging`, gathered by its `SimulatedBackend`: the three calls that
`FederatedAlgorithm.run` makes of each, by themselves because fedbench asks for rounds one by one. pfl's own loader is
torch's DataLoader, made anew for each user; it isn't offered.
"""

import dataclasses
import os

import numpy as np
import torch
from _pfl.network import Network
from _pfl.planned import NOBODY, PlannedUsers
from _torch import feeding, module
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.hyperparam import NNTrainHyperParams
from pfl.model.pytorch import PyTorchModel

from bench.backend import Backend, Mechanism, Unsupported


class Adapter(Backend):
    """Local SGD by a new `torch.optim.SGD` for each user; centrally SGD of rate 1, to make the mean the new model."""

    private = (("client", "stock"),)

    def open(self, job, weights):
        if job.device == "cuda" and not torch.cuda.is_available():
            raise Unsupported("timing.device = cuda: torch finds no CUDA device here")
        os.environ["PFL_PYTORCH_DEVICE"] = job.device  # without it pfl takes a GPU wherever there is one
        torch.set_num_threads(job.threads)
        self.device = torch.device(job.device)
        self.network = Network.of(job.layers).to(self.device)
        if job.training.compile:
            self.network.loss = torch.compile(self.network.loss)  # pfl's own use_torch_compile leaves `loss` as it is
        self.tensors = module.canonical_tensors(self.network, weights)
        self.set_weights(weights)
        self.noised = self._noised(job.privacy)
        self._open_simulation(job)

    def _noised(self, privacy):
        if privacy is None:
            return None
        from _pfl.client_privacy import ClientLevel

        return ClientLevel(privacy, self.device)

    def _open_simulation(self, job):
        self.users = PlannedUsers(self._batches)
        self.simulation = SimulatedBackend(
            training_data=self.users.dataset,
            val_data=self.users.dataset,
            postprocessors=[self.noised or WeightByDatapoints()],
        )
        self.algorithm = FederatedAveraging()
        never = job.rounds + 1  # rounds count from 1: none is this or a multiple, at which pfl would stop or evaluate
        self.federation = NNAlgorithmParams(
            central_num_iterations=never, evaluation_frequency=never, train_cohort_size=0, val_cohort_size=None
        )
        self.training = NNTrainHyperParams(
            local_num_epochs=1,  # the plan's batches are those of all epochs
            local_learning_rate=job.training.lr,
            local_batch_size=job.training.batch_size,
        )
        self.model = PyTorchModel(
            self.network,
            lambda _, lr: module.sgd(self.network.learned(), job.training._replace(lr=lr)),  # _: all parameters
            torch.optim.SGD(self.network.parameters(), lr=1.0),
        )

    def load(self, files, loading):
        self.targets = torch.from_numpy(np.array(files.labels)).to(self.device)
        module.wait(self.device)
        return feeding.feeder(files, loading)

    def round(self, work, feed):
        self.network.train()
        self.feed = feed
        cohort = work.clients or [NOBODY]  # to pfl an empty cohort is no round at all, noise included
        self.users.expect(cohort)
        federation = dataclasses.replace(self.federation, train_cohort_size=len(cohort))
        (context,), model, _ = self.algorithm.get_next_central_contexts(
            self.model, work.number, federation, self.training
        )
        statistics, metrics = self.simulation.gather_results(model, self.algorithm, central_context=context)
        self.algorithm.process_aggregated_statistics(context, metrics, model, statistics)
        module.wait(self.device)

    def _batches(self, client):
        """Yield inputs and targets of the client's batches in order; its masks follow from its seed."""
        torch.manual_seed(client.seed)
        for batch, samples in zip(client.batches, self.feed(client.batches)):
            picked = torch.from_numpy(np.array(batch, np.int64)).to(self.device)
            yield feeding.scaled(samples), self.targets[picked]

    def mechanism(self):
        if self.noised is None:
            return None
        return Mechanism(self.noised.privacy.noise_multiplier, self.noised.privacy.max_grad_norm, self.noised.rounds)

    def count_noise(self, work):
        self.noised.rounds += 1

    def figures(self):
        return self.noised.figures()

    def set_weights(self, weights):
        module.set_weights(self.tensors, weights)

    def weights(self):
        return module.get_weights(self.tensors)

    def predict(self, inputs):
        return module.predict(self.network, inputs, self.device)
