"""The data owner's side of a Duet: publishes numbers, and decides who may see what is computed from them."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I leaves it out

import loopback
import mend
import presence
import talk

POLL_S = 0.02


def main(harness):
    settings = harness.settings
    with harness.step("import") as step:
        loopback.guard(settings["exposed"])
        import syft
        import torch

        loopback.stay(settings["host"], settings["port"])
        if settings["mended"]:
            mend.permissions()
        step.detail = "PySyft {}, torch {}".format(syft.__version__, torch.__version__.partition("+")[0])
        harness.say("versions", syft=syft.__version__, torch=torch.__version__, python=sys.version.split()[0])
    Owner(harness, settings).run()


class Owner:
    """One owner, for as long as one scientist stays."""

    def __init__(self, harness, settings):
        self.harness, self.settings = harness, settings
        self.decisions = list(settings["decisions"])
        self.asked = {}

    def run(self):
        self.publish()
        self.meet()
        self.connect()
        if self.decisions[0] == "handler":
            self.hand_over()
        self.serve()

    def publish(self):
        import torch
        from syft.core.node.domain.domain import Domain

        settings = self.settings
        with self.harness.step("publish") as step:
            self.domain = Domain(name=settings["name"])
            self.client = self.domain.get_root_client()
            self.tensor = torch.tensor(settings["values"], dtype=torch.float64)
            tag, count = settings["tag"], self.tensor.nelement()
            described = "{} number{}".format(count, "" if count == 1 else "s")
            self.pointer = self.tensor.send(self.client, pointable=True, tags=[tag], description=described)
            step.detail = "{}, {}".format(tag, described)

    def meet(self):
        from syft.grid.duet.om_signaling_client import register

        settings = self.settings
        with self.harness.step("meet") as step:
            self.seat = presence.Seat(settings["host"], settings["port"], "owner")
            self.seat.take()
            self.signalling = register(url=loopback.url(settings["host"], settings["port"]))
            self.target = self.seat.exchange(self.signalling.duet_id, "scientist")
            step.detail = "the scientist is at the signalling server"

    def connect(self):
        from syft.grid.duet.webrtc_duet import Duet

        with self.harness.step("connect", self.settings["limit_s"]) as step:
            self.peer = Duet(self.domain, self.target, self.signalling, offer=True)
            self.who = self.peer.name.replace(" Client", "")
            step.detail = "WebRTC, to {}".format(self.who)

    def hand_over(self):
        """Let PySyft's own request handler decide; tell what it does."""
        self.client.requests.add_handler(action="accept", tags=[self.settings["tag"], "mean"])
        self.client.requests.add_handler(action="deny")
        for accepted, name in ((True, "_accept"), (False, "_deny")):
            setattr(self.domain, name, self.telling(accepted, getattr(self.domain, name)))

    def telling(self, accepted, decide):
        def told(request):
            self.show(request)
            with self.harness.step("decide") as step:
                decide(request)
                self.tell(step, accepted, "by the handler: the mean, and nothing else")

        return told

    def serve(self):
        """Answer until the scientist is gone, or the harness says that it is time to go."""
        while True:
            self.wait()
            if self.decisions[0] != "handler":
                self.look()
            told = self.harness.heard()
            if told is None:
                continue
            if told["do"] == "decide":
                self.decide(self.asked[told["request"]], told["accept"], "by you")
            elif told["do"] == "leave":
                self.leave()
                return
            elif told["do"] == "gone":
                if not told["goodbye"]:
                    raise talk.Problem("the scientist is gone without a goodbye")
                return

    def wait(self):
        """Wait a moment, in the event loop: a plain sleep would leave the scientist without answers."""
        import asyncio

        from syft.core.common.event_loop import loop

        loop.run_until_complete(asyncio.sleep(POLL_S))

    def look(self):
        """See what has been requested, and decide where that isn't left to a person."""
        for request in self.client.requests.requests:
            name = str(request.id)
            if name in self.asked:
                continue
            self.asked[name] = request
            self.show(request)
            decision = self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]
            if decision != "ask":
                self.decide(request, decision == "accept", "as told by --decide")

    def show(self, request):
        """Tell the harness who asks for what, and why."""
        data = self.domain.store[request.object_id].data
        count = int(data.nelement()) if hasattr(data, "nelement") else None
        self.harness.say(
            "request",
            request=str(request.id),
            who=self.who,
            key=bytes(request.requester_verify_key).hex()[:12],
            tags=[str(tag) for tag in request.object_tags],
            numbers=count,
            all_numbers=int(self.tensor.nelement()),
            reason=str(request.request_description),
        )

    def decide(self, request, accept, by):
        with self.harness.step("decide") as step:
            if accept:
                request.accept()
            else:
                request.deny()
            self.tell(step, accept, by)

    def tell(self, step, accepted, by):
        step.outcome = "accepted" if accepted else "denied"
        step.detail = by

    def leave(self):
        with self.harness.step("leave"):
            self.peer.close()
            self.seat.leave()


if __name__ == "__main__":
    talk.run("owner", main)
