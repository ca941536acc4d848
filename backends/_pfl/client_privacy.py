"""Differential privacy by client, by pfl's own central Gaussian mechanism and accountants."""

import dataclasses
import math
from contextlib import contextmanager

import torch
from _torch import noise
from pfl.privacy.gaussian_mechanism import GaussianMechanism
from pfl.privacy.privacy_accountant import PLDPrivacyAccountant, PRVPrivacyAccountant
from pfl.privacy.privacy_mechanism import CentrallyAppliedPrivacyMechanism

from bench.backend import Figure


class ClientLevel(CentrallyAppliedPrivacyMechanism):
    """DP-FedAvg (McMahan et al. 2018, algorithm 1): each update clipped, noise on a round's sum.

    Two things differ from how pfl uses its mechanism. Its noise follows from 32 bits that numpy draws, which can be
    tried out; here it comes from a stream of its own. And it divides the noised sum by how many took part, which tells
    whether one more did; here by how many were to be expected.
    """

    def __init__(self, privacy, device):
        super().__init__(GaussianMechanism(privacy.max_grad_norm, privacy.noise_multiplier))
        self.privacy = privacy
        self.noise = noise.stream(privacy, device)
        self.rounds = 0

    def postprocess_server(self, *, stats, central_context, aggregate_metrics):
        unseeded = dataclasses.replace(central_context, seed=None)  # pfl then draws from torch's own generator
        with _drawing_from(self.noise):
            stats, metrics = super().postprocess_server(
                stats=stats, central_context=unseeded, aggregate_metrics=aggregate_metrics
            )
        stats.weight = float(self.privacy.cohort_size)
        self.rounds += 1
        return stats, metrics

    def figures(self):
        """Return the epsilons of two of pfl's accountants, which take Poisson draws of clients for granted.

        Its third, by RDP, leaves out orders at which its series doesn't converge and doesn't tell which, so that there
        is nothing to hold it against.
        """
        return [
            Figure("pfl PLD", "pld", "poisson", self._epsilon(PLDPrivacyAccountant), None),
            Figure("pfl PRV", "pld", "poisson", self._by_prv(), None),
        ]

    def _by_prv(self):
        """None where its grid doesn't hold a large epsilon."""
        try:
            return self._epsilon(PRVPrivacyAccountant)
        except (ArithmeticError, MemoryError, RuntimeError, ValueError):
            return None

    def _epsilon(self, accountant):
        if not self.rounds:
            return 0.0
        if not self.privacy.noise_multiplier:
            return math.inf
        return float(
            accountant(
                num_compositions=self.rounds,
                sampling_probability=self.privacy.cohort_rate,
                mechanism="gaussian",
                delta=self.privacy.delta,
                noise_parameter=self.privacy.noise_multiplier,
            ).epsilon
        )


@contextmanager
def _drawing_from(stream):
    """Let torch's own generator of the stream's device go on as `stream` for a while, and `stream` after it."""
    own = torch.cuda.default_generators[torch.cuda.current_device()] if stream.device.type == "cuda" else None
    own = own or torch.default_generator
    kept = own.get_state()
    own.set_state(stream.get_state())
    try:
        yield
    finally:
        stream.set_state(own.get_state())
        own.set_state(kept)
