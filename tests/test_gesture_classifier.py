"""The study's PCA + SVM: trained by scikit-learn, kept without pickles, asked without scikit-learn."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import data, pca_svm
from bench.dataset import Sample
from bench.errors import UserError
from bench.gesture import classifier, training
from bench.gesture.motion import Recording
from bench.spec import Data

LABELS = ("LtoR", "RtoL", "shake")


def movement(label: str, rng: np.random.Generator) -> np.ndarray:
    time = np.linspace(0, 1, int(rng.integers(50, 90)))
    wave = np.sin(2 * np.pi * time * (4 if label == "shake" else 1)) * (-1 if label == "RtoL" else 1)
    samples = rng.normal(0, 0.35, (len(time), 6))
    samples[:, 0] += wave
    samples[:, 5] += 100 * wave
    return samples.astype(np.float32)


def recordings(labels: tuple[str, ...] = LABELS, each: int = 12, people: int = 3, seed: int = 0) -> list[Recording]:
    rng = np.random.default_rng(seed)
    return [
        Recording(f"{label}-{number}", label, movement(label, rng), person=f"p{number % people}" if people else None)
        for label in labels
        for number in range(each)
    ]


def movements(own: list[Recording], axes: str = "all") -> training.Movements:
    groups = [one.person for one in own]
    inputs = classifier.flattened([one.samples for one in own], axes, 64)
    names, labels = [one.name for one in own], [one.label for one in own]
    return training.Movements(inputs, names, labels, None if None in groups else groups)


@pytest.fixture(scope="module")
def trained() -> classifier.Classifier:
    return classifier.train(recordings())


@pytest.mark.parametrize("labels", [LABELS[:2], LABELS])
@pytest.mark.parametrize("axes", ["all", "gyroscope"])
def test_numpy_decides_as_scikit_learn(labels: tuple[str, ...], axes: str) -> None:
    from sklearn.calibration import CalibratedClassifierCV

    own = movements(recordings(labels), axes)
    inputs = own.inputs
    machine, chosen = training.fit(own)
    best = pca_svm.fitted(inputs, own.labels, own.groups, 0)
    folds = pca_svm.inner_folds(own.labels, own.groups, 0)
    theirs = CalibratedClassifierCV(best, method="sigmoid", cv=folds, ensemble=False).fit(inputs, own.labels)
    strangers = np.random.default_rng(9).normal(0, 1, inputs.shape) * inputs.std(0) + inputs[::-1]
    for points in (inputs, strangers, inputs[:1]):
        numbers, probabilities = machine.decide(points)
        assert [sorted(labels)[number] for number in numbers] == best.predict(points).tolist()
        assert np.allclose(probabilities, theirs.predict_proba(points), atol=1e-9)
        assert np.allclose(machine.project(points), best[:2].transform(points), atol=1e-9)
    assert chosen["components"] == len(machine.components)


def test_it_learns_and_tells_how_well_by_held_out_person(trained: classifier.Classifier) -> None:
    accuracy = trained.facts["accuracy"]
    assert accuracy["held_out"] == "person"
    assert sum(accuracy["of"]) == 36
    assert sum(accuracy["correct"]) / 36 > 0.8
    rng = np.random.default_rng(77)
    right = [trained.predict(movement(label, rng))[0] == label for label in LABELS * 10]
    assert np.mean(right) > 0.8


def test_without_a_signal_it_is_no_better_than_chance() -> None:
    """What is chosen or scaled outside the fold would show here as more than chance."""
    rng = np.random.default_rng(3)
    noise = [
        Recording(str(number), LABELS[number % 2], rng.normal(0, 1, (64, 6)).astype(np.float32)) for number in range(80)
    ]
    accuracy = classifier.train(noise).facts["accuracy"]
    assert accuracy["held_out"] == "shuffled"
    assert 0.3 < sum(accuracy["correct"]) / sum(accuracy["of"]) < 0.7


def test_nobody_is_trained_on_and_tested() -> None:
    own = movements(recordings())
    by, folds = training.outer_folds(own, 0)
    assert by == "person"
    for train, test in folds + pca_svm.inner_folds(own.labels, own.groups, 0):
        assert not {own.groups[place] for place in train} & {own.groups[place] for place in test}


@pytest.mark.parametrize("by", ["person", None])
def test_what_is_held_out_is_what_bench_run_holds_out(by: str | None) -> None:
    own = movements(recordings(people=5, each=15))
    if by is None:
        own = replace(own, groups=None)
    told, folds = training.outer_folds(own, 7)
    assert (told, len(folds)) == (by or "shuffled", 5)
    told_of = zip(own.names, own.labels, own.groups or own.names, strict=True)
    samples = [Sample(name, label, Path(), group) for name, label, group in told_of]
    for number, (_, test) in enumerate(folds, start=1):
        is_test, _ = data.split(samples, Data(folds=5, fold=number, groups=by), 7)
        assert np.flatnonzero(is_test).tolist() == test.tolist()


def test_what_is_told_is_what_was_held_out() -> None:
    rng = np.random.default_rng(4)
    labels = ["left"] * 8 + ["right"] * 8
    inputs = rng.normal(0, 1, (16, 30)) + np.repeat([[0.0], [3.0]], 8, axis=0)
    names = [str(number) for number in range(16)]
    a_session_a_label = training.Movements(inputs, names, labels, ["a"] * 8 + ["b"] * 8, "session")
    assert training.check(a_session_a_label).by == "shuffled"
    assert training.check(training.Movements(inputs, names, labels, ["a", "b"] * 8, "session")).by == "session"


def test_what_is_fitted_and_chosen_never_sees_the_held_out_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    own = movements(recordings())
    seen: list[set[bytes]] = []
    fitted = pca_svm.fitted

    def spy(points: np.ndarray, *rest: object) -> object:
        seen.append({point.tobytes() for point in points})
        return fitted(points, *rest)

    monkeypatch.setattr(pca_svm, "fitted", spy)
    training.check(own)
    _, folds = training.outer_folds(own, 0)
    assert len(seen) == len(folds)
    for points, (_, test) in zip(seen, folds, strict=True):
        assert not points & {own.inputs[place].tobytes() for place in test}


def test_people_are_kept_together_where_every_label_has_two() -> None:
    labels = ["left", "right"] * 8
    people = ["ann", "ann", "bob", "bob"] * 4
    for train, test in pca_svm.inner_folds(labels, people, 0):
        assert {people[one] for one in train}.isdisjoint(people[one] for one in test)
    alone = [person if label == "left" else "ann" for person, label in zip(people, labels, strict=True)]
    folds = pca_svm.inner_folds(labels, alone, 0)
    assert len(folds) == pca_svm.FOLDS, "only ann made the right ones: shuffled"
    assert all({"left", "right"} == {labels[one] for one in train} for train, _ in folds)
    assert pca_svm.inner_folds(["left", "right", "right"], None, 0) == []


def test_who_holds_what_matters_and_not_what_they_are_called() -> None:
    """The backend knows clients by number, training people by name: both choose in the same folds."""
    own = movements(recordings(people=4))
    numbers = np.unique(own.groups, return_inverse=True)[1]
    codes = np.unique(own.labels, return_inverse=True)[1]
    by_name, by_number = (pca_svm.inner_folds(*one, 5) for one in ((own.labels, own.groups), (codes, numbers)))
    assert all(np.array_equal(*pair) for one in zip(by_name, by_number, strict=True) for pair in zip(*one, strict=True))


def test_a_file_gives_the_same_decisions_without_scikit_learn(trained: classifier.Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    classifier.save(trained, path)
    movements = [movement(label, np.random.default_rng(number)) for number, label in enumerate(LABELS * 5)]
    np.savez(tmp_path / "movements.npz", *movements)
    program = """
import json, sys
from pathlib import Path
import numpy as np
sys.modules["sklearn"] = None
from bench.gesture import classifier
model = classifier.load(Path(sys.argv[1]))
kept = np.load(sys.argv[2])
print(json.dumps([model.predict(kept[name]) for name in kept.files]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "movements.npz")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [tuple(said) for said in json.loads(done.stdout)] == [trained.predict(one) for one in movements]
    assert classifier.load(path).facts == trained.facts
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


def damaged(kept: bytes) -> dict[str, bytes]:
    def arrays(**changed: object) -> bytes:
        with np.load(io.BytesIO(kept)) as archive:
            every = {name: archive[name] for name in archive.files}
        every.update(changed)
        content = io.BytesIO()
        np.savez(content, **{name: value for name, value in every.items() if value is not None})
        return content.getvalue()

    with np.load(io.BytesIO(kept)) as archive:
        header = json.loads(str(archive["header"]))
        support, counts, scale = archive["support"], archive["support_counts"], archive["scale"]
    plain = io.BytesIO()
    np.save(plain, np.zeros(3))
    middle = len(kept) // 2
    return {
        "empty": b"",
        "cut": kept[:middle],
        "flipped": kept[:middle] + bytes(byte ^ 0xFF for byte in kept[middle : middle + 40]) + kept[middle + 40 :],
        "text": b"hello, I am no model\n",
        "one array": plain.getvalue(),
        "other arrays": arrays(header=None),
        "pickle": arrays(gamma=np.array({"a": 1}, dtype=object)),
        "later": arrays(header=np.array(json.dumps({**header, "schema": "bench.gesture.classifier/9"}))),
        "missing": arrays(support=None),
        "shape": arrays(support=support[:, :-1]),
        "counts": arrays(support_counts=counts + 1),
        "not finite": arrays(scale=scale * np.nan),
        "header": arrays(header=np.array("{")),
        "list": arrays(header=np.array("[]")),
    }


def test_a_damaged_or_foreign_file_is_one_line(trained: classifier.Classifier, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    classifier.save(trained, path)
    for name, content in damaged(path.read_bytes()).items():
        bad = tmp_path / f"{name}.npz"
        bad.write_bytes(content)
        with pytest.raises(UserError) as refused:
            classifier.load(bad)
        told = str(refused.value)
        assert told.startswith(f"--model {bad}: "), name
        assert "\n" not in told, name
    with pytest.raises(UserError, match="there is no such model"):
        classifier.load(tmp_path / "absent.npz")
    with pytest.raises(UserError, match="directory"):
        classifier.load(tmp_path)


def test_what_cannot_be_trained_on_is_told() -> None:
    with pytest.raises(UserError, match="there are none"):
        classifier.train([])
    with pytest.raises(UserError, match="all 12 have the label 'LtoR'"):
        classifier.train(recordings(LABELS[:1]))
    with pytest.raises(UserError, match="label 'LtoR' has 3 recordings"):
        classifier.train(recordings(each=3))
    with pytest.raises(UserError, match="axes 'magnetometer'"):
        classifier.train(recordings(), axes="magnetometer")
    spoilt = recordings()
    spoilt[5].samples[3, 2] = np.nan
    with pytest.raises(UserError, match="recording LtoR-5"):
        classifier.train(spoilt)


def test_the_fewest_that_are_allowed_can_be_trained_on() -> None:
    for people in (0, 2, 4):
        facts = classifier.train(recordings(LABELS[:2], each=training.FEWEST, people=people)).facts
        assert sum(facts["accuracy"]["of"]) == 2 * training.FEWEST


def test_a_person_who_made_only_one_gesture_does_not_stop_training() -> None:
    own = [
        Recording(one.name, one.label, one.samples, person={"LtoR": "a", "RtoL": "b"}[one.label])
        for one in recordings(LABELS[:2])
    ]
    assert classifier.train(own).facts["recordings"] == {"LtoR": 12, "RtoL": 12}
