"""One Duet of PySyft 0.5, from the outside: both sides, or one of them, and whether it went as told."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.duet_stage import LOOPBACK, Played, Settings, Shown, Stage
from bench.environments import Environment
from bench.errors import UserError

BACKEND = "syft-0.5"
PORT = 5055
SILENCE_S = 120.0  # of all sides; three imports on a slow machine take less


def both(environment: Environment, settings: Settings, shown: Shown) -> Played:
    """Play both sides on this machine and return what became of it."""
    with listening(settings.host, settings.port) as server, Stage(environment, settings, shown) as stage:
        stage.settings = replace(settings, port=server.getsockname()[1])
        stage.start("signalling", server)
        server.close()
        stage.start("owner")
        stage.start("scientist")
        stage.play({"owner", "scientist"}, SILENCE_S + settings.wait_s)
        played = stage.played
    played.problems += not_as_told(played, settings) if not played.problems else []
    return played


def owner(environment: Environment, settings: Settings, shown: Shown, server: socket.socket) -> Played:
    """Play the owner's side, with the signalling server on the open socket `server`, until the scientist is gone."""
    with Stage(environment, settings, shown) as stage:
        stage.start("signalling", server)
        server.close()
        stage.start("owner")
        stage.play({"owner"}, None)
        return stage.played


def scientist(environment: Environment, settings: Settings, shown: Shown) -> Played:
    """Play the scientist's side, at an owner who is there already."""
    with Stage(environment, settings, shown) as stage:
        stage.start("scientist")
        stage.play({"scientist"}, SILENCE_S + settings.wait_s)
        return stage.played


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises UserError where the port is taken."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        what = error.strerror or str(error)
        raise UserError(f"port {port} of {host}: {what}; choose another with --port") from error


def check_owner(host: str, port: int) -> None:
    """Raise UserError where nobody listens."""
    try:
        socket.create_connection((host, port), timeout=5.0).close()
    except OSError as error:
        what = error.strerror or str(error)
        raise UserError(
            f"no owner at {host}, port {port}: {what}; start one there with bench duet owner --port {port}"
        ) from error


def address(host: str, exposed: bool) -> str:
    """Return the address to use. Raises UserError for one that isn't loopback, unless that is asked for."""
    try:
        found = ipaddress.IPv4Address(LOOPBACK if host == "localhost" else host)
    except ValueError as error:
        raise UserError(f"--host {host}: not an IPv4 address; names aren't looked up") from error
    if not found.is_loopback and not exposed:
        raise UserError(
            f"--host {host}: not this machine's loopback, and PySyft 0.5 has had no security fixes since 2021;"
            " --expose-unmaintained-software allows it"
        )
    return str(found)


def not_as_told(played: Played, settings: Settings) -> list[str]:
    """Return what didn't go as it was told to; nothing where a person decides."""
    if settings.probe or "ask" in settings.decisions:
        return []
    accept = settings.decisions[0] != "deny"
    expected = {
        "raw before": "refused",
        "request": "accepted" if accept else "denied",
        "get the result": "done" if accept else "refused",
        "raw after": "open" if accept and not settings.is_mended else "refused",
    }
    return [
        f"{name}: {played.outcome(name) or 'not reached'}, where {wanted} was expected"
        for name, wanted in expected.items()
        if played.outcome(name) != wanted
    ]


def is_open(played: Played, name: str) -> bool | None:
    """Whether the raw tensor was open at the step called `name`; None where that wasn't reached."""
    outcome = played.outcome(name)
    return None if outcome is None else outcome == "open"


def latencies(duets: Sequence[Played]) -> list[dict[str, Any]]:
    """Return a row a step: side, step, seconds of every repeat, their median and its 95 % bootstrap interval."""
    found: dict[tuple[str, str], list[float]] = {}
    for played in duets:
        for step in played.steps:
            found.setdefault((step["side"], step["step"]), []).append(step["seconds"])
    return [
        {"side": side, "step": step, "seconds": seconds} | median_interval(seconds)
        for (side, step), seconds in found.items()
    ]


def median_interval(seconds: Sequence[float]) -> dict[str, float | None]:
    """Return median, low and high: the 95 % percentile bootstrap (as in `ratios`); no interval of one value."""
    import numpy as np

    from bench.ratios import DRAWS

    values = np.array(seconds, np.float64)
    if len(values) < 2:
        return {"median": float(values[0]), "low": None, "high": None}
    drawn = np.random.RandomState(0).choice(values, (DRAWS, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return {"median": float(np.median(values)), "low": float(low), "high": float(high)}
