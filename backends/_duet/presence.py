"""How a side finds the other at the signalling server, and notices at once when it is gone.

Each holds a connection open for as long as it lives; the system closes it for a process that is killed. PySyft
itself would wait for an answer for ever.
"""

import http.client
import socket
import threading
import time

import talk

GOODBYE = b"goodbye\n"
START_S = 60.0  # the signalling server imports syft first


class Seat:
    """This side's place at the signalling server."""

    def __init__(self, host, port, side):
        self.host, self.port, self.side = host, port, side
        try:
            self._socket = socket.create_connection((host, port), timeout=START_S)
        except OSError:
            raise talk.Problem("no signalling server at {}:{}".format(host, port)) from None
        self._socket.sendall("GET /seat/{} HTTP/1.0\r\nHost: {}\r\n\r\n".format(side, host).encode())

    def take(self):
        """Wait until the seat is given; raise where another has it."""
        try:
            answer = self._socket.recv(64)
        except OSError:
            answer = b""
        if not answer:
            raise talk.Problem("the signalling server is gone")
        if b" 409 " in answer:
            raise talk.Problem("another {} is there already".format(self.side))
        if b" 200 " not in answer:
            raise talk.Problem("what answers at {}:{} is no Duet".format(self.host, self.port))
        self._socket.settimeout(None)

    def watch(self, on_lost):
        """Call `on_lost()` from a thread of its own once the server is gone, which the owner's side takes along."""
        threading.Thread(target=self._watch, args=(on_lost,), daemon=True).start()

    def _watch(self, on_lost):
        try:
            while self._socket.recv(4096):
                pass
        except OSError:
            pass
        on_lost()

    def leave(self):
        """Go, and say so."""
        try:
            self._socket.sendall(GOODBYE)
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side went first

    def exchange(self, own, other):
        """Leave this side's identity for the other side and return the other's, once it is there."""
        self._ask("POST", "/identity/" + self.side, own)
        while True:
            found = self._ask("GET", "/identity/" + other)
            if found:
                return found
            time.sleep(0.05)

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=START_S)
        try:
            connection.request(method, path, body)
            return connection.getresponse().read().decode()
        finally:
            connection.close()
