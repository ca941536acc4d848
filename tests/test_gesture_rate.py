"""How many samples a second come, measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gesture.rate import RateMeter
from bench.gesture.stream import Sample, Tally

VALUES = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def measured(times: list[float], told: list[str], connections: list[int] | None = None, lost_each: int = 0) -> list:
    """What the meter says after each sample, nominally at 100 Hz."""
    meter, tally = RateMeter(100.0, told.append), Tally()
    found = []
    for number, time_s in enumerate(times):
        tally.samples += 1
        tally.lost += lost_each if number else 0
        found.append(meter.push(Sample(time_s, None, VALUES, connections[number] if connections else 0), tally))
    return found


def test_a_rate_near_the_nominal_one_is_that_and_nothing_is_told() -> None:
    told: list[str] = []
    found = measured([number / 98 for number in range(250)], told)
    assert found[196] == 100.0
    assert set(found[:196]) == {None}
    assert not told


def test_another_rate_is_told() -> None:
    told: list[str] = []
    assert measured([number / 150 for number in range(301)], told)[-1] == 150.0
    assert told == ["it sends 150.0 samples a second, not 100 (--rate): 150.0 is what counts"]


def test_lost_samples_were_sent_as_well() -> None:
    assert measured([number / 50 for number in range(101)], [], lost_each=1)[-1] == 100.0


@pytest.mark.parametrize("is_reopened", [True, False])
def test_an_interruption_begins_measuring_anew(is_reopened: bool) -> None:
    """The pause itself counts for nothing, whether or not the port was gone meanwhile."""
    times = [number / 100 for number in range(100)] + [5 + number / 100 for number in range(201)]
    told: list[str] = []
    found = measured(times, told, [int(is_reopened and time_s >= 5) for time_s in times])
    assert found[-1] == 100.0
    assert set(found[:-1]) == {None}
    assert not told


@given(st.floats(50, 2000), st.integers(1, 20))
def test_chunks_do_not_change_the_rate_much(rate_hz: float, chunk: int) -> None:
    """Samples come in pieces that arrive at once."""
    meter, tally = RateMeter(100.0), Tally()
    found = None
    number = 0
    while found is None:
        tally.samples += chunk
        number += chunk
        for _ in range(chunk):
            found = found or meter.push(Sample(number / rate_hz, None, VALUES), tally)
        assert number < 20_000
    assert found == pytest.approx(rate_hz, rel=0.035, abs=0.06)
