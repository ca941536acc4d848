"""`bench gesture record` and `simulate`, end to end through a pseudo-terminal."""

import itertools
import json
import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import store
from bench.errors import UserError
from bench.gesture import cutting, motions, recording
from bench.gesture.cutter import Cutter
from bench.gesture.motion import Recording
from bench.gesture.recording import Session, Take
from bench.gesture.stream import Sample
from tests.conftest import REAL_DATA, refused
from tests.sensors import counted, simulator, start, talking, wait_for
from tests.test_gesture_segment import recorded

LEFT_OUT = "a gesture with a gap in it was left out; hold the sensor still for a moment: it is calibrated anew"
TAKE = Take("2026-01-01T00:00:00+00:00", "/dev/ttyUSB0", 0.16, (18.7, 2.9, 0.6))


def test_gestures_are_recorded_and_read_again(bench, tmp_path):
    with simulator("--label", "LtoR", "--speed", "2") as sensor:
        arguments = ("--port", sensor.port, "--label", "LtoR", "--rate", "200", "--person", "ana", "--out", "mine")
        done = bench("gesture", "record", *arguments, "--count", "3")
        assert done.code == 0, done.err
        assert "calibrated: a gesture begins at an energy of 0." in done.err
        assert "3/3 LtoR-0003.csv" in done.err and "0 lost, 0 broken" in done.err
        first = (tmp_path / "mine" / "LtoR-0001.csv").read_bytes()
        again = bench("gesture", "record", *arguments, "--count", "4")
        assert "mine holds 3 of 4 LtoR; going on from there" in again.err
        assert "4/4 LtoR-0004.csv" in again.err
        assert "nothing to do" in bench("gesture", "record", *arguments, "--count", "4").err
    found = recording.read(tmp_path / "mine")
    assert [gesture.name for gesture in found] == [f"mine/LtoR-000{number}" for number in (1, 2, 3, 4)]
    assert {(gesture.label, gesture.person, gesture.session) for gesture in found} == {("LtoR", "ana", "mine")}
    assert all(gesture.samples.dtype == np.float32 and gesture.samples.shape[1] == 6 for gesture in found)
    assert first == (tmp_path / "mine" / "LtoR-0001.csv").read_bytes()
    facts = json.loads((tmp_path / "mine" / "session.json").read_text())
    assert facts["schema"] == "bench.gesture/1" and len(facts["takes"]) == 2
    assert (tmp_path / "mine" / "LtoR-0001.csv").read_text().splitlines()[0] == "time_s,ax,ay,az,gx,gy,gz"


def test_noise_on_the_line_is_counted_and_the_gestures_come(bench, tmp_path):
    options = ("--speed", "2", "--fault", "noise", "--fault", "half-lines", "--fault", "loss")
    with simulator(*options) as sensor:
        done = bench(
            "gesture", "record", "--port", sensor.port, "--label", "x", "--rate", "200", "--count", "2", "--out", "mine"
        )
    assert done.code == 0, done.err
    assert "0 lost" not in done.err.splitlines()[-1] and ", 0 broken" not in done.err.splitlines()[-1]
    assert len(recording.read(tmp_path / "mine")) == 2


def test_a_killed_recorder_keeps_its_gestures(bench, tmp_path):
    with simulator("--speed", "2") as sensor:
        arguments = ("--port", sensor.port, "--label", "x", "--rate", "200", "--out", str(tmp_path / "mine"))
        process = start("gesture", "record", *arguments)
        wait_for(tmp_path / "mine", "*.csv", 2)
        process.kill()
        process.communicate()
        kept = recording.read(tmp_path / "mine")
        assert len(kept) >= 2
        done = bench("gesture", "record", *arguments, "--count", str(len(kept) + 1))
    assert done.code == 0, done.err
    for before, after in zip(kept, recording.read(tmp_path / "mine"), strict=False):
        assert np.array_equal(before.samples, after.samples)


def test_an_interrupted_recorder_says_what_it_kept(tmp_path):
    with simulator("--speed", "2") as sensor:
        out = str(tmp_path / "mine")
        process = start("gesture", "record", "--port", sensor.port, "--label", "x", "--rate", "200", "--out", out)
        wait_for(tmp_path / "mine", "*.csv", 1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"of 150 x in {out}; the same command goes on where it stopped" in told
    assert "Traceback" not in told


def test_a_sensor_that_is_lost_on_the_way_ends_it_with_all_kept(tmp_path):
    with simulator("--link", str(tmp_path / "sensor"), "--speed", "2") as sensor:
        arguments = ("--port", sensor.port, "--label", "x", "--rate", "200", "--patience", "1")
        process = start("gesture", "record", *arguments, "--out", str(tmp_path / "mine"))
        wait_for(tmp_path / "mine", "*.csv", 1)
        sensor.unplug()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "it was unplugged and did not come back within 1 s" in told and "kept: " in told
    assert "Traceback" not in told and recording.read(tmp_path / "mine")


def test_a_sensor_that_comes_back_is_recorded_further(bench, tmp_path):
    link = tmp_path / "sensor"
    with simulator("--link", str(link), "--fault", "unplug=12"):
        arguments = ("--port", str(link), "--label", "x", "--count", "4", "--out", "mine")
        done = bench("gesture", "record", *arguments)
    assert done.code == 0, done.err
    assert "is gone; trying again" in done.err and "is back, at attempt" in done.err
    assert "4/4 x-0004.csv" in done.err
    assert not link.is_symlink()


def test_a_sensor_at_another_rate_is_recorded_at_its_own(bench, tmp_path):
    with simulator("--rate", "150") as sensor:
        done = bench("gesture", "record", "--port", sensor.port, "--label", "x", "--count", "1", "--out", "mine")
    assert done.code == 0, done.err
    assert "samples a second, not 100" in done.err
    assert recording.read_session(tmp_path / "mine")["rate_hz"] == pytest.approx(150, rel=0.1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--port", "/dev/nope"), "there is no such port"),
        (("--port", "/dev/null"), "no serial port"),
        (("--port", "/dev/nope", "--label", "../x"), "letters, digits"),
        (("--port", "/dev/nope", "--person", "a\nb"), "--person"),
        (("--port", "/dev/nope", "--out", "taken"), "it is a file"),
        (("--port", "/dev/nope", "--out", "damaged"), "is damaged"),
        (("--port", "/dev/nope", "--out", "hers", "--person", "bob"), "is a session of ana, not of bob"),
    ],
)
def test_bad_input_of_record(bench, tmp_path, options, told):
    (tmp_path / "taken").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "session.json").write_text("{")
    Session(tmp_path / "hers", "ana", 100.0).begin(TAKE)
    refused(bench("gesture", "record", "--label", "x", *options), told)


def test_silence_ends_recording_with_one_line(bench):
    with talking(iter(())) as path:
        refused(bench("gesture", "record", "--port", path, "--label", "x", "--patience", "1"), "nothing came for 1 s")


def test_a_wrong_rate_ends_recording_with_one_line(bench):
    with simulator("--fault", "wrong-baud") as sensor:
        refused(bench("gesture", "record", "--port", sensor.port, "--label", "x"), "usual are 9600", "--baud")


def test_a_busy_port_ends_recording_with_one_line(bench):
    from bench.gesture.stream import open_stream

    with talking(counted()) as path, open_stream(path):
        refused(bench("gesture", "record", "--port", path, "--label", "x"), "busy")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--fault", "lightning"), "there are: noise, half-lines"),
        (("--fault", "noise=2"), "share of the lines"),
        (("--fault", "noise=many"), "no number"),
        (("--fault", "wrong-baud=17"), "usual rate"),
        (("--fault", "unplug"), "needs --link"),
        (("--label", "jump"), "only LtoR and RtoL"),
        (("--replay", "nowhere"), "there is no such file"),
        (("--replay", "empty"), "no CSV file"),
        (("--replay", "bad.csv"), "bad.csv: has no column gz"),
        (("--replay", "nan.csv"), "line 3, column gy: 'nan' is no number"),
        (("--replay", "short.csv"), "line 2 has 5 fields rather than 6"),
        (("--link", "bad.csv"), "it exists already"),
        (("--link", "nowhere/sensor"), "there is no folder"),
    ],
)
def test_bad_input_of_simulate(bench, tmp_path, options, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("ax,ay,az,gx,gy\n0,0,1,0,0\n")
    (tmp_path / "nan.csv").write_text("ax,ay,az,gx,gy,gz\r\n0,0,1,0,0,0\r\n0,0,1,0,nan,0\r\n")
    (tmp_path / "short.csv").write_text("ax,ay,az,gx,gy,gz\n0,0,1,0,0\n")
    refused(bench("gesture", "simulate", *options), told)


def test_a_simulator_with_a_count_ends_when_nobody_listens_any_more(bench, tmp_path):
    with simulator("--count", "2", "--speed", "4", "--rate", "100") as sensor:
        arguments = ("--port", sensor.port, "--label", "x", "--rate", "400", "--count", "2", "--out", "mine")
        done = bench("gesture", "record", *arguments)
        assert done.code == 0, done.err
        assert sensor.process.wait(30) == 0


def test_recordings_are_replayed_into_the_recorder(bench, tmp_path):
    session = Session(tmp_path / "old", None, 100.0)
    session.begin(TAKE)
    for start_at, stop_at in ((100, 200), (150, 230)):
        samples = recorded((start_at, stop_at), count=400)
        session.save("wave", [number / 100 for number in range(400)], samples)
    with simulator("--replay", str(tmp_path / "old")) as sensor:
        arguments = ("--port", sensor.port, "--label", "wave", "--count", "2", "--out", "new")
        done = bench("gesture", "record", *arguments)
    assert done.code == 0, done.err
    lengths = [len(gesture.samples) for gesture in recording.read(tmp_path / "new")]
    assert 90 <= lengths[0] <= 145 and 70 <= lengths[1] <= 125


def test_replay_is_at_the_speed_that_the_clock_tells(tmp_path):
    lines = [
        "time_s,ax,ay,az,gx,gy,gz",
        *(f"{number / 50 + (65 if number > 60 else 0)},0,0,1,0,0,0" for number in range(99)),
    ]
    (tmp_path / "slow.csv").write_text("\r\n".join(lines))
    pieces = list(motions.replayed(recording.to_replay(tmp_path / "slow.csv")))
    assert [piece.rate_hz for piece in pieces] == [pytest.approx(50)] * 3
    assert [len(piece.samples) for piece in pieces] == [61, 75, 38], "where the clock jumps by a minute, it is a moment"


@pytest.mark.skipif(not REAL_DATA.exists(), reason="the real recordings are not on this machine")
def test_the_real_sets_can_be_replayed():
    ours = recording.to_replay(REAL_DATA / "gestures" / "arduino-gesture-ml" / "gesture_data_20260107_151420.csv")
    assert len(ours) == 5 and ours[0].rate_hz == pytest.approx(95, abs=6)
    others = recording.to_replay(REAL_DATA / "gestures" / "nano-gestures" / "flex.csv")
    assert [len(other.samples) for other in others] == [119] * 26


def test_simulated_people_hand_the_sensor_on():
    pieces = list(motions.simulated(("LtoR", "RtoL"), (0, 1), np.random.default_rng(0), count=12))
    told = [piece.told for piece in pieces if piece.told]
    assert told[0] == "1: LtoR by person 0" and told[1] == "2: RtoL by person 0" and told[11] == "12: RtoL by person 1"


def samples_of(values: np.ndarray, leave_out: range = range(0)) -> list[Sample]:
    rows = enumerate(values.tolist())
    return [Sample(number / 100, number, tuple(row)) for number, row in rows if number not in leave_out]


def cut(samples: list[Sample]) -> tuple[list, Cutter]:
    cutter = Cutter(None, 100.0)
    return [found for sample in samples if (found := cutter.push(sample))], cutter


def test_lost_lines_leave_a_gap_in_the_clock():
    values = recorded((300, 400))
    (whole,), _ = cut(samples_of(values))
    (gapped,), cutter = cut(samples_of(values, range(350, 355)))
    assert len(gapped.samples) == len(whole.samples) - 5
    assert gapped.times[-1] == pytest.approx(whole.times[-1])
    assert np.diff(gapped.times).max() == pytest.approx(0.06) and cutter.dropped == 0


def test_what_is_kept_is_less_the_bias():
    values = recorded((300, 400))
    (plain,), cutter = cut(samples_of(values))
    biased = values.copy()
    biased[:, 3:] += (18.7, -3.0, 1.0)
    (freed,), other = cut(samples_of(biased))
    assert np.abs(np.subtract(other.segmenter.bias, cutter.segmenter.bias) - (18.7, -3.0, 1.0)).max() < 0.5
    assert np.allclose(freed.samples, plain.samples, atol=0.5)


def test_a_gesture_with_a_hole_is_left_out():
    found, cutter = cut(samples_of(recorded((300, 400), (700, 800)), range(340, 370)))
    assert len(found) == 1 and cutter.dropped == 1


def test_a_gesture_that_another_connection_breaks_off_is_left_out():
    samples = samples_of(recorded((300, 400), (700, 800)))
    reopened = [sample._replace(connection=int(number >= 350)) for number, sample in enumerate(samples)]
    told = []
    cutter = Cutter(None, 100.0, told.append)
    found = [own for sample in reopened if (own := cutter.push(sample))]
    assert [abs(own.start - 700) <= 12 for own in found] == [True]
    assert cutter.dropped == 1
    assert told == [LEFT_OUT]


def test_a_reopened_port_takes_the_time_that_it_took():
    told = []
    cutter = Cutter(None, 100.0, told.append)
    for counter, time_s, connection in ((7, 0.0, 0), (8, 0.01, 0), (0, 1.51, 1), (1, 1.52, 1)):
        cutter.push(Sample(time_s, counter, (0.0, 0.0, 1.0, 0.0, 0.0, 0.0), connection))
    assert cutter.place == 152
    assert told == [], "it wasn't calibrated yet"


def test_after_a_gap_at_rest_it_is_said_that_the_sensor_must_be_still_again():
    told = []
    cutter = Cutter(None, 100.0, told.append)
    for sample in samples_of(recorded(count=600), range(300, 350)):
        cutter.push(sample)
    assert told == ["hold the sensor still for a moment: it is calibrated anew"]
    assert cutter.segmenter.is_calibrated and cutter.dropped == 0


def test_of_a_long_gesture_what_is_around_its_peak_is_kept_as_in_training():
    values = recorded((300, 600))
    values[530:550, 3] += 150
    (own,), _ = cut(samples_of(values))
    trained = cutting.movement(values, 100.0)
    assert len(own.samples) == len(trained.samples) == cutting.LONGEST
    assert np.allclose(own.samples, trained.samples, atol=0.5), "the same part of it"
    assert own.stop - own.start > 340, "it is told how long it was"
    assert own.times[0] == 0


def test_a_fast_sensor_has_more_samples_of_a_long_gesture():
    energies = np.arange(3000.0)
    assert cutting.kept(energies, 1000.0) == slice(600, 3000)
    assert cutting.kept(energies, 50.0) == slice(2760, 3000)


@given(st.lists(st.floats(0, 9), min_size=1, max_size=600), st.sampled_from((50.0, 100.0, 200.0)))
def test_what_is_kept_holds_the_peak_and_is_never_too_long(energies, rate_hz):
    part = np.array(energies)[cutting.kept(np.array(energies), rate_hz)]
    assert max(part) == max(energies)
    assert len(part) == min(len(energies), max(240, round(2.4 * rate_hz)))


def test_a_counter_that_begins_anew_is_no_gap_of_a_whole_round():
    samples = samples_of(recorded((300, 400)))
    samples[200:] = [sample._replace(counter=sample.counter - 200) for sample in samples[200:]]
    found, _ = cut(samples)
    assert len(found) == 1 and found[0].times[-1] < 2


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(0, 2**31))
def test_what_is_written_is_read(tmp_path_factory, count, seed):
    samples = np.random.default_rng(seed).normal(0, 50, (count, 6)).astype(np.float32)
    path = tmp_path_factory.mktemp("gesture") / "x-0001.csv"
    store.write_text(path, recording.to_csv([number / 100 for number in range(count)], samples))
    ((read, rate, _, _),) = recording.read_csv(path)
    assert np.abs(read - samples).max() < 1e-4
    assert rate is None if count == 1 else rate == pytest.approx(100)


def test_a_crash_while_writing_leaves_no_half_gesture(tmp_path, monkeypatch):
    session = Session(tmp_path, None, 100.0)
    session.begin(TAKE)
    session.save("x", [0.0], np.zeros((1, 6), np.float32))

    def crash(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="No space"):
        session.save("x", [0.0], np.zeros((1, 6), np.float32))
    assert len(recording.read(tmp_path)) == 1


def test_labels_that_hold_others_are_told_apart(tmp_path):
    session = Session(tmp_path, None, 100.0)
    session.begin(TAKE)
    for label in ("up", "up-2", "up"):
        session.save(label, [0.0], np.zeros((1, 6), np.float32))
    assert (session.count("up"), session.count("up-2")) == (2, 1)
    assert [found.label for found in recording.read(tmp_path)] == ["up", "up", "up-2"]


def test_a_foreign_file_in_a_session_is_told(tmp_path):
    Session(tmp_path, None, 100.0).begin(TAKE)
    (tmp_path / "notes.csv").write_text("a\n")
    with pytest.raises(UserError, match=r"LABEL-0001\.csv"):
        recording.read(tmp_path)


def test_help_teaches(bench):
    told = bench("gesture", "--help").out
    for command in ("ports", "record", "simulate"):
        assert command in told
    assert "wrong-baud" in bench("gesture", "simulate", "--help").out
    assert "Ctrl-C" in bench("gesture", "record", "--help").out


def test_ports_says_what_to_do_without_one(bench):
    done = bench("gesture", "ports")
    assert done.code == 0 or (done.code == 1 and "bench gesture simulate" in done.err)


def test_replaying_nothing_between_two():
    samples = np.zeros((10, 6), np.float32)
    pieces = motions.replayed([Recording("a", "x", samples), Recording("b", "x", samples + 1)])
    assert [piece.told for piece in itertools.islice(pieces, 3)] == ["a: x", "", "b: x"]
