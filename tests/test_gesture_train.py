"""`bench gesture train`: what it refuses, and what it warns of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.gesture import recording
from tests.conftest import Finished, refused
from tests.test_gesture_sets import HEAD, PLAIN, rows, still, swing, with_rest, write

GOOD = "0.1,0.2,0.9,1,2,3"


@pytest.fixture
def train(bench: Callable[..., Finished]) -> Callable[..., Finished]:
    def call(*arguments: str) -> Finished:
        return bench("gesture", "train", "--out", "model.npz", *arguments)

    return call


def test_a_source_is_called_by_its_option(train: Callable[..., Finished], tmp_path: Path) -> None:
    refused(train("--source", "/nope"), "bench: --source /nope: no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(train("--source", "empty"), "bench: --source empty: there is neither a session.json nor a CSV file")
    write(tmp_path / "left.csv", PLAIN, *[GOOD] * 9)
    refused(train("--source", "left.csv"), "--source left.csv: movements of one label only (left, in left.csv)")


def test_a_session_without_a_gesture_is_told(train: Callable[..., Finished], tmp_path: Path) -> None:
    take = recording.Take("2026-11-25", "here", 0.1, (0.0, 0.0, 0.0))
    recording.Session(tmp_path / "mine", None, 100.0).begin(take)
    refused(train("--source", "mine"), "--source mine: no gesture was recorded in mine: there is no LABEL-0001.csv")


def test_axes_are_checked_before_anything_is_read(train: Callable[..., Finished]) -> None:
    told = "--axes 'foo': must be one of all, accelerometer, gyroscope"
    refused(train("--axes", "foo", "--source", "/nope"), told)


def test_fewer_recordings_than_folds_are_told_with_the_source(train: Callable[..., Finished], tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for label, count in (("left", 3), ("right", 9)):
        parts = [[*([GOOD] * 9), ""] for _ in range(count)]
        write(tmp_path / "few" / f"{label}.csv", PLAIN, *(line for part in parts for line in part))
    refused(train("--source", "few"), "--source few: ", "'left' has 3", "4")


def test_the_model_needs_a_folder(bench: Callable[..., Finished]) -> None:
    refused(bench("gesture", "train", "--out", "absent/model.npz"), "a folder that exists")


def test_what_is_not_as_it_should_be_is_told_and_the_model_made(train: Callable[..., Finished], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for label, way in (("left", 1.0), ("right", -1.0)):
        lines = [row for number in range(4) for row in rows(with_rest(swing(70 + number, way)), label, number)]
        lines += rows(with_rest(swing(80, way), swing(80, 0.5 * way)), label, 4, start_ms=0)
        lines += rows(still(300), label, 4, start_ms=90_000)
        lines += rows(still(400), label, 5)
        write(tmp_path / "mine" / f"{label}.csv", HEAD, *lines)
    done = train("--source", "mine")
    assert done.code == 0, done.err
    for label in ("left", "right"):
        assert f"mine/{label}.csv: nothing moves in 1 recording, which is left out: {label} 5" in done.err
        assert f"mine/{label}.csv: line " in done.err
    assert done.err.count("the clock jumps by ") == 2
    assert "2 of 10 recordings hold more than one, of which the largest counts" in done.out
    assert (tmp_path / "model.npz").is_file()
