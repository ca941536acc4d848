"""Rounds of one backend in a live process, one at a time: what a project's own benchmark can time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import events, jobs, runner, shipped, spec
from bench.errors import UserError
from bench.jobs import Job
from bench.turns import TurnTaker


def job(name: str, request: str, settings: Sequence[str], folder: Path, display: runner.Display) -> Job:
    """Return the job that trains experiment `name` on backend `request`, with its plan in `folder`.

    Raises UserError for an experiment with several cells, and for a backend that has no environment or no rounds.
    """
    experiment = spec.load(shipped.find(name), settings)
    if len(experiment.cells) != 1:
        raise UserError(
            f"experiment {name} has {len(experiment.cells)} cells, and one is timed:"
            " settings must leave one value a key"
        )
    (own,) = runner.contenders([request], display, companions=False)
    if own.environment is None:
        raise UserError(f"{own.label}: {own.problem}")
    if own.centralised:
        raise UserError(f"{own.label}: a centralised method has no rounds of federated averaging to time")
    (cell,) = runner.prepare(experiment, display)
    cell.plan.save(folder / "plan")
    return Job(cell, own, 1, folder / "job", folder / "plan", cell.rounds)


def timed(own: Job, rounds: int | None, warmup_rounds: int) -> int:
    """Return how many rounds are to be timed: `rounds`, or as many as the plan has.

    The last of the plan never is: evaluation follows it in the same turn. Raises UserError where there are too few.
    """
    left = own.rounds - warmup_rounds - 1
    wanted = max(left, 1) if rounds is None else rounds
    for name, value, least in (("rounds", wanted, 1), ("warmup_rounds", warmup_rounds, 0)):
        if value < least:
            raise UserError(f"{name} = {value}: must be at least {least}")
    if wanted > left:
        raise UserError(
            f"federation.rounds = {own.rounds}: {warmup_rounds} to warm up and {wanted} to time need"
            f" {warmup_rounds + wanted + 1} at least (the last is followed by evaluation, so it isn't timed)"
        )
    return wanted


@contextmanager
def live(own: Job) -> Iterator["LiveRounds"]:
    """Start the job's process and let it load; end it at last. Raises UserError with the reason where it fails."""
    with TurnTaker(own) as taker:
        rounds = LiveRounds(taker)
        rounds.turn()
        yield rounds


class LiveRounds:
    """A live process that trains a round when it is told to; `seconds` are its own of each round so far."""

    def __init__(self, taker: TurnTaker) -> None:
        self.seconds: list[float] = []
        self._taker = taker
        self._refuse_failure()

    @property
    def pid(self) -> int:
        """The worker's process."""
        return next(event.pid for event in self._taker.seen if isinstance(event, events.Started))

    def train(self) -> float:
        """Train the next round; return the worker's own seconds. Raises UserError with the reason where it fails."""
        (own,) = (event.seconds for event in self.turn() if isinstance(event, events.Round))
        self.seconds.append(own)
        return float(own)

    def turn(self) -> list[Any]:
        """Let it do its next step; return the events of it. Raises UserError with the reason where it fails."""
        said = self._taker.turn()
        self._refuse_failure()
        return said

    def facts(self) -> dict[str, Any]:
        """Return what was trained by what, and the seconds of each round, as JSON has it."""
        own = self._taker.job
        versions = {key: value for key, value in own.contender.versions.items() if key != "packages"}
        return {
            "backend": own.contender.label,
            "digests": own.cell.digests,
            "spec": own.cell.cell.spec.model_dump(mode="json"),
            "threads": jobs.threads(own.cell.cell.spec),
            "versions": versions,
            "round_s": list(self.seconds),
        }

    def _refuse_failure(self) -> None:
        ended = self._taker.outcome
        if ended is not None and ended.status != "done":
            raise UserError(f"{self._taker.job.contender.label} {ended.status}: {ended.reason}")
