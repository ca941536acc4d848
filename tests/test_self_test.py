"""What a self-test of the check keeps when it is ended before its time."""

from types import SimpleNamespace

import pytest

from bench.errors import UserError
from bench.regression import selftest

FAILED = UserError("torch (head) was not measured: killed")


class Said(list):
    def progress(self, what, done, total):
        pass

    def say(self, text):
        self.append(text)


@pytest.fixture
def record(monkeypatch):
    """`selftest.record` whose pairs are what it is given, each raised where it is an error."""
    monkeypatch.setattr(selftest.runner, "contender", lambda *_: None)
    monkeypatch.setattr(selftest.runner, "certify", lambda *_: None)
    monkeypatch.setattr(selftest.jobs, "tasks", lambda *_: [SimpleNamespace(repeats=[None])])

    def call(*pairs, texts=list):
        left = iter(pairs)

        def run(*_):
            pair = next(left)
            if isinstance(pair, BaseException):
                raise pair
            return pair

        monkeypatch.setattr(selftest.pairing, "run", run)
        subject = SimpleNamespace(contests=[SimpleNamespace(label="torch", head=None)], head=None, texts=texts)
        said = Said()
        return selftest.record(subject, 60.0, said), said

    return call


@pytest.mark.parametrize(("error", "told"), [(FAILED, "killed"), (KeyboardInterrupt(), "interrupted")])
def test_pairs_until_then_stand(record, error, told):
    recorded, said = record({"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}, error)
    assert recorded.pairs == {0.0: [{"n": 1}, {"n": 4}], 0.05: [{"n": 2}], 0.1: [{"n": 3}]}
    (line,) = said
    assert "4 pairs" in line and told in line


@pytest.mark.parametrize(("error", "kind"), [(FAILED, UserError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_without_a_pair_of_every_series_there_is_nothing_to_judge(record, error, kind):
    with pytest.raises(kind):
        record({"n": 1}, {"n": 2}, error)


def test_the_log_that_is_named_is_kept(record, monkeypatch, tmp_path):
    monkeypatch.setattr(selftest.folders.tempfile, "mkdtemp", lambda **_: str(tmp_path))
    _, said = record({}, {}, {}, UserError(f"torch (head) was not measured: see {tmp_path}/pair/stderr.log"))
    assert str(tmp_path) in said[0] and tmp_path.exists()
    (tmp_path / selftest.folders.KEPT).unlink()
    record({}, {}, {}, FAILED)
    assert not tmp_path.exists()


def test_a_pair_of_changed_files_does_not_count(record):
    texts = iter([["before"]] * 5 + [["after"]])
    recorded, said = record(*({"n": number} for number in range(1, 9)), texts=lambda: next(texts))
    assert sum(map(len, recorded.pairs.values())) == 4
    assert "changed" in said[0]
