"""Differential privacy by Opacus, shared by every backend that trains with torch.

`PrivacyEngine.make_private` draws batches itself, and fedbench's plan has drawn them; so this takes the parts that the
engine is made of: its wrapped module, optimizer, loss and accountants. It clips by ghost clipping, the fastest of
Opacus' modes for the study's network on a CPU. The model is wrapped once for all rounds; each client has an optimizer
a round, since momentum restarts, and one accountant for good.
"""

import logging
import math
import warnings

import torch
from _torch import module, noise

from bench.backend import Figure, Unsupported

try:
    from opacus.accountants import PRVAccountant, RDPAccountant
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
except ImportError as error:
    raise Unsupported("privacy.engine = stock: Opacus is not in this environment: {}".format(error)) from error

logging.getLogger("opacus").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="opacus")


class ExampleLevel:
    """DP-SGD on the clients: each example's gradient clipped, noise on each batch's sum."""

    def __init__(self, model, training, privacy, device):
        self.model = GradSampleModuleFastGradientClipping(model, max_grad_norm=privacy.max_grad_norm)
        self.training = training
        self.privacy = privacy
        self.noise = noise.stream(privacy, device)
        self.accountants = {}

    def begin(self, client):
        """Return what makes one SGD step: a function of inputs (None: an empty batch), targets and divisor."""
        optimizer = DPOptimizerFastGradientClipping(
            module.sgd(self.model.parameters(), self.training),
            noise_multiplier=self.privacy.noise_multiplier,
            max_grad_norm=self.privacy.max_grad_norm,
            expected_batch_size=1,
            generator=self.noise,
        )
        criterion = DPLossFastGradientClipping(self.model, optimizer, torch.nn.CrossEntropyLoss())
        accountant = self._accountant(client)
        optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(client.sampling_rate))

        def step(inputs, targets, divisor):
            optimizer.zero_grad(set_to_none=True)
            if inputs is None:
                for parameter in optimizer.params:
                    parameter.grad = torch.zeros_like(parameter)
            else:
                criterion(self.model(inputs), targets).backward()
            optimizer.expected_batch_size = divisor
            optimizer.step()

        return step

    def _accountant(self, client):
        return self.accountants.setdefault(client.id, RDPAccountant())

    def count(self, work):
        """Count in the noise of a round that an earlier process trained."""
        for client in work.clients:
            for _ in client.batches:
                self._accountant(client).step(
                    noise_multiplier=self.privacy.noise_multiplier, sample_rate=client.sampling_rate
                )

    def steps(self):
        """Return client -> noised steps, as Opacus' accountants counted them."""
        return {client: sum(count for _, _, count in own.history) for client, own in self.accountants.items()}

    def figures(self):
        """Return Opacus' own epsilons, both of which take Poisson sampling for granted; the largest of all clients."""
        return _figures([own.history for own in self.accountants.values()], self.privacy)


class ClientLevel:
    """DP-FedAvg on the server: to Opacus' optimizer a client's update is one example's gradient, negative."""

    def __init__(self, parameters, privacy, device):
        """`parameters`: name -> torch Parameter, the server's weights."""
        self.privacy = privacy
        self.parameters = parameters
        self.optimizer = DPOptimizer(
            torch.optim.SGD(parameters.values(), lr=1.0),
            noise_multiplier=privacy.noise_multiplier,
            max_grad_norm=privacy.max_grad_norm,
            expected_batch_size=privacy.cohort_size,
            generator=noise.stream(privacy, device),
        )
        self.accountant = RDPAccountant()
        self.optimizer.attach_step_hook(self.accountant.get_optimizer_hook_fn(privacy.cohort_rate))

    def add(self, start, end):
        """Take in one client's weights, before and after its training."""
        for name, parameter in self.parameters.items():
            parameter.grad_sample = (start[name] - end[name]).unsqueeze(0)
        self.optimizer.signal_skip_step(True)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def finish(self):
        """Add noise to the sum of the clipped updates, and take the step; the weights must be the server's again."""
        for parameter in self.parameters.values():
            parameter.grad_sample = parameter.new_zeros((0, *parameter.shape))
        self.optimizer.signal_skip_step(False)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def count(self, work):
        """Count in the noise of a round that an earlier process trained."""
        self.accountant.step(noise_multiplier=self.privacy.noise_multiplier, sample_rate=self.privacy.cohort_rate)

    def steps(self):
        """Return the number of noised rounds."""
        return sum(count for _, _, count in self.accountant.history)

    def figures(self):
        """Return Opacus' own epsilons, which take Poisson sampling of clients for granted."""
        return _figures([self.accountant.history], self.privacy)


def _figures(histories, privacy):
    """The largest epsilon over (noise, rate, steps) `histories`; both accountants take Poisson draws for granted."""
    distinct = {tuple(history) for history in histories}
    by_rdp, by_prv = _largest(RDPAccountant, distinct, privacy), _by_prv(distinct, privacy)
    return [
        Figure("Opacus RDP", "rdp", "poisson", by_rdp, RDPAccountant.DEFAULT_ALPHAS),
        Figure("Opacus PRV", "pld", "poisson", by_prv, None),
    ]


def _by_prv(histories, privacy):
    """None where its grid overflows, as it does at a large epsilon."""
    try:
        found = _largest(PRVAccountant, histories, privacy)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError):
        return None
    return None if math.isnan(found) else found


def _largest(accountant, histories, privacy):
    if not privacy.noise_multiplier:
        return math.inf
    epsilons = []
    for history in histories:
        own = accountant()
        own.history = list(history)
        epsilons.append(float(own.get_epsilon(privacy.delta)))
    return max(epsilons, default=0.0)
