"""Sets of movements: what is read of every form, what is cut out, and what is refused."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UserError
from bench.gesture import recording, sets
from bench.gesture.cutting import LONGEST, movement
from bench.gesture.motion import AXES
from bench.gesture.physics import gesture, rest
from bench.gesture.windows import window
from tests.conftest import REAL_DATA

GESTURES = REAL_DATA / "gestures"
HEAD = "gesture,gesture_num,timestamp,aX,aY,aZ,gX,gY,gZ,temp"
PLAIN = "aX,aY,aZ,gX,gY,gZ"
real = pytest.mark.skipif(not GESTURES.is_dir(), reason="the real recordings aren't here")


def swing(count: int, size: float = 1.0) -> np.ndarray:
    """A movement: two strokes along x, and a turn."""
    found = np.zeros((count, 6), np.float32)
    found[:, 0] = size * np.sin(np.linspace(0, 4 * np.pi, count))
    found[:, 5] = 200 * size * np.sin(np.linspace(0, np.pi, count))
    return found


def still(count: int, seed: int = 0) -> np.ndarray:
    return rest(count, 0, np.random.default_rng(seed))


def with_rest(*movements: np.ndarray) -> np.ndarray:
    parts = [still(150)]
    for number, one in enumerate(movements, start=1):
        quiet = still(len(one), number)
        parts += [quiet + one, still(150, 100 + number)]
    return np.concatenate(parts)


def rows(samples: np.ndarray, label: str, number: int, start_ms: int = 0) -> list[str]:
    return [
        f"{label},{number},{start_ms + 10 * index}," + ",".join(f"{value:.3f}" for value in values) + ",24.5"
        for index, values in enumerate(samples)
    ]


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_text(end.join(lines) + end, newline="")
    return path


def test_the_simulator_s_set_is_the_default_and_the_same_every_time():
    found = sets.read(None, 0)
    assert Counter((one.label, one.person) for one in found) == {
        (label, f"person-{number}"): 30 for label in ("LtoR", "RtoL") for number in range(1, 6)
    }
    assert len({one.name for one in found}) == 300
    again = sets.read(None, 0)
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(found, again, strict=True))
    assert not np.array_equal(found[0].samples, sets.read(None, 1)[0].samples)


def test_a_movement_is_cut_out_and_its_bias_taken_off():
    samples = with_rest(swing(80))
    samples[:, 3:] += (18.7, -3.0, 1.0)
    cut = movement(samples, 100.0)
    assert cut.bursts == 1
    found = cut.samples
    assert 80 <= len(found) < 240, "the movement and little more, of 380"
    assert found.dtype == np.float32
    assert abs(np.median(found[:, 3])) < 3, "of 18.7 degrees a second of bias nothing is left"
    assert found[:, 5].max() > 150


def test_of_several_the_largest_is_taken_and_of_a_long_one_the_peak():
    cut = movement(with_rest(swing(80, 0.5), swing(80, 1.2)), 100.0)
    assert cut.bursts == 2
    larger = cut.samples
    assert np.abs(larger[:, 0] - np.median(larger[:, 0])).max() > 0.9
    long = swing(330, 0.6)
    long[200:230, 5] += 300
    found = movement(with_rest(long), 100.0).samples
    assert len(found) == LONGEST
    assert found[:, 5].max() > 300


def test_nothing_is_cut_out_of_rest():
    assert movement(still(500), 100.0) is None


def test_windows_keep_both_ends():
    samples = np.arange(60, dtype=np.float32).reshape(10, 6)
    found = window(samples, 64)
    assert found.shape == (64, 6)
    assert np.allclose(found[[0, -1]], samples[[0, -1]])
    assert np.allclose(window(samples, 10), samples)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_recordings_with_rest_one_movement_each(tmp_path: Path, end):
    lines = rows(with_rest(swing(80)), "left", 1) + rows(with_rest(swing(90)), "left", 2)
    write(tmp_path / "a.csv", HEAD, *lines, end=end)
    first = rows(with_rest(swing(70)), "right", 1)
    first[0] = first[0].replace("right,1,0,", "right,1,,")  # an empty clock, as in the real set
    write(tmp_path / "b.csv", HEAD, *first, *rows(still(400), "idle", 2), end=end)
    found = sets.read(tmp_path, 0)
    assert [(one.label, one.session, one.name) for one in found] == [
        ("left", "a", "a-left-1"),
        ("left", "a", "a-left-2"),
        ("right", "b", "b-right-1"),
    ]
    assert all(70 <= len(one.samples) <= 240 for one in found)


def test_a_clock_that_jumps_cuts_a_recording_and_is_told(tmp_path: Path):
    before, after = with_rest(swing(80)), with_rest(swing(60, 1.5))[:250]
    lines = rows(before, "left", 1) + rows(after, "left", 1, start_ms=70_000)
    path = write(tmp_path / "a.csv", HEAD, *lines)
    assert [len(part.samples) for part in recording.read_csv(path)] == [len(before), len(after)]
    write(tmp_path / "b.csv", HEAD, *rows(with_rest(swing(70)), "right", 1))
    told = []
    assert [one.label for one in sets.read(tmp_path, 0, notice=told.append)] == ["left", "right"]
    line, by_s = len(before) + 2, 70 - (len(before) - 1) / 100
    assert told == [
        f"{path}: line {line}: the clock jumps by {by_s:.1f} s, once in this file; each cuts a recording in two"
    ]


def test_recordings_in_which_nothing_moves_are_told(tmp_path: Path):
    left = rows(with_rest(swing(80)), "left", 1)
    left += [row for number in range(2, 7) for row in rows(still(400, number), "left", number)]
    path = write(tmp_path / "a.csv", HEAD, *left)
    right = [*rows(with_rest(swing(70)), "right", 1), *rows(still(400), "idle", 2)]
    write(tmp_path / "b.csv", HEAD, *right)
    told = []
    assert [one.label for one in sets.read(tmp_path, 0, notice=told.append)] == ["left", "right"]
    assert told == [f"{path}: nothing moves in 5 recordings, which are left out: left 2, left 3, left 4 and 2 more"], (
        "rest that is called so is none"
    )


def test_it_is_told_of_which_file_a_movement_is_and_of_how_many(tmp_path: Path):
    one, two = with_rest(swing(80)), with_rest(swing(80, 0.5), swing(80, 1.2))
    path = write(tmp_path / "a.csv", HEAD, *rows(one, "left", 1), *rows(two, "right", 1))
    assert [(own.path, own.bursts) for own in sets.read(path, 0)] == [(path, 1), (path, 2)]


def test_recordings_that_are_cut_already(tmp_path: Path):
    def lines(count: int) -> list[str]:
        return [",".join(f"{value:.3f}" for value in values) for values in swing(count)]

    write(tmp_path / "left.csv", PLAIN, *lines(30), "", *lines(40), end="\r\n")
    write(tmp_path / "right.csv", PLAIN, *lines(50))
    found = sets.read(tmp_path, 0)
    assert [(one.label, len(one.samples)) for one in found] == [("left", 30), ("left", 40), ("right", 50)]


def test_one_s_own_recordings_tell_person_and_session(tmp_path: Path):
    for person in ("ada", "ben"):
        session = recording.Session(tmp_path / f"by {person}", person, 100.0)
        session.begin(recording.Take("2026-11-25", "here", 0.1, (0.0, 0.0, 0.0)))
        for label in ("LtoR", "RtoL"):
            session.save(label, np.arange(50) / 100, swing(50))
    found = sets.read(tmp_path, 0)
    assert [(one.person, one.session, one.label) for one in found] == [
        (person, f"by {person}", label) for person in ("ada", "ben") for label in ("LtoR", "RtoL")
    ]
    assert len(sets.read(tmp_path / "by ada", 0)) == 2


GOOD = "0.1,0.2,0.9,1,2,3"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["aX,aY,aZ,gX,gY", "0,0,0,0,0"], "left.csv: has no column gz"),
        ([PLAIN, GOOD, "0.1,nan,0.9,1,2,3"], "left.csv: line 3, column ay: 'nan' is no number"),
        ([PLAIN, GOOD, "0.1,oops,0.9,1,2,3"], "left.csv: line 3, column ay: 'oops' is no number"),
        ([PLAIN, GOOD, "0.1,0.2"], "left.csv: line 3 has 2 fields rather than 6"),
        ([PLAIN], "left.csv: holds no sample"),
        ([PLAIN, *[GOOD] * 3], "left.csv: recording left-0001 has 3 samples; a movement needs at least 8"),
        ([PLAIN, *[GOOD] * 9], r"movements of one label only \(left, in left.csv\); at least two are needed"),
    ],
)
def test_bad_files_are_told_in_one_line(tmp_path: Path, lines, told):
    write(tmp_path / "left.csv", *lines)
    with pytest.raises(UserError, match=told):
        sets.read(tmp_path, 0)


def test_no_source_and_an_empty_one(tmp_path: Path):
    with pytest.raises(UserError, match="no such file or folder"):
        sets.read(tmp_path / "nowhere", 0)
    with pytest.raises(UserError, match=r"neither a session.json nor a CSV file"):
        sets.read(tmp_path, 0)
    with pytest.raises(UserError, match=r"^--source nowhere: no such file or folder$"):
        sets.read(Path("nowhere"), 0, "--source")


def test_a_session_without_a_gesture(tmp_path: Path):
    recording.Session(tmp_path / "mine", None, 100.0).begin(recording.Take("2026-11-25", "here", 0.1, (0.0, 0.0, 0.0)))
    for source in (tmp_path, tmp_path / "mine"):
        with pytest.raises(UserError, match=f"data.source = {source}: no gesture was recorded in mine"):
            sets.read(source, 0)


@real
def test_the_study_s_sensor_in_another_s_hand():
    told = []
    found = sets.read(GESTURES / "arduino-gesture-ml", 0, notice=told.append)
    assert [text.partition("arduino-gesture-ml/")[2] for text in told] == [
        "gesture_data_20260107_001217.csv: line 23004: the clock jumps by 65.0 s, once in this file;"
        " each cuts a recording in two",
        "gesture_data_20260107_142330.csv: line 15672: the clock jumps by 168.6 s, 2 times in this file;"
        " each cuts a recording in two",
    ]
    assert sum(one.bursts > 1 for one in found) == 40
    assert Counter(one.label for one in found) == {
        "swipe_right": 15, "rotate_cw": 10, "rotate_ccw": 10, "swipe_left": 5, "swipe_up": 5, "swipe_down": 5,
        "punch": 5, "shake": 5,
    }  # fmt: skip
    assert all(20 <= len(one.samples) <= LONGEST for one in found)
    assert len({one.session for one in found}) == 13, "all files but the one of rest"
    assert np.abs(np.median([np.median(one.samples[:, 3]) for one in found])) < 10, "the bias of 18.7 is gone"


@real
def test_another_sensor_cut_already():
    found = sets.read(GESTURES / "nano-gestures", 0)
    assert Counter(one.label for one in found) == {"circ": 48, "flex": 26, "hori": 98, "punch": 16, "vert": 77}
    assert {one.samples.shape for one in found} == {(119, len(AXES))}


def test_every_simulated_movement_is_cut_out_and_free_of_bias():
    found = sets.read(None, 3)
    assert len(found) == 300
    assert all(20 <= len(one.samples) <= LONGEST for one in found)
    raw = [gesture(label, person, np.random.default_rng(9)) for person in range(5) for label in ("LtoR", "RtoL")]
    biases = np.array([np.median(one[:40, 3:], axis=0) for one in raw])
    assert np.abs(biases).max() > 3, "the sensors have one"
    edges = np.array([np.r_[one.samples[:3, 3:], one.samples[-3:, 3:]].mean(axis=0) for one in found])
    by_person = [edges[[one.person == f"person-{number}" for one in found]] for number in range(1, 6)]
    assert all(np.abs(np.median(own, axis=0)).max() < 15 for own in by_person)


def test_two_labels_under_one_number_are_two_recordings(tmp_path: Path):
    lines = [row for label in ("left", "right") for row in rows(with_rest(swing(80)), label, 1)]
    found = sets.read(write(tmp_path / "a.csv", HEAD, *lines), 0)
    assert [(one.label, one.name) for one in found] == [("left", "a-left-1"), ("right", "a-right-1")]
