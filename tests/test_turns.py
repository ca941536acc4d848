"""Jobs that take turns: one step each time they are told to, and nothing that outlives them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import events, jobs, plugins, runner, shipped, spec
from bench.errors import UserError
from bench.jobs import Job
from bench.regression import pairing
from bench.turns import TurnTaker
from tests.conftest import ROOT, TINY


class Silent:
    def say(self, text: str) -> None: ...
    def progress(self, what: str, done: int, total: int) -> None: ...
    def jobs(self, tasks: object) -> None: ...
    def started(self, job: Job, reused: bool, resumed: int = 0) -> None: ...
    def event(self, job: Job, event: object) -> None: ...
    def ended(self, job: Job, outcome: object) -> None: ...


@pytest.fixture
def job_of(home: Path, tmp_path: Path) -> Iterator[Callable[[str], Job]]:
    """A small timed job of a backend that runs in the harness' environment."""

    def make(request: str) -> Job:
        shown = Silent()
        (cell,) = runner.prepare(spec.load(shipped.find("quick"), TINY), shown)
        (own,) = runner.contenders([request], shown)
        reference = runner.contender("reference", plugins.find("backends", "reference"), None, None, shown)
        (task,) = jobs.tasks([cell], [own], reference, tmp_path / "task")
        runner.certify(task, shown)
        return task.repeats[0]

    return make


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_turn_is_loading_or_one_round(job_of: Callable[[str], Job]) -> None:
    with TurnTaker(job_of("reference")) as taker:
        assert [event.name for event in taker.seen if isinstance(event, events.Phase)] == ["import", "open"]
        assert [event.name for event in taker.turn()] == ["load"]
        for number in (1, 2):
            assert [type(event) for event in taker.turn()] == [events.Round]
            assert taker.outcome is None, number
        last = taker.turn()
    assert [event.number for event in last if isinstance(event, events.Round)] == [3]
    assert isinstance(last[-1], events.Done)
    assert taker.outcome is not None
    assert taker.outcome.status == "done"


def test_who_takes_turns_trains_what_others_train(job_of: Callable[[str], Job], tmp_path: Path) -> None:
    job = job_of("reference")
    pair = pairing.run({side: pairing.Side(job) for side in pairing.SIDES}, "head", tmp_path / "pair")
    with TurnTaker(replace(job, folder=tmp_path / "alone")) as taker:
        while taker.outcome is None:
            taker.turn()
    saved = next(event.sha256 for event in taker.seen if isinstance(event, events.Saved))
    assert pair["base"]["weights_sha256"] == pair["head"]["weights_sha256"] == saved
    assert [len(pair[side]["round_s"]) for side in pairing.SIDES] == [2, 2]  # one of three is warm-up
    assert pair["order"] == "head"


def test_a_process_that_is_left_is_ended(job_of: Callable[[str], Job]) -> None:
    with TurnTaker(job_of("reference")) as taker:
        group = next(event.pid for event in taker.seen if isinstance(event, events.Started))
        assert is_alive(group)
    assert not is_alive(group)


def test_what_is_slowed_down_is_slower(job_of: Callable[[str], Job], tmp_path: Path) -> None:
    job = job_of("reference")
    sides = {"base": pairing.Side(job), "head": pairing.Side(job, slowdown=20.0)}
    pair = pairing.run(sides, "base", tmp_path / "pair")
    assert pairing.log_ratio(pair, "training") > 1.0  # a factor of 21: no noise takes it for less than e


@pytest.mark.parametrize("fake", ["crash", "killed", "truncated", "unsupported"])
def test_a_process_that_fails_is_told_and_ends_the_other(
    job_of: Callable[[str], Job], tmp_path: Path, fake: str
) -> None:
    good = job_of("reference")
    bad = runner.contenders([str(ROOT / "tests" / "fakes" / f"{fake}.py")], Silent())[0]
    sides = {"base": pairing.Side(good), "head": pairing.Side(replace(good, contender=bad))}
    with pytest.raises(UserError, match=rf"{fake} \(head\) was not measured: "):
        pairing.run(sides, "base", tmp_path / "pair")
