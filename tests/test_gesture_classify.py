"""From a virtual sensor to the name of what it did, through a real pseudo-terminal."""

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UserError
from bench.gesture import classifier, classifying, cutting, physics
from bench.gesture.live import Gesture
from bench.gesture.motion import RATE_HZ, Recording
from tests.sensors import simulator, start


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one person who isn't random: enough for the person that the simulator is by default."""
    recordings = []
    for label in physics.LABELS:
        for number in range(20):
            rng = np.random.default_rng((5, number))
            moved = cutting.movement(physics.gesture(label, 0, rng), RATE_HZ)
            if moved is not None:
                recordings.append(Recording(f"{label}-{number}", label, moved.samples))
    path = tmp_path_factory.mktemp("model") / "model.npz"
    classifier.save(classifier.train(recordings), path)
    return path


def test_the_gestures_of_a_virtual_sensor_are_recognised(bench: Callable, model: Path) -> None:
    with simulator("--seed", "3") as sensor:
        done = bench("gesture", "classify", "--port", sensor.port, "--model", str(model), "--count", "4", "--json")
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [one["gesture"] for one in told] == ["LtoR", "RtoL", "LtoR", "RtoL"]
    for one in told:
        latency = one["latency_ms"]
        assert 0 <= one["probability"] <= 1
        assert latency["total"] == pytest.approx(latency["hold"] + latency["answer"])
        assert latency["hold"] > 200
        assert latency["answer"] > 0
    assert "4 gestures, median latency" in done.err


def test_an_unplugged_sensor_is_waited_for_and_its_gestures_recognised(
    bench: Callable, model: Path, tmp_path: Path
) -> None:
    with simulator("--link", str(tmp_path / "sensor"), "--fault", "unplug=10") as sensor:
        done = bench("gesture", "classify", "--port", sensor.port, "--model", str(model), "--count", "3", "--json")
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    assert len(told) == 3
    assert all(one["duration_s"] < 3 for one in told), "nothing is cut across the time without a sensor"
    lines = done.err.splitlines()
    kinds = ("is gone; trying again", "is back, at attempt", "it is calibrated anew", "ready: ", "reconnected")
    places = [[number for number, line in enumerate(lines) if kind in line] for kind in kinds]
    gone, back, anew, ready, last = places
    assert ready[0] < gone[0] < back[0] < anew[0] < ready[1] < last[0] == len(lines) - 1


def test_a_sensor_that_is_gone_for_good_ends_it(model: Path, tmp_path: Path) -> None:
    with simulator("--link", str(tmp_path / "sensor")) as sensor:
        process = start("gesture", "classify", "--port", sensor.port, "--model", str(model), "--patience", "1")
        for line in process.stderr:
            if line.startswith("ready"):
                break
        sensor.unplug()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    faults = [line for line in told.splitlines() if line.startswith("bench: ")]
    assert faults == [f"bench: --port {sensor.port}: it was unplugged and did not come back within 1 s"]
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith("no gesture; ")


def test_a_sensor_at_another_rate_is_classified_at_its_own(bench: Callable, model: Path) -> None:
    with simulator("--rate", "150") as sensor:
        done = bench("gesture", "classify", "--port", sensor.port, "--model", str(model), "--count", "1")
    assert done.code == 0, done.err
    assert "samples a second, not 100 (--rate)" in done.err


def test_it_is_spoken_by_what_there_is(tmp_path: Path, bench: Callable, model: Path) -> None:
    speaker(tmp_path, f'echo "$2" >> {tmp_path}/spoken')
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    arguments = ("--model", str(model), "--count", "1", "--say")
    with simulator("--label", "RtoL") as sensor:
        done = bench("gesture", "classify", "--port", sensor.port, *arguments, env=env)
    assert done.code == 0, done.err
    assert done.out.startswith("RtoL")
    assert (tmp_path / "spoken").read_text() == "RtoL\n"


def speaker(folder: Path, script: str) -> None:
    program = folder / "spd-say"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_new_word_cuts_the_old_one_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker(tmp_path, f'echo "$2 $$" >> {tmp_path}/spoken\nexec sleep 60')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    voice = classifying.Voice()
    for count, word in enumerate(("LtoR", "RtoL"), start=1):
        voice.say(word)
        while not (tmp_path / "spoken").exists() or len((tmp_path / "spoken").read_text().split()) < 2 * count:
            time.sleep(0.01)
    first, second = (int(pid) for pid in (tmp_path / "spoken").read_text().split()[1::2])
    assert not Path(f"/proc/{first}").exists()
    assert Path(f"/proc/{second}").exists()
    voice.stop()
    assert not Path(f"/proc/{second}").exists()
    assert voice.fault is None


def test_a_voice_that_fails_is_told_once_and_the_gestures_come(tmp_path: Path, bench: Callable, model: Path) -> None:
    speaker(tmp_path, "exit 3")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with simulator() as sensor:
        arguments = ("--port", sensor.port, "--model", str(model), "--count", "2", "--say")
        done = bench("gesture", "classify", *arguments, env=env)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2
    assert done.err.count("spd-say could not speak (exit code 3)") == 1


def test_a_voice_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="none of spd-say"):
        classifying.Voice()


def test_both_parts_of_the_latency_are_told() -> None:
    gesture = Gesture(10, 80, 0.7, 0.9, "LtoR", 0.97, 0.37, 0.002)
    told = classifying.line(gesture)
    assert "LtoR 97 %" in told
    assert "372 ms after the movement ended (370 ms to be sure that it had, 2.0 ms to answer)" in told


def test_what_classify_refuses_is_one_line(bench: Callable, tmp_path: Path, model: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(model.read_bytes()[:500])
    for arguments, told in (
        (["--model", str(model)], "there is no such port"),
        (["--model", "absent.npz"], "there is no such model; bench gesture train makes one"),
        (["--model", "cut.npz"], "it is damaged, or no model at all"),
    ):
        refused = bench("gesture", "classify", "--port", "/dev/absent", *arguments)
        assert refused.code == 2
        assert told in refused.err
        assert len(refused.err.strip().splitlines()) == 1
