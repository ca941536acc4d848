"""One backend under measurement: what was measured of base and head so far, and what it tells, phase by phase."""

import math
import random
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.regression import pairing
from bench.regression.intervals import least_heads
from bench.regression.pairing import PHASES, SIDES, UNITS, Process, Side
from bench.regression.sequential import Decision, decide, decide_unpaired, share

SHORTEST_S = 0.1  # that a phase takes in a process, if it is judged
MORE = 2  # times the least number of processes that tell anything against a file


class Measuring(ABC):
    """Base and head of one backend; `settings` are what the verdicts need: max_slowdown, confidence, verdicts."""

    def __init__(self, max_slowdown: float, confidence: float, verdicts: int) -> None:
        self.settings = (max_slowdown, confidence, verdicts)
        self.longest_s = 0.0  # of one step

    @property
    @abstractmethod
    def processes(self) -> Mapping[str, Sequence[Process]]:
        """What each process of base and head took."""

    @property
    @abstractmethod
    def decisions(self) -> dict[str, Decision]:
        """What is said of every phase by now."""

    @property
    @abstractmethod
    def is_settled(self) -> bool:
        """Whether more measurements would change nothing."""

    @abstractmethod
    def _measure(self, folder: Path, calibrated_s: float) -> None:
        """Measure once more."""

    def step(self, folder: Path, calibrated_s: float) -> None:
        """Measure once more, in a `folder` that is made for it; `calibrated_s` is what the calibration kernel took."""
        began = time.monotonic()
        self._measure(folder, calibrated_s)
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    @property
    def count(self) -> int:
        """How often the head was measured."""
        return len(self.processes["head"])

    @property
    def judged(self) -> list[str]:
        """The phases that take long enough to be judged."""
        return [phase for phase in PHASES if is_long_enough(self.processes, phase)]

    def typical(self) -> dict[str, dict[str, float]]:
        """Median seconds or bytes by phase and side."""
        return {phase: {side: pairing.typical(self.processes[side], phase) for side in SIDES} for phase in PHASES}


def is_long_enough(processes: Mapping[str, Sequence[Process]], phase: str) -> bool:
    """Whether a phase takes so long, on one side at least, that its times are not those of clock and scheduler."""
    if UNITS[phase] != "s":
        return True
    return any(statistics.median(sum(PHASES[phase](one)) for one in own) >= SHORTEST_S for own in processes.values())


class Paired(Measuring):
    """Base and head side by side, pair after pair, until every phase that is judged is decided."""

    def __init__(self, sides: Mapping[str, Side], max_slowdown: float, confidence: float, verdicts: int) -> None:
        super().__init__(max_slowdown, confidence, verdicts)
        self.pairs: list[dict[str, Any]] = []
        self._sides = sides

    def _measure(self, folder: Path, calibrated_s: float) -> None:
        self.pairs.append(pairing.run(self._sides, random.choice(SIDES), folder))

    @property
    def processes(self) -> Mapping[str, Sequence[Process]]:
        return {side: [pair[side] for pair in self.pairs] for side in SIDES}

    @property
    def decisions(self) -> dict[str, Decision]:
        return {
            phase: decide([pairing.log_ratio(pair, phase) for pair in self.pairs], *self.settings) for phase in PHASES
        }

    @property
    def is_settled(self) -> bool:
        if not self.pairs:
            return False
        decisions = self.decisions
        return all(decisions[phase].verdict != "undecided" for phase in self.judged)


class Unpaired(Measuring):
    """The head alone, held against `bases` that were measured before, beside a calibration of `base_s` seconds."""

    def __init__(
        self,
        head: Side,
        bases: Sequence[Process],
        base_s: Sequence[float],
        max_slowdown: float,
        confidence: float,
        verdicts: int,
    ) -> None:
        super().__init__(max_slowdown, confidence, verdicts)
        self._head_s: list[float] = []
        self._head, self._bases, self._base_s = head, bases, base_s
        self._heads: list[Process] = []
        self._wanted = MORE * least_heads(len(bases), share(confidence, verdicts) / 2)

    def _measure(self, folder: Path, calibrated_s: float) -> None:
        self._head_s.append(calibrated_s)
        self._heads.append(pairing.run({"head": self._head}, "head", folder)["head"])

    @property
    def processes(self) -> Mapping[str, Sequence[Process]]:
        return {"base": self._bases, "head": self._heads}

    @property
    def decisions(self) -> dict[str, Decision]:
        return {phase: self._decision(phase) for phase in PHASES}

    @property
    def is_settled(self) -> bool:
        return len(self._heads) >= self._wanted

    def _decision(self, phase: str) -> Decision:
        base, head = (
            [pairing.log_value(process, phase) - self._unit(phase, seconds) for process in self.processes[side]]
            for side, seconds in (("base", self._base_s), ("head", self._head_s))
        )
        return decide_unpaired(base, head, *self.settings)

    def _unit(self, phase: str, seconds: Sequence[float]) -> float:
        """The logarithm of what the phase is told in: of times the kernel's seconds, whatever the machine."""
        return math.log(statistics.median(seconds)) if UNITS[phase] == "s" else 0.0
