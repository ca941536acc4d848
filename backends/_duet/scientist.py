"""The data scientist's side of a Duet: sees what there is, asks for a mean, and tries for more than that."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I leaves it out

import loopback
import presence
import talk


def main(harness):
    settings = harness.settings
    loopback.guard(settings["exposed"])
    seat = presence.Seat(settings["host"], settings["port"], "scientist")  # before the import, which takes seconds
    Scientist(harness, settings, seat).run()


class Scientist:
    """One scientist, at one owner's."""

    def __init__(self, harness, settings, seat):
        self.harness, self.settings, self.seat = harness, settings, seat
        self.limit_s = settings["limit_s"]
        self.may_leave = False
        self.owner_left = False

    def run(self):
        self.load()
        self.seat.take()
        self.seat.watch(self.lost)
        self.meet()
        self.connect()
        self.look()
        self.raw("raw before")
        for number, statistic in enumerate(self.settings["statistics"]):
            suffix = "" if number == 0 else " " + statistic
            result = self.compute(statistic, suffix)
            self.request(result, statistic, suffix)
            self.fetch(result, statistic, suffix)
            self.raw("raw after" + suffix)
        if self.settings["probe"]:
            self.outstay()
        else:
            self.leave()

    def lost(self):
        self.owner_left = True
        if not self.may_leave:
            self.harness.give_up("the owner is gone")

    def load(self):
        with self.harness.step("import") as step:
            import syft
            import torch

            loopback.stay(self.settings["own_host"], self.settings["port"])
            step.detail = "PySyft {}, torch {}".format(syft.__version__, torch.__version__.partition("+")[0])
            self.harness.say("versions", syft=syft.__version__, torch=torch.__version__, python=sys.version.split()[0])

    def meet(self):
        from syft.grid.duet.om_signaling_client import register

        settings = self.settings
        with self.harness.step("meet") as step:
            self.signalling = register(url=loopback.url(settings["host"], settings["port"]))
            self.target = self.seat.exchange(self.signalling.duet_id, "owner")
            step.detail = "the owner is at the signalling server"

    def connect(self):
        from syft.core.node.domain.domain import Domain
        from syft.grid.duet.webrtc_duet import Duet

        with self.harness.step("connect", self.limit_s) as step:
            self.domain = Domain(name=self.settings["name"])
            self.duet = Duet(self.domain, self.target, self.signalling, offer=False)
            step.detail = "WebRTC, to {}".format(self.duet.name.replace(" Client", ""))

    def look(self):
        with self.harness.step("list the store", self.limit_s) as step:
            found = self.duet.store.store
            step.stop()
            if not found:
                raise talk.Problem("the owner has published nothing")
            self.data = found[0]
            self.tag = ", ".join(str(tag) for tag in self.data.tags)
            kind = self.data.object_type.replace("<class '", "").replace("'>", "")
            step.detail = "{}: {} ({})".format(self.tag, self.data.description, kind)

    def raw(self, name):
        """Try for the raw tensor."""
        with self.harness.step(name, self.limit_s) as step:
            values = self.attempt(step, self.data)
            if step.outcome == "open":
                step.detail = "all {} values are here".format(values.nelement())
        if self.settings["probe"]:
            self.copy_aside(name.replace("raw", "raw aside", 1))

    def copy_aside(self, name):
        """Have the owner's torch write the raw values into a tensor of ours: nobody is asked."""
        import torch

        with self.harness.step(name, self.limit_s) as step:
            ours = torch.zeros(0, dtype=torch.float64).send(self.duet)
            self.duet.torch.add(self.data, 0, out=ours)
            values = self.attempt(step, ours)
            if step.outcome == "open":
                step.detail = "torch.add(raw, 0, out=ours), ours.get(): all {} values are here".format(
                    values.nelement()
                )
                step.outcome = "open" if values.nelement() else "refused"

    def compute(self, statistic, suffix):
        with self.harness.step("compute" + suffix, self.limit_s) as step:
            result = getattr(self.data, statistic)()
            step.detail = "{}.{}() at the owner's: a pointer, no value".format(self.tag, statistic)
        return result

    def request(self, result, statistic, suffix):
        from syft.core.node.domain.service import RequestStatus

        wait_s = self.settings["wait_s"]
        with self.harness.step("request" + suffix, wait_s + self.limit_s) as step:
            status = result.request(reason=self.settings["reason"], block=True, timeout_secs=wait_s)
            step.stop()
            step.detail = "the {}".format(statistic)
            if step.seconds() >= wait_s:
                step.outcome = "unanswered"
            else:
                step.outcome = "accepted" if status == RequestStatus.Accepted else "denied"

    def fetch(self, result, statistic, suffix):
        with self.harness.step("get the result" + suffix, self.limit_s) as step:
            value = self.attempt(step, result)
            if step.outcome == "open":
                step.outcome, step.value = "done", float(value)
                step.detail = "the {} is {:.6g}".format(statistic, step.value)

    def attempt(self, step, pointer):
        """Get a copy of what a pointer points to; a refusal is an outcome."""
        from syft.core.node.common.service.auth import AuthorizationException

        try:
            value = pointer.get(delete_obj=False)
            step.outcome = "open"
        except AuthorizationException as error:
            value, step.outcome = None, "refused"
            step.detail = '"{}"'.format(str(error).partition(" Object with ID")[0])
        step.stop()
        return value

    def outstay(self):
        """Let the owner go first, and try for the raw tensor once more."""
        import asyncio

        from syft.core.common.event_loop import loop

        self.may_leave = True
        self.harness.say("finished")
        with self.harness.step("owner leaves", self.limit_s):
            while not self.owner_left:
                loop.run_until_complete(asyncio.sleep(0.05))
        with self.harness.step("raw after the owner left") as step:
            step.outcome, step.detail = "refused", "nobody answers"
            try:
                message = asyncio.wait_for(self.duet.connection.send_sync_message(self.question()), 3.0)
                answer = loop.run_until_complete(message)
                step.outcome, step.detail = "open", "it was answered: {}".format(type(answer).__name__)
            except Exception as error:
                step.detail = "nobody answers ({})".format(type(error).__name__)

    def question(self):
        """Return the message by which `get` asks for the raw tensor, signed."""
        from syft.core.node.common.action.get_object_action import GetObjectAction

        address = self.duet.address
        message = GetObjectAction(self.data.id_at_location, address=address, reply_to=address, delete_obj=False)
        return message.sign(signing_key=self.duet.signing_key)

    def leave(self):
        self.may_leave = True
        with self.harness.step("leave", self.limit_s):
            self.duet.close()
            self.seat.leave()


if __name__ == "__main__":
    talk.run("scientist", main)
