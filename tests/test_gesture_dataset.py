"""The dataset gesture: windows as pictures, axes, whose they are."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import data, plugins, spec
from bench.data import Prepared
from bench.errors import UserError
from tests.test_gesture_sets import HEAD, PLAIN, rows, still, swing, with_rest, write


def prepared(*settings: str) -> Prepared:
    plugin = plugins.find("datasets", "gesture")
    own = spec.build({"data": {"dataset": "gesture"}}, settings).cells[0].spec
    return data.prepare(plugins.load_module(plugin), "gesture", own.data, own.seed, lambda *_: None)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """Two labels of movements that are cut already."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for label, size in (("left", 1.0), ("right", -1.0)):
        parts = [[",".join(f"{value:.4f}" for value in values) for values in swing(count, size)] + [""]
                 for count in range(40, 52)]  # fmt: skip
        write(folder / f"{label}.csv", PLAIN, *(line for part in parts for line in part))
    return folder


def test_a_window_is_a_picture_of_its_axes(home, cut):
    whole = prepared(f"data.source={cut}")
    assert whole.shape == (1, 6, 64)
    assert whole.groups == (None,) * 24
    values = np.load(whole.folder / "packed.npy").astype(float)
    assert values.shape == (24, 1, 6, 64)
    left = values[whole.labels == 0]
    told = (left[:, 0, 0] / 255 * 2 - 1) * 2
    assert told.max() == pytest.approx(1.0, abs=0.02)
    assert told.min() == pytest.approx(-1.0, abs=0.02)
    for axes, taken in (("accelerometer", slice(0, 3)), ("gyroscope", slice(3, 6))):
        part = prepared(f"data.source={cut}", f"data.axes={axes}")
        assert part.shape == (1, 3, 64)
        assert np.array_equal(np.load(part.folder / "packed.npy"), values[:, :, taken])
        assert part.digest != whole.digest


def test_every_form_has_the_same_values_and_nothing_is_prepared_twice(home, cut):
    first = prepared(f"data.source={cut}")
    image = cv2.imread(json.loads((first.folder / "images.json").read_text())[3], cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(image, np.load(first.folder / "packed.npy")[3, 0])
    changed = (first.folder / "manifest.json").stat().st_mtime_ns
    assert (prepared(f"data.source={cut}").folder / "manifest.json").stat().st_mtime_ns == changed


def test_simulated_people_are_held_out_one_by_one(home):
    held = []
    for fold in range(1, 6):
        own = prepared("data.groups=person", "data.folds=5", f"data.fold={fold}")
        (person,) = {own.groups[index] for index in own.test}
        assert person not in {own.groups[index] for index in own.train}
        assert len(own.test) == 60
        held.append(person)
    assert sorted(held) == [f"person-{number}" for number in range(1, 6)]
    shuffled = prepared("data.folds=5", "data.fold=1")
    assert len({shuffled.groups[index] for index in shuffled.test}) == 5
    few = prepared("data.samples=40")
    assert sorted(set(few.groups)) == sorted(held)
    assert np.bincount(few.labels).tolist() == [20, 20]


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """Two labels of ten recordings; of the last of "left" the clock jumps, in another nothing moves."""
    folder = tmp_path / "flawed"
    folder.mkdir()
    for label, way in (("left", 1.0), ("right", -1.0)):
        lines = [row for number in range(10) for row in rows(with_rest(swing(60 + number, way)), label, number)]
        if label == "left":
            lines += rows(still(200), label, 9, start_ms=90_000) + rows(still(300), label, 10)
        write(folder / f"{label}.csv", HEAD, *lines)
    return folder


def test_what_a_source_lacks_is_warned_of_whether_or_not_it_is_prepared_already(home, flawed):
    for _ in range(2):
        jumps, still_ = prepared(f"data.source={flawed}").warnings
        assert jumps.startswith(f"{flawed}/left.csv: line ") and "the clock jumps by" in jumps
        assert still_ == f"{flawed}/left.csv: nothing moves in 1 recording, which is left out: left 10"
    assert prepared().warnings == []


def test_a_run_tells_a_warning_once_however_many_folds_there_are(bench, flawed, tmp_path):
    done = bench("run", "gesture-shuffled", "--dry-run", "--backends=sklearn", f"--source={flawed}",
                 env={"FEDBENCH_HOME": str(tmp_path / "home")})  # fmt: skip
    assert done.code == 0, done.err
    assert done.err.count("nothing moves in 1 recording") == 1
    assert done.err.count("the clock jumps by") == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["data.groups=person"], "this set doesn't tell the person of every movement; it tells neither people nor"),
        (["data.groups=patient"], "data.groups = patient: must be person or session"),
        (["data.folds=13", "data.fold=1"], "data.folds = 13: class 'left' has 12 samples"),
    ],
)
def test_what_a_set_cannot_do_is_told(home, cut, settings, told):
    with pytest.raises(UserError, match=told):
        prepared(f"data.source={cut}", *settings)


def test_a_sensor_out_of_every_range_is_refused(home, cut):
    write(cut / "wild.csv", PLAIN, *["99,0,0,0,0,0"] * 20)
    with pytest.raises(UserError, match=r"a value of 99 g is beyond every sensor's range \(16 g\)"):
        prepared(f"data.source={cut}")
