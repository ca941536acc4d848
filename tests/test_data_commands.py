"""`bench data verify` and `bench data describe`: what they find, say, and exit with."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.data import contact_sheet, traces
from tests import pictures
from tests.conftest import REAL_DATA, refused
from tests.test_data import prepare
from tests.test_gesture_sets import PLAIN, swing, write


def found(finished) -> dict[str, list[str]]:
    """What verify's JSON says was found, by kind."""
    document = finished.document
    return {kind: texts for kind, texts in (document["faults"] | document["remarks"]).items() if texts}


def test_verify_before_and_after_preparing(bench_data, films):
    before = bench_data("verify", films)
    assert before.code == 0
    assert "12 files; nothing was prepared of it yet" in before.out
    assert bench_data("prepare", films).code == 0
    after = bench_data("verify", films)
    assert (after.code, "all is well" in after.out, "compared with" in after.out) == (0, True, True)
    other = bench_data("verify", films, "--channels", "1")
    assert "nothing was prepared of it yet" in other.out


def test_verify_tells_what_became_of_the_source_and_prepare_makes_a_new_set(bench_data, films):
    first = bench_data.folder(bench_data("prepare", films))
    (films / "dark" / "film 0.png").write_bytes(pictures.film(70))
    (films / "dark" / "film 1.png").unlink()
    (films / "dark" / "film 2.png").write_bytes(b"")
    (films / "light" / "more.png").write_bytes(pictures.film(71))
    done = bench_data("verify", films, "--json")
    assert done.code == 1
    assert done.document["prepared"] == str(first)
    assert found(done) == {
        "changed": ["dark/film 0.png"],
        "missing": ["dark/film 1.png"],
        "undecodable": ["dark/film 2.png is empty"],
        "new": ["light/more.png"],
    }
    told = bench_data("verify", films)
    assert told.code == 1
    assert "  missing: 1 (prepared, but not in the source any more): dark/film 1.png\n" in told.out
    again = bench_data("prepare", films, "--skip-bad")
    assert bench_data.folder(again) != first
    left_out = bench_data("verify", films, "--skip-bad", "--json")
    assert left_out.code == 0
    assert found(left_out) == {"left out": ["dark/film 2.png is empty"]}


def test_verify_tells_samples_that_are_there_twice(bench_data, films):
    lines = [f"{label}/film {number}.png,{label}" for label in ("dark", "light") for number in range(6)]
    (films / "dark" / "film 1.png").write_bytes((films / "dark" / "film 0.png").read_bytes())
    (films / "dark" / "film 5.png").write_bytes((films / "dark" / "film 2.png").read_bytes())
    (films / "light" / "film 2.png").write_bytes((films / "dark" / "film 3.png").read_bytes())
    (films / "train.csv").write_text("\n".join(line for line in lines if "5" not in line))
    (films / "test.csv").write_text("\n".join(line for line in lines if "5" in line))
    done = bench_data("verify", films, "--json")
    assert done.code == 1
    assert found(done) == {
        "across classes": ["train/dark/film 3.png (train) = train/light/film 2.png (train)"],
        "across train and test": ["test/dark/film 5.png (test) = train/dark/film 2.png (train)"],
        "within a class": ["train/dark/film 0.png (train) = train/dark/film 1.png (train)"],
    }


def test_twins_within_a_class_and_a_side_are_told_and_no_fault(bench_data, films):
    (films / "train.csv").write_text("dark/film 0.png,dark\ndark/copy.png,dark\nlight/film 0.png,light\n")
    (films / "test.csv").write_text("dark/film 1.png,dark\nlight/film 1.png,light\n")
    image = cv2.imread(str(films / "dark" / "film 0.png"))
    cv2.imwrite(str(films / "dark" / "copy.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    done = bench_data("verify", films, "--json")
    assert done.code == 0
    assert found(done) == {
        "within a class": ["train/dark/copy.png (train) = train/dark/film 0.png (train) (once decoded)"]
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("npy/000004.npy", "npy/000004.npy isn't dark/film 4.png as it was prepared"),
        ("packed.npy", "packed.npy[11] isn't light/film 5.png as it was prepared"),
        ("labels.npy", "labels.npy isn't what was prepared"),
        ("test.npy", "test.npy isn't what was prepared"),
        ("images.json", "images.json isn't what was prepared"),
    ],
)
def test_verify_tells_damaged_forms(bench_data, films, name, told):
    path = bench_data.folder(bench_data("prepare", films)) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert found(bench_data("verify", films, "--json")) == {"damaged": [told]}
    path.unlink()
    (text,) = found(bench_data("verify", films, "--json"))["damaged"]
    assert text.startswith(name)


def test_describe_tells_figures_and_saves_a_picture(bench_data, films, tmp_path):
    (films / "dark" / "16 bit.png").write_bytes(pictures.png(np.full((30, 20), 257, np.uint16)))
    (films / "dark" / "none.png").write_bytes(b"")
    done = bench_data("describe", films, "--skip-bad")
    assert done.code == 0, done.err
    assert "smallest 12 x 12, median 12 x 12, largest 20 x 30 pixels; prepared as 3 x 8 x 8" in done.out
    assert "colour PNG" not in done.out
    assert "grey PNG 12, 16-bit grey PNG 1" in done.out
    assert "1.17 times" in done.out
    assert "1 file left out: dark/none.png is empty" in done.err
    assert "1 file loses something by decoding: dark/16 bit.png" in done.err
    assert done.out.splitlines()[-1] == "xray-contact-sheet.png"
    assert cv2.imread(str(tmp_path / "xray-contact-sheet.png")) is not None


def test_a_picture_that_cant_be_written_is_told_before_anything_is_prepared(bench_data, films, tmp_path):
    refused(bench_data("describe", films, "--out", "nowhere/sheet.png"), "--out nowhere/sheet.png: can't be written")
    refused(bench_data("describe", films, "--out", "sheet.jpg"), "--out sheet.jpg: must end in .png")
    (tmp_path / "folder.png").mkdir()
    refused(bench_data("describe", films, "--out", "folder.png"), "is a folder")
    assert not bench_data.home.exists()


def test_the_picture_shows_true_colours(home, tmp_path):
    """OpenCV's order is blue-green-red; nearly all of the picture's colour is the class's."""
    source = tmp_path / "colours"
    for label, colour in (("red", (0, 0, 255)), ("$blue$ 青\n", (255, 0, 0))):
        (source / label).mkdir(parents=True)
        for number in range(3):
            image = np.full((20 + number, 20, 3), colour, np.uint8)
            (source / label / f"{number}.png").write_bytes(pictures.png(image))
    prepared = prepare("xray", f"data.source={source}", "data.image_size=8")
    for gone in (False, True):
        if gone:  # then the prepared samples are shown
            for path in source.rglob("*.png"):
                path.unlink()
        contact_sheet.save(prepared, "colours", tmp_path / "sheet.png")
        blue, green, red = cv2.split(cv2.imread(str(tmp_path / "sheet.png")).astype(int))
        is_red, is_blue = (red - blue > 200) & (green < 60), (blue - red > 200) & (green < 60)
        lines = np.arange(len(red))[:, None]
        assert is_red.sum() > 10_000
        assert is_blue.sum() > 10_000
        assert (lines * is_blue).sum() / is_blue.sum() < (lines * is_red).sum() / is_red.sum()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--size", "4"], "--size = 4: must be greater than or equal to 8"),
        (["--channels", "2"], "--channels = 2: must be 1 or 3"),
        (["--holdout", "1.5"], "--holdout = 1.5: must be less than 1"),
        (["--samples", "1"], "--samples = 1: must be greater than or equal to 2"),
        (["--seed", "-1"], "--seed = -1: must be greater than or equal to 0"),
        (["--groups", "patient"], "--groups = patient: there is no "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_told_by_its_own_name(bench_data, films, arguments, told):
    refused(bench_data("prepare", films, *arguments), told)


@pytest.fixture
def movements(tmp_path):
    """Two labels of six movements each."""
    folder = tmp_path / "movements"
    folder.mkdir()
    for label, size in (("left", 1.0), ("right", -1.0)):
        parts = [
            [*(",".join(map(str, own)) for own in swing(40, size * more)), ""]
            for more in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
        ]
        write(folder / f"{label}.csv", PLAIN, *(line for part in parts for line in part))
    return folder


def test_a_fold_and_axes_of_gestures_can_be_prepared_by_themselves(bench_data, movements):
    done = bench_data("prepare", movements, "--folds", "3", "--fold", "2", "--axes", "gyroscope", name="gesture")
    assert done.code == 0, done.err
    assert "8 to train on, 4 held out" in done.out
    assert "fold 2 of 3 held out" in done.out
    assert np.load(bench_data.folder(done) / "packed.npy").shape == (12, 1, 3, 64)
    verified = bench_data("verify", movements, "--folds", "3", "--fold", "2", "--axes", "gyroscope", name="gesture")
    assert (verified.code, "all is well" in verified.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--folds", "3"], "give both or neither"),
        (["--folds", "3", "--fold", "4"], "fold must be at most folds (3)"),
        (["--folds", "9", "--fold", "1"], "--folds = 9: class 'left' has 6 samples"),
        (["--axes", "magnetometer"], "--axes = 'magnetometer': must be 'all', 'accelerometer' or 'gyroscope'"),
        (["--groups", "person"], "--groups = person: this set doesn't tell the person of every movement"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_of_gestures_are_told_by_their_own_names(bench_data, movements, arguments, told):
    refused(bench_data("prepare", movements, *arguments, name="gesture"), told)


def test_axes_of_what_has_none_are_refused(bench_data, films):
    refused(
        bench_data("describe", films, "--axes", "gyroscope"), "--axes = gyroscope: the samples of xray have no such"
    )


def test_movements_are_pictured_as_a_line_an_axis(bench_data, movements, tmp_path):
    done = bench_data("describe", movements, name="gesture")
    assert done.code == 0, done.err
    blue, green, red = cv2.split(cv2.imread(str(tmp_path / "gesture-contact-sheet.png")).astype(int))
    lines = {"x": (blue - red > 100), "y": (red - blue > 100), "z": (green - red > 80) & (green - blue > 20)}
    assert all(own.sum() > 500 for own in lines.values())


@pytest.mark.parametrize("names", [("ax", "ay", "az"), ("ax", "ay", "az", "gx", "gy", "gz")])
def test_a_trace_goes_where_the_movement_goes(names):
    axes = Figure().subplots()
    values = np.full((len(names), 64), 128, np.uint8)
    values[-1] = np.linspace(64, 192, 64)
    reach = traces.reaches(values[None], names)
    assert reach[names[-1][0]] == pytest.approx(0.25, abs=0.01)
    traces.draw(axes, values, names, reach)
    *_, rising = axes.lines
    heights = rising.get_ydata()
    assert (np.diff(heights) > 0).all()
    assert heights[-1] - heights[0] == pytest.approx(1.0, abs=0.01), "the largest fills its room"
    low, high = axes.get_ylim()
    assert all(low <= line.get_ydata().min() and line.get_ydata().max() <= high for line in axes.lines)


def test_made_up_films_need_no_source(bench, tmp_path):
    done = bench("data", "prepare", "synthetic-xray", "--samples", "12", env={"FEDBENCH_HOME": str(tmp_path / "home")})
    assert done.code == 0
    assert "synthetic-xray: 12 samples in 3 classes (COVID 4, NORMAL 4, Viral Pneumonia 4); 9 to train on" in done.out


@pytest.mark.skipif(not (REAL_DATA / "xray").is_dir(), reason="the real x-rays are not on this machine")
def test_the_real_x_rays_are_well(bench_data):
    assert bench_data("verify", REAL_DATA / "xray", "--groups", "patient").code == 0
