"""Watching a sensor: what is kept of its stream, what is drawn of it, and the files that come of it."""

import itertools
import json
import os
import re
import select
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from bench.errors import UserError
from bench.gesture import cutting, film, physics, plot, terminal_view, watching
from bench.gesture.cutter import Cutter
from bench.gesture.live import Live
from bench.gesture.stream import Sample, Tally
from bench.gesture.watching import Pace
from tests.sensors import counted, simulator, start, talking, terminal
from tests.test_gesture_record import LEFT_OUT
from tests.test_gesture_segment import recorded


class Played:
    """A stream that is ahead of nobody: its clock is that of its samples, which begin at 0."""

    def __init__(self, values: np.ndarray, rate_hz: float = 100.0) -> None:
        self.tally = Tally()
        self.now_s = 0.0
        self._values = values.tolist()
        self._rate_hz = rate_hz

    def samples(self, lost: dict[int, int] | None = None) -> Iterator[Sample]:
        """`lost` tells how many are missing before the one of a number."""
        counter = -1
        for number, values in enumerate(self._values):
            gone = (lost or {}).get(number, 0)
            counter += 1 + gone
            self.tally.samples += 1
            self.tally.lost += gone
            self.now_s = counter / self._rate_hz
            yield Sample(self.now_s, counter, tuple(values))


class Remembering:
    """A classifier that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def predict(self, movement: np.ndarray) -> tuple[str, float]:
        self.asked.append(movement)
        return "LtoR", 0.9


def motion() -> np.ndarray:
    rng = np.random.default_rng(1)
    parts = [physics.rest(300, 0, rng), physics.gesture("LtoR", 0, rng), physics.rest(100, 0, rng)]
    return np.concatenate(parts)


def lived(
    lost: dict[int, int] | None = None, values: np.ndarray | None = None, rate_hz: float = 100.0, **options: Any
) -> Live:
    played = Played(motion() if values is None else values, rate_hz)
    live = Live(played, **options)  # type: ignore[arg-type]
    for sample in played.samples(lost):
        live.push(sample)
    return live


def test_a_movement_is_found_with_its_hold() -> None:
    live = lived()
    (gesture,) = live.gestures
    assert live.count == 1
    assert gesture.peak > (live.segmenter.threshold or np.inf)
    assert gesture.start >= 300
    assert gesture.stop <= live.place
    assert gesture.hold_s >= 0.3 - 0.01
    assert live.moving_since is None


def test_lost_samples_leave_a_gap_and_do_not_shorten_time() -> None:
    whole, gappy = lived(), lived({50: 30, 460: 7})
    assert gappy.place == whole.place + 37
    steps = np.diff(gappy.places)
    assert sorted(steps[steps > 1].tolist()) == [8, 31]


def test_what_is_recognised_is_what_would_be_recorded() -> None:
    known = Remembering()
    lived(classifier=known)
    cutter = Cutter(None, 100.0)
    later = itertools.islice(Played(motion()).samples(), 201, None)  # when the rate has been measured
    (whole,) = [cut for sample in later if (cut := cutter.push(sample)) is not None]
    (asked,) = known.asked
    assert np.array_equal(asked, whole.samples)


def test_a_gesture_with_a_gap_is_recognised_no_more_than_recorded() -> None:
    told: list[str] = []
    known = Remembering()
    (gesture,) = lived().gestures
    middle = (gesture.start + gesture.stop) // 2
    rng = np.random.default_rng(2)
    again = np.concatenate([motion(), physics.gesture("RtoL", 0, rng), physics.rest(100, 0, rng)])
    live = lived({middle: 30}, again, classifier=known, notice=told.append)
    assert told == [LEFT_OUT]
    (other,) = live.gestures
    assert other.start > gesture.stop + 30
    assert len(known.asked) == live.count == 1
    assert live.segmenter.is_calibrated and live.moving_since is None


def test_of_a_long_movement_as_much_is_looked_at_as_in_training() -> None:
    known = Remembering()
    live = lived(values=recorded((350, 680)), classifier=known)
    assert [len(asked) for asked in known.asked] == [cutting.LONGEST]
    (gesture,) = live.gestures
    assert gesture.stop - gesture.start > 320
    assert gesture.duration_s > 3.2
    assert gesture.hold_s < 0.5, "of the movement's end, not of the part that was looked at"


def test_the_rate_is_measured_and_told_where_it_is_another() -> None:
    told: list[str] = []
    values = np.repeat(recorded((350, 450)), 2, axis=0)
    live = lived(values=values, rate_hz=200.0, notice=told.append)
    assert live.rate_hz == pytest.approx(200)
    assert [text.partition(" (")[0] for text in told] == ["it sends 200.0 samples a second, not 100"]
    (gesture,) = live.gestures
    assert gesture.duration_s == pytest.approx(1.0, abs=0.4)
    assert len(live.places) == 2000, "ten seconds of them"


def test_a_gesture_of_which_nobody_knows_the_name_is_told_by_its_length() -> None:
    assert lived().gestures[0].told.endswith(" s")


def shaded(frame: np.ndarray) -> int:
    """Pixels of a span's shade on white."""
    return int((np.abs(frame.astype(int) - (207, 234, 248)).max(2) <= 4).sum())


def test_the_plot_shows_the_stream_the_movement_and_the_threshold() -> None:
    drawn = plot.off_screen("a sensor")
    played = Played(motion())
    live = Live(played)  # type: ignore[arg-type]
    drawn.draw(live, 0.0)
    empty = plot.frame(drawn)
    frames = []
    for number, sample in enumerate(played.samples()):
        live.push(sample)
        if number in (50, 560):
            drawn.draw(live, 30.0)
            frames.append(plot.frame(drawn))
    drawn.draw(live, 30.0)
    frames.append(plot.frame(drawn))
    assert drawn.frames == 4
    assert all((one != other).any() for one, other in itertools.pairwise([empty, *frames]))
    drawn.draw(live, 30.0)
    assert (plot.frame(drawn) == frames[-1]).all(), "blitting leaves nothing of the frame before"
    assert shaded(frames[-1]) > 10_000
    assert shaded(empty) < 100


def test_a_sensor_of_a_wider_range_gets_room() -> None:
    drawn = plot.off_screen("a sensor")
    live = Live(Played(motion()))  # type: ignore[arg-type]
    live.push(Sample(0.0, None, (9.0, 0.0, 1.0, 0.0, -1200.0, 0.0)))
    drawn.draw(live, 30.0)
    assert drawn.panels[0].get_ylim()[1] > 9
    assert drawn.panels[1].get_ylim()[0] < -1200


@pytest.mark.parametrize("is_utf8", [True, False])
@pytest.mark.parametrize("width", [30, 80, 200])
def test_the_terminal_has_a_line_an_axis_that_fits(width: int, is_utf8: bool) -> None:
    for live in (lived(), Live(Played(motion()))):  # type: ignore[arg-type]
        console = Console(width=width, file=None, record=True, quiet=False)
        with console.capture() as kept:
            console.print(terminal_view.render(live, width, is_utf8, 10.0))
        lines = kept.get().rstrip("\n").split("\n")
        assert len(lines) == 10
        assert all(len(line) <= width for line in lines)
        assert [line.split()[0] for line in lines[1:8]] == ["ax", "ay", "az", "gx", "gy", "gz", "energy"]
        assert is_utf8 or kept.get().isascii()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-3, 3), max_size=80), st.integers(1, 40))
def test_a_spark_is_as_wide_as_asked_whatever_comes(values: list[float], columns: int) -> None:
    series = np.array(values)
    row = terminal_view.spark(series, np.arange(len(values))[::-1], columns, -2, 2, terminal_view.BLOCKS)
    assert len(row) == columns
    assert row.count(" ") == max(0, columns - len(values))


def test_frames_that_are_missed_are_not_made_up_for() -> None:
    pace = Pace(30.0, 0.0)
    assert pace.due_s(0.0) == pytest.approx(1 / 30)
    assert pace.due_s(1.0) == pytest.approx(1.0)
    assert pace.due_s(1.0) == pytest.approx(1.0 + 1 / 30)


def frames(count: int) -> Iterator[tuple[np.ndarray, float]]:
    for number in range(count):
        frame = np.full((40, 60, 3), 255, np.uint8)
        frame[:, : number + 1] = (0, 114, 178)
        yield frame, number / 25


def test_an_animation_lasts_as_long_as_was_watched(tmp_path: Path) -> None:
    path = tmp_path / "out.gif"
    made = film.make(path, 30.0)
    for frame, time_s in frames(25):
        made.add(frame, time_s)
    made.finish(1.0)
    with Image.open(path) as image:
        assert image.n_frames == 25
        lasting = 0
        for number in range(image.n_frames):
            image.seek(number)
            lasting += image.info["duration"]
        assert lasting == 1000
        assert image.convert("RGB").getpixel((24, 5)) == (0, 114, 178)


def fake_ffmpeg(folder: Path, script: str) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_film_makes_up_for_frames_that_were_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path, 'for last; do :; done; cat > "$last"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "out.mp4"
    made = film.make(path, 30.0)
    for frame, time_s in frames(10):
        made.add(frame, time_s * 5)  # 5 frames a second
    made.finish(2.0)
    assert path.stat().st_size == 60 * 40 * 60 * 3


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg isn't on this machine")
def test_a_film_of_the_real_ffmpeg_has_every_frame(tmp_path: Path) -> None:
    made = film.make(tmp_path / "out.mp4", 30.0)
    for frame, time_s in frames(25):
        made.add(frame, time_s)
    made.finish(1.0)
    played = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert played.get(cv2.CAP_PROP_FPS) == 30
    shown = []
    while (read := played.read())[0]:
        shown.append(read[1])
    assert len(shown) == 30
    blue, _, red = (int(one) for one in shown[-1][20, 12])
    assert blue > 120 > red, "what was drawn first is there at the end"
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_a_film_that_ffmpeg_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path, "echo 'no such codec' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made = film.make(tmp_path / "out.mp4", 30.0)
    with pytest.raises(UserError, match="ffmpeg could not write it: no such codec"):
        for frame, time_s in frames(200):
            made.add(frame, time_s)
        made.finish(8.0)
    assert not list(tmp_path.glob("*.mp4"))


def test_what_can_not_be_saved_is_told_before_anything_is_watched(tmp_path: Path) -> None:
    for name, told in (("out.avi", "must end in"), ("absent/out.gif", "a folder that exists")):
        with pytest.raises(UserError, match=told):
            film.make(tmp_path / name, 30.0)
    with pytest.raises(UserError, match="sudo apt install ffmpeg"):
        film.ffmpeg(Path("out.mp4"), lambda name: None)


def test_watch_saves_a_picture_and_an_animation_of_a_virtual_sensor(bench: Callable, tmp_path: Path) -> None:
    with simulator("--label", "LtoR") as sensor:
        seen = bench("gesture", "watch", "--port", sensor.port, "--save", "out.png", "--seconds", "6.5")
        assert seen.code == 0, seen.err
        assert "0 lost, 0 broken" in seen.err
        assert " frames in 6.5 s" in seen.err
        again = bench("gesture", "watch", "--port", sensor.port, "--save", "out.gif", "--seconds", "3")
        assert again.code == 0, again.err
        lines = bench("gesture", "watch", "--port", sensor.port, "--seconds", "9.5", env={"DISPLAY": ""})
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (1000, 640)
    with Image.open(tmp_path / "out.gif") as moving:
        assert moving.n_frames > 3
    assert lines.code == 0
    assert "no display" in lines.err
    assert "energy" in lines.out


def test_watch_goes_on_when_the_sensor_is_back(bench: Callable, tmp_path: Path) -> None:
    with simulator("--link", str(tmp_path / "sensor"), "--fault", "unplug=8") as sensor:
        done = bench("gesture", "watch", "--port", sensor.port, "--save", "out.png", "--seconds", "12")
    assert done.code == 0, done.err
    assert "is gone; trying again" in done.err
    assert "is back, at attempt" in done.err
    assert "reconnected 1 x" in done.err.splitlines()[-1]
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (1000, 640)


def test_what_is_told_stands_above_the_view_in_the_terminal(tmp_path: Path) -> None:
    with simulator("--link", str(tmp_path / "sensor"), "--fault", "unplug=1") as sensor, terminal() as (master, path):
        arguments = ("--port", sensor.port, "--terminal", "--seconds", "4")
        with Path(path).open("r+b", buffering=0) as screen:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.cli", "gesture", "watch", *arguments],
                env={**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "30"},
                stdin=screen, stdout=screen, stderr=screen,
            )  # fmt: skip
        text = b""
        while process.poll() is None or select.select([master], [], [], 0)[0]:
            if select.select([master], [], [], 0.1)[0]:
                text += os.read(master, 4096)
    for told in (b"is gone; ", b"is back, "):
        assert re.search(rb"\x1b\[2K[^\x1b]*" + told, text), "the view was taken away first"


@pytest.mark.parametrize("save", ["out.png", "out.gif"])
def test_what_was_watched_of_a_sensor_that_is_gone_for_good_is_kept(tmp_path: Path, save: str) -> None:
    with simulator("--link", str(tmp_path / "sensor")) as sensor:
        arguments = ("--port", sensor.port, "--patience", "1", "--save", str(tmp_path / save))
        process = start("gesture", "watch", *arguments, "--seconds", "60")
        assert "says: MPU6050" in process.stderr.readline()
        threading.Timer(1.5, sensor.unplug).start()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    faults = [line for line in told.splitlines() if line.startswith("bench: ")]
    assert faults == [f"bench: --port {sensor.port}: it was unplugged and did not come back within 1 s"]
    assert "Traceback" not in told
    with Image.open(tmp_path / save) as picture:
        assert picture.size == (1000, 640)


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_a_window_is_drawn_until_it_is_closed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """On matplotlib's backend that shows nothing: everything but the screen."""
    from matplotlib import pyplot

    closed_at = []
    draw = plot.Plot.draw

    def close_the_fifth(self: plot.Plot, live: Live, frames_hz: float) -> None:
        draw(self, live, frames_hz)
        if self.frames == 5:
            closed_at.append(self.frames)
            pyplot.close("all")

    monkeypatch.setattr(plot.Plot, "draw", close_the_fifth)
    monkeypatch.setattr(watching, "_window", lambda say: "agg")
    with talking(counted()) as port:
        assert watching.watch(port, None, 115200, None, 5.0, 100.0, None, None, False) == 0
    assert closed_at == [5]
    assert "frames in" in capsys.readouterr().err


def test_what_watch_refuses_is_one_line(bench: Callable, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_text(json.dumps({}))
    for arguments, told in (
        (["--port", "/dev/absent"], "there is no such port"),
        (["--port", "/dev/absent", "--model", "bad.npz"], "--model bad.npz"),
        (["--port", "/dev/absent", "--save", "out.avi"], "must end in .mp4, .gif, .png"),
        (["--port", "/dev/absent", "--save", "out.gif", "--terminal"], "exclude each other"),
    ):
        refused = bench("gesture", "watch", *arguments)
        assert refused.code == 2
        assert told in refused.err
        assert len([line for line in refused.err.splitlines() if line.startswith("bench: ")]) == 1
