"""Keeps a Duet on this machine: a guard on every socket, no STUN server, no address but the loopback's.

PySyft 0.5 would ask a list on the web for a signalling server, and a public STUN server for its own address.
"""

import ipaddress
import sys

REACHING = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


class Outside(Exception):
    """An address that isn't loopback."""


def guard(exposed=False):
    """Let no socket of this process reach what isn't loopback. It can't be taken back.

    exposed: allow every literal address, and still no look-up of any name.
    """
    sys.addaudithook(lambda event, arguments: _check(event, arguments, exposed))


def _check(event, arguments, exposed):
    if event in REACHING:
        address = arguments[1]
        if isinstance(address, tuple) and not _allowed(address[0], exposed):
            raise Outside("{} of {}: only this machine's loopback may be reached".format(event, address[0]))
    elif event in LOOKUPS and not _allowed(arguments[0], exposed):
        raise Outside("{} of {}: only this machine's loopback may be looked up".format(event, arguments[0]))


def _allowed(host, exposed):
    host = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except (AttributeError, ValueError):
        return False
    return address.is_loopback or exposed


def stay(host, port):
    """Make PySyft and its WebRTC library use `host` alone. Call it once syft is imported."""
    import aioice.ice
    import aiortc.rtcicetransport

    aiortc.rtcicetransport.RTCIceGatherer.getDefaultIceServers = classmethod(lambda cls: [])
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [host]
    sys.modules["syft.grid.duet"].get_available_network = lambda: url(host, port)


def url(host, port):
    return "http://{}:{}".format(host, port)
