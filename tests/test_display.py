"""What a person sees of a run of many cells: the grid, the time left, lines and frames."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import display, events
from bench.display.forecast import Forecast
from bench.display.grid import MARKS, Grid, window
from bench.estimate import Estimator
from bench.process import Outcome
from tests import grids

GRID = {"federation.clients": [2, 3], "training.lr": [0.1, 0.2]}


class Clock:
    """A clock that a test turns."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def nothing_known(home):
    """An empty cache: no test depends on what ran here before."""


@pytest.fixture(autouse=True)
def quick_machine(monkeypatch):
    monkeypatch.setattr(Estimator, "_flops", 1e9)


def texts(grid, cell):
    return [square.text(MARKS) for square in grid.row(cell)]


def play(shown, jobs, reused=(), **how):
    """Let jobs run, or be taken as they are."""
    for job in jobs:
        shown.started(job, reused=job in reused)
        outcome = grids.done(job, **how)
        for event in () if job in reused else outcome.events:
            shown.event(job, event)
        shown.ended(job, outcome)


def test_a_square_tells_how_far_it_is():
    (task,) = grids.tasks({"timing.repeats": 2})
    grid, cell = Grid([task]), task.cells[0]
    assert texts(grid, cell) == ["·", "·"]
    reference, probe = task.probes[:2]
    grid.started(reference)
    assert texts(grid, cell) == ["·", "·"], "the reference has no column here"
    grid.started(probe)
    assert texts(grid, cell) == ["▸ probe", "·"]
    grid.ended(probe, grids.done(probe), None)
    assert texts(grid, cell) == ["○", "·"]
    first, _, second, _ = task.repeats
    grid.started(first, share=0.25)
    assert texts(grid, cell)[0] == "▸ 1/2 25%"
    grid.advanced(first, 0.5)
    assert texts(grid, cell)[0] == "▸ 1/2 50%"
    grid.ended(first, grids.done(first), 0.6)
    assert texts(grid, cell)[0] == "1/2 60.0%"
    assert not grid.is_finished(cell)
    grid.ended(second, grids.done(second), 0.7)
    assert texts(grid, cell)[0] == "✓ 65.0%"


def test_a_square_that_failed_or_was_skipped_says_so():
    (task,) = grids.tasks({})
    grid, cell = Grid([task]), task.cells[0]
    first, second = task.repeats
    grid.ended(first, Outcome("failed", "out of cheese", ()), None)
    grid.ended(task.probes[2], Outcome("skipped", "only sings", ()), None)
    assert texts(grid, cell) == ["✗ failed", "- skipped"]
    grid.ended(second, Outcome("skipped", "only sings", ()), None)
    assert grid.is_finished(cell)


def test_a_failed_probe_shows_until_a_repeat_tells_more():
    (task,) = grids.tasks({})
    grid, cell = Grid([task]), task.cells[0]
    grid.ended(task.probes[1], Outcome("failed", "out of cheese", ()), None)
    assert texts(grid, cell) == ["✗ probe", "·"]
    grid.ended(task.repeats[0], grids.done(task.repeats[0]), 0.5)
    assert texts(grid, cell) == ["✓ 50.0%", "·"]


def test_cells_that_share_a_plan_are_probed_at_once():
    (task,) = grids.tasks({"data.form": ["memory", "packed"]})
    grid = Grid([task])
    grid.ended(task.probes[1], grids.done(task.probes[1]), None)
    assert [texts(grid, cell) for cell in task.cells] == [["○", "·"], ["○", "·"]]


def test_names_that_are_too_wide_leave_their_settings_to_the_head():
    grid = Grid(grids.tasks(GRID))
    assert grid.names(40)[1][0] == "clients 2, lr 0.1"
    assert grid.names(10) == ("clients, lr", ["2, 0.1", "2, 0.2", "3, 0.1", "3, 0.2"])


@given(total=st.integers(1, 200), size=st.integers(-3, 60), data=st.data())
def test_the_window_holds_the_running_row_and_as_many_as_fit(total, size, data):
    current = data.draw(st.integers(0, total - 1))
    shown = window(total, current, size)
    assert current in shown
    assert len(shown) == max(1, min(size, total))
    assert shown.start >= 0
    assert shown.stop <= total


def test_the_time_left_goes_from_estimates_to_what_was_measured():
    found = grids.tasks(GRID | {"timing.repeats": 2})
    jobs = grids.everything(found)
    clock = Clock()
    forecast = Forecast(jobs, Estimator({}), clock)
    assert [label for label, _ in forecast.reasons] == ["reference", "quick", "slow"]
    seconds = {"reference": 1.0, "quick": 10.0, "slow": 40.0}
    for number, job in enumerate(jobs):
        forecast.started(job)
        clock.now += seconds[job.contender.label]
        forecast.ended(job, grids.done(job), reused=False)
        if number == len(jobs) - 9:  # each cell's first repeat is done: the second takes as long
            assert forecast.left() == pytest.approx(4 * 50)
            assert forecast.reasons == []
    assert forecast.left() == 0


def test_what_was_done_earlier_and_what_goes_on_tell_of_the_rest():
    (task,) = grids.tasks({"timing.repeats": 3}, labels=("quick",))
    first, second, _ = task.repeats
    clock = Clock()
    forecast = Forecast(task.repeats, Estimator({}), clock)
    forecast.started(first)
    forecast.ended(first, grids.done(first, seconds=5.0, startup=1.0), reused=True)
    assert forecast.left() == pytest.approx(2 * 21)
    forecast.started(second, resumed=2)
    assert 21 < forecast.left() < 2 * 21, "two rounds of four are done"
    clock.now = 2.0
    forecast.round(3)
    clock.now = 9.0
    forecast.round(4)
    assert forecast.left() == pytest.approx(21)
    forecast.ended(second, grids.done(second), reused=False)
    assert forecast.left() == pytest.approx(21), "the rest of a job isn't a whole one"


def test_a_backend_that_was_skipped_takes_no_time():
    (task,) = grids.tasks({}, labels=("quick",))
    probe, (repeat,) = task.probes[1], task.repeats
    forecast = Forecast([probe, repeat], Estimator({}), Clock())
    forecast.started(probe)
    forecast.ended(probe, Outcome("skipped", "only sings", ()), reused=False)
    assert forecast.left() == 0


def test_lines_tell_cells_as_they_finish_and_the_time_left():
    file = io.StringIO()
    found = grids.tasks(GRID, labels=("quick", "slow"))
    jobs = grids.everything(found)
    with display.make(Console(file=file)) as shown:
        shown.jobs(found)
        play(shown, jobs, reused=jobs[:3])
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("4 cells, 20 jobs: about ")
    assert "rough: reference, quick, slow: not run here yet" in lines[0]
    assert "[1/20] reference parity probe [clients 2, lr 0.1]: done earlier, taken as it is" in lines
    assert any(line.endswith(" left") for line in lines)
    cells = [line for line in lines if " of 4 cells" in line]
    assert cells[0] == "1 of 4 cells [clients 2, lr 0.1]: quick 50.0%, slow 50.0%"
    assert len(cells) == 4
    assert not lines[-2].endswith("left")


def test_a_single_cell_has_no_grid():
    file = io.StringIO()
    (task,) = grids.tasks({}, labels=("quick",))
    with display.make(Console(file=file)) as shown:
        shown.jobs([task])
        play(shown, grids.everything([task]))
    assert "cells" not in file.getvalue()
    shown = display.Live(Console(file=io.StringIO(), force_terminal=True, width=80, height=24))
    shown.jobs([task])
    assert "waiting" not in frame(shown)


def frame(shown):
    with shown.console.capture() as captured:
        shown.console.print(shown._frame())
    return captured.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_a_frame_fits_the_terminal_whatever_runs(width, height):
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height)
    settings = {"federation.clients": [2, 3, 4, 5, 6], "training.lr": [0.1, 0.2, 0.3, 0.4, 0.5], "timing.repeats": 2}
    found = grids.tasks(settings, labels=("quick", "slow", "third-with-a-long-name"))
    shown = display.Live(console)
    shown.jobs(found)
    jobs = grids.everything(found)
    heights = set()
    for number, job in enumerate(jobs):
        play(shown, [job], reused=jobs[:10])
        if number % 10 == 0 and number < len(jobs) - 1:
            shown.started(jobs[number + 1], reused=False)
            lines = frame(shown).splitlines()
            heights.add(len(lines))
            assert max(map(len, lines)) <= width
            assert len(lines) < height
    assert len(heights) == 1, "a frame that changes its height flickers"
    assert ("more below" in frame(shown) or "more above" in frame(shown)) == (height < 60)


def test_a_terminal_without_utf8_gets_letters_it_has():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=file, force_terminal=True, width=60, height=24)
    shown = display.Live(console)
    found = grids.tasks(GRID)
    shown.jobs(found)
    shown.started(found[0].repeats[0], reused=False)
    console.print(shown._frame())
    file.flush()
    assert b"> 0%" in file.buffer.getvalue()


def test_a_job_that_goes_on_is_shown_from_where_it_was():
    shown = display.Live(Console(file=io.StringIO(), force_terminal=True, width=100, height=30))
    found = grids.tasks(GRID, labels=("quick",))
    shown.jobs(found)
    job = found[0].repeats[0]
    shown.started(job, reused=False, resumed=3)
    assert "▸ 75%" in frame(shown)
    shown.event(job, events.Round(4, "memory", 1.0, 1.0, [0], 0, 0, 0))
    assert "▸ 100%" in frame(shown)
    assert shown.bars.tasks[0].completed == 4
