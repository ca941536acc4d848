"""pfl's federated dataset over the plan: its sampler draws the round's cohort, its users train the plan's batches."""

from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset

from bench.job import Client

NOBODY = Client(id="nobody", batches=[], examples=0, seed=0, held=0, sampling_rate=0.0, divisors=[])


class PlannedUsers:
    """`dataset` is what pfl samples from; `batches` is a function from a client to an iterable of its batches."""

    def __init__(self, batches):
        self.cohort = iter(())
        self.batches = batches
        self.dataset = FederatedDataset(self._user, lambda: next(self.cohort))

    def expect(self, cohort):
        """Let the next round's draws be these clients, in this order."""
        self.cohort = iter(cohort)

    def _user(self, client):
        return PlannedUser(client, self.batches)


class PlannedUser(Dataset):
    """A user whose batches are the plan's, whatever batch size pfl asks for, and are read as they are asked for.

    Its length is the client's weight in the average.
    """

    def __init__(self, client, batches):
        super().__init__(raw_data=(), user_id=str(client.id))
        self.client = client
        self.batches = batches

    def __len__(self):
        return self.client.examples

    def iter(self, batch_size):
        return self.batches(self.client)
