"""A client as a datasite of PySyft 0.9: its owner publishes samples and approves code; a scientist sends the code.

The site runs within this process and opens no port. Owner and scientist are two users with keys of their own.
"""

import os

os.environ.setdefault("NETWORK_REGISTRY_JSON", "{}")  # else it looks for one outside

import syft

OWNER = {"email": "info@openmined.org", "password": "changethis"}  # the account that every new site has
SCIENTIST = {"email": "scientist@example.org", "password": "federated"}


class Datasite:
    """One client's site. samples: int64 (n,), what the plan calls them; inputs: uint8 (n, ...); labels: int64 (n,)."""

    def __init__(self, name, samples, inputs, labels):
        site = syft.orchestra.launch(name=name, reset=True)
        self.owner = site.login(**OWNER)
        self.owner.register(name="Scientist", password_verify=SCIENTIST["password"], **SCIENTIST)
        held = {"samples": samples, "inputs": inputs, "labels": labels}
        mock = {part: array[:0] for part, array in held.items()}
        asset = syft.Asset(name="held", data=held, mock=mock)
        self.owner.upload_dataset(syft.Dataset(name="films", asset_list=[asset]))
        self.scientist = site.login(**SCIENTIST)
        self.asset = self.scientist.datasets["films"].assets[0]

    def train(self, number, task):
        """Train at the site in round `number`, once the owner approves; return the weights, canonical float32."""
        told = syft.ActionObject.from_obj(task).send(self.scientist)
        name = "train_in_round_{}".format(number)
        policies = {
            "input_policy": syft.ExactMatch(held=self.asset, task=told),
            "output_policy": syft.SingleExecutionExactOutput(),
        }
        code = syft.syft_function(name=name, **policies)(train_on_what_is_held)
        request = self.scientist.code.request_code_execution(code)
        self.owner.api.services.request.get_by_uid(request.id).approve()
        return getattr(self.scientist.code, name)(held=self.asset, task=told).get()


def train_on_what_is_held(held, task):
    from _syft import on_site

    return on_site.train(held, task)
