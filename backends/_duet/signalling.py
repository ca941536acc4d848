"""The signalling server, where the two sides of a Duet find each other. Their data never passes through it.

PySyft's own, on a socket that the harness has opened already, with a seat for each side beside it.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I leaves it out

import loopback
import presence
import talk


def main(harness):
    settings = harness.settings
    with harness.step("import"):
        loopback.guard(settings["exposed"])
        import flask
        import syft.grid.example_nodes.network as network
        import werkzeug.serving

    identities = {}
    taken = set()

    class Handler(werkzeug.serving.WSGIRequestHandler):
        def make_environ(self):
            return dict(super().make_environ(), **{"duet.socket": self.connection})

        def log(self, *arguments):
            pass

    class Server(flask.Flask):
        def run(self, host, port):
            self.add_url_rule("/seat/<side>", "seat", seat)
            self.add_url_rule("/identity/<side>", "identity", identity, methods=["GET", "POST"])
            server = werkzeug.serving.make_server(
                host, port, self, threaded=True, request_handler=Handler, fd=settings["socket"]
            )
            harness.say("ready")
            server.serve_forever()

    def seat(side):
        if side in taken:
            return "taken", 409
        taken.add(side)
        return flask.Response(sit(side, flask.request.environ["duet.socket"]))

    def sit(side, connection):
        yield b"seated\n"
        said = b""
        try:
            for part in iter(lambda: connection.recv(64), b""):
                said += part
        except OSError:
            pass
        harness.say("gone", who=side, goodbye=presence.GOODBYE in said)

    def identity(side):
        if flask.request.method == "POST":
            identities[side] = flask.request.get_data(as_text=True)
        return identities.get(side, "")

    network.Flask = Server
    network.signaling_server(settings["port"], host=settings["host"])


if __name__ == "__main__":
    talk.run("signalling", main)
