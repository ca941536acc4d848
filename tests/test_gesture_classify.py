"""From a virtual sensor to the name of what it did, through a real pseudo-terminal."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UserError
from bench.gesture import classifier, classifying, cutting, physics
from bench.gesture.live import Gesture
from bench.gesture.motion import RATE_HZ, Recording
from tests.sensors import simulator


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one person who isn't random: enough for the person that the simulator is by default."""
    recordings = []
    for label in physics.LABELS:
        for number in range(20):
            rng = np.random.default_rng((5, number))
            moved = cutting.movement(physics.gesture(label, 0, rng), RATE_HZ)
            if moved is not None:
                recordings.append(Recording(f"{label}-{number}", label, moved))
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


def test_it_is_spoken_by_what_there_is(tmp_path: Path, bench: Callable, model: Path) -> None:
    program = tmp_path / "spd-say"
    program.write_text(f'#!/bin/sh\necho "$2" >> {tmp_path}/spoken\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    arguments = ("--model", str(model), "--count", "1", "--say")
    with simulator("--label", "RtoL") as sensor:
        done = bench("gesture", "classify", "--port", sensor.port, *arguments, env=env)
    assert done.code == 0, done.err
    assert done.out.startswith("RtoL")
    assert (tmp_path / "spoken").read_text() == "RtoL\n"


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


def test_training_needs_two_labels_and_a_folder_for_the_model(bench: Callable, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("ax,ay,az,gx,gy,gz\n" + "0.1,0,1,5,6,7\n" * 30)
    refused = bench("gesture", "train", "--source", "one.csv", "--out", "model.npz")
    assert refused.code == 2
    assert "at least two are needed" in refused.err
    refused = bench("gesture", "train", "--out", "absent/model.npz")
    assert refused.code == 2
    assert "a folder that exists" in refused.err
