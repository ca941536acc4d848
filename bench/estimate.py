"""How long jobs will take, about: from what this machine has shown, or else from what it multiplies in half a second.

A round takes as long as the round that was seen of a client with about as much work, scaled by the work of all. What
is taken from elsewhere is rough, and says why.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench import speeds
from bench.jobs import REFERENCE
from bench.layout import roughly
from bench.work import Piece

MULTIPLIED_S = 0.5
SHARE = 0.5  # of the speed of a large matrix product, that training reaches, about
REFERENCE_SHARE = 0.15  # float64, and written to be read
FAR = 30  # times as much work a client: what was seen may have been nothing but overhead
STARTUP_S = 3.0  # to import a framework and open it
PROCESS_S = 0.5  # to begin and end a process: outside of every clock


Reason = tuple[str, str]  # which backend, and what it hasn't done here yet


@dataclass(frozen=True)
class Estimate:
    """Seconds that a job takes, of them those of its rounds; `rough` says why they are worth less, if so."""

    seconds: float
    rounds: float
    rough: Reason | None = None


class Estimator:
    """Estimates from what is known; a backend of which nothing is known is measured by another, or by the machine."""

    def __init__(self, known: speeds.Known | None = None):
        self.known = speeds.load() if known is None else known

    def of(self, piece: Piece) -> Estimate:
        """Return how long a job takes."""
        seen, rough = self._seen(piece)
        per_flop = seen.seconds / seen.round
        if piece.slot > FAR * seen.slot:
            per_flop = min(per_flop, self._beyond(piece, seen))
            rough = rough or (piece.label, "only far smaller work was done here")
        rounds = piece.rounds * piece.round * per_flop
        evaluations = piece.evaluations * per_flop
        return Estimate(PROCESS_S + seen.startup + rounds + evaluations, rounds, rough)

    def total(self, pieces: Iterable[Piece]) -> tuple[float, list[Reason]]:
        """Return the seconds of all and why they are rough, each reason once."""
        found = [self.of(piece) for piece in pieces]
        return sum(one.seconds for one in found), list(dict.fromkeys(one.rough for one in found if one.rough))

    def _seen(self, piece: Piece) -> tuple[speeds.Observation, Reason | None]:
        exact = speeds.key(piece)
        if exact in self.known:
            return speeds.closest(self.known[exact], piece.slot), None
        own = [one for key, seen in self.known.items() if _label(key) == piece.label for one in seen]
        if own:
            return speeds.closest(own, piece.slot), (piece.label, "not run here in this way yet")
        others = [one for key, seen in self.known.items() if _label(key) != REFERENCE for one in seen]
        rough = (piece.label, "not run here yet")
        if others and piece.label != REFERENCE:
            return speeds.closest(others, piece.slot), rough
        share = REFERENCE_SHARE if piece.label == REFERENCE else SHARE
        startup = 0.0 if piece.label == REFERENCE else STARTUP_S
        return speeds.Observation(piece.slot, piece.round, piece.round / (share * self._flops), startup), rough

    def _beyond(self, piece: Piece, seen: speeds.Observation) -> float:
        """Seconds a FLOP of far more work than was seen: that was all overhead, and the machine computes the rest."""
        share = REFERENCE_SHARE if piece.label == REFERENCE else SHARE
        return seen.seconds / seen.round * seen.slot / piece.slot + 1 / (share * self._flops)

    @cached_property
    def _flops(self) -> float:
        """FLOPs a second of a float32 matrix product: the fastest of many, for a machine that does other things too."""
        side = 1024
        square = np.ones((side, side), np.float32)
        begun, fastest = time.monotonic(), float("inf")
        while time.monotonic() - begun < MULTIPLIED_S:
            before = time.perf_counter()
            square @ square
            fastest = min(fastest, time.perf_counter() - before)
        return 2 * side**3 / fastest


def told(seconds: float, reasons: Iterable[Reason] = ()) -> str:
    """Return an estimate in words."""
    why = because(reasons)
    return f"about {roughly(seconds)}" + (f" (rough: {why})" if why else "")


def because(reasons: Iterable[Reason]) -> str:
    """Return why an estimate is rough: each reason once, with whom it holds for."""
    whose: dict[str, list[str]] = {}
    for label, why in reasons:
        whose.setdefault(why, []).append(label)
    return "; ".join(f"{', '.join(dict.fromkeys(labels))}: {why}" for why, labels in whose.items())


def _label(key: str) -> str:
    return key.partition(", ")[0]
