"""`bench check` as its users call it: in a repository, with a backend and an experiment, of their own."""

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import gittree
from bench.regression import subjects
from tests.conftest import ROOT, Finished

REFERENCE = (ROOT / "backends" / "reference" / "adapter.py").read_text()
SPEC = """
description = "a round that takes long enough to be timed"
[data]
samples = 60
image_size = 16
[model]
name = "mlp"
[federation]
rounds = 4
[training]
batch_size = 5
"""


def adapter(round_s: float, trains: bool = True) -> str:
    """The reference, each of whose rounds takes so many seconds more: enough for a ratio that no noise makes."""
    trained = "        super().round(work, feed)\n" if trains else ""
    return (
        f"{REFERENCE}\n\nclass Adapter(Adapter):\n    def round(self, work, feed):\n        import time\n\n"
        f"        time.sleep({round_s})\n{trained}"
    )


QUICK, SLOW = adapter(0.04), adapter(0.2)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The folder that `bench` runs in, as a repository with one commit: mine.py and my.toml."""
    (tmp_path / "mine.py").write_text(QUICK)
    (tmp_path / "my.toml").write_text(SPEC)
    (tmp_path / ".gitignore").write_text("/runs\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


Bench = Callable[..., Finished]
MINE = ("check", "--backends=./mine.py", "--experiment=./my.toml")
ONE_PAIR = "--budget=1s"


def test_what_is_slower_is_told_so_in_every_form(bench: Bench, repository: Path) -> None:
    (repository / "mine.py").write_text(SLOW)
    done = bench(
        *MINE, "--against=main", "--confidence=60%", "--out=c.json", "--junit=c.xml", "--summary=c.md",
        env={"GITHUB_ACTIONS": "true"},
    )  # fmt: skip
    assert done.code == 1, done.err
    assert "Verdict: slower (exit code 1)" in done.out
    assert re.search(r"::error title=bench check%3A slower::mine, training: a round takes [45]\.\d+x", done.out)
    document = json.loads((repository / "c.json").read_text())
    assert document["against"]["commit"] == git(repository, "rev-parse", "main")
    assert document["subject"]["dirty"]
    assert "1 file changed" in document["subject"]["told"]
    training = document["backends"][0]["phases"][0]
    assert (training["phase"], training["verdict"]) == ("training", "slower")
    assert training["low"] > 1.05
    assert training["pairs"] == len(document["backends"][0]["pairs"])
    assert all(gate["passed"] for gate in document["backends"][0]["gates"])
    failures = ET.parse(repository / "c.xml").getroot().findall(".//testcase[failure]")
    assert [case.get("name") for case in failures] == ["training"]
    assert (repository / "c.md").read_text().startswith("## bench check: slower")
    assert git(repository, "status", "--porcelain", "-uno") == "M mine.py"  # their index is as it was


def test_two_backends_that_are_not_slower_pass(bench: Bench, repository: Path) -> None:
    (repository / "other.py").write_text(QUICK)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "second")
    (repository / "other.py").write_text(adapter(0.01))
    both = ("check", "--backends=./mine.py,./other.py", "--experiment=./my.toml", "--against=HEAD")
    done = bench(*both, "--confidence=60%", "--max-slowdown=50%", "--json")
    assert done.code == 0, done.err
    assert [own["backend"] for own in done.document["backends"]] == ["mine", "other"]
    training = [phase["verdict"] for own in done.document["backends"] for phase in own["phases"][:1]]
    assert training == ["not slower", "not slower"]


def test_a_budget_too_small_is_undecided(bench: Bench, repository: Path) -> None:
    done = bench(*MINE, "--against=HEAD", ONE_PAIR)
    assert done.code == 3, done.err
    assert "identical code is compared" in " ".join(done.out.split())


def test_who_trains_less_has_won_nothing(bench: Bench, repository: Path) -> None:
    (repository / "mine.py").write_text(adapter(0.04, trains=False))
    done = bench(*MINE, "--against=main", ONE_PAIR)
    assert done.code == 1, done.err
    assert "failed: mine, parity: " in " ".join(done.out.split())


def test_who_stops_training_after_what_is_certified_has_won_nothing(bench: Bench, repository: Path) -> None:
    stops = "\n\nclass Adapter(Adapter):\n    def round(self, work, feed):\n        if work.number <= 3:\n"
    (repository / "mine.py").write_text(QUICK + stops + "            super().round(work, feed)\n")
    done = bench(*MINE, "--against=main", ONE_PAIR, "--set=federation.rounds=9", "--json")
    assert done.code == 1, done.err
    gates = {gate["gate"]: gate["passed"] for gate in done.document["backends"][0]["gates"]}
    assert gates == {"parity": True, "accuracy": True, "weights": False}


def test_each_side_runs_in_the_way_that_its_own_probe_chose(bench: Bench, repository: Path) -> None:
    chooses = (
        "\n\nclass Adapter(Adapter):\n    def open(self, job, weights):\n"
        "        assert job.way in (None, 'OWN'), job.way\n        super().open(job, weights)\n\n"
        "    def way(self):\n        return 'OWN', {'OWN': 0.1}\n"
    )
    (repository / "mine.py").write_text(QUICK + chooses.replace("OWN", "old"))
    git(repository, "commit", "-qam", "second")
    (repository / "mine.py").write_text(QUICK + chooses.replace("OWN", "new"))
    done = bench(*MINE, "--against=main", ONE_PAIR)
    assert done.code == 3, done.err


def test_a_failed_check_stays_one_where_its_history_keeps_nothing(bench: Bench, repository: Path) -> None:
    (repository / "mine.py").write_text(adapter(0.04, trains=False))
    done = bench(*MINE, "--against=main", ONE_PAIR, "--history=h.sqlite")
    assert (done.code, "nothing was kept: " in done.err) == (1, True), done.err
    empty = bench("history", "list", "--database=h.sqlite")
    assert (empty.code, "this history holds no results yet" in empty.err) == (2, True), empty.err


def test_two_files_of_one_name_are_refused(bench: Bench, repository: Path) -> None:
    (repository / "other").mkdir()
    (repository / "other" / "mine.py").write_text(SLOW)
    done = bench("check", "--against=main", "--experiment=./my.toml", "--backends=./mine.py,./other/mine.py")
    assert (done.code, "are both called mine" in done.err) == (2, True)


def test_what_it_needs_is_the_bases_own(bench: Bench, repository: Path) -> None:
    needing = REFERENCE.replace("# environment", f'# needs = ["{repository.name}/pause.py"]\n# environment', 1)
    pausing = (
        adapter(0.0)
        .partition(REFERENCE)[2]
        .replace("import time", f"import time\n        from {repository.name} import pause")
    )
    (repository / "mine.py").write_text(needing + pausing.replace("sleep(0.0)", "sleep(pause.SECONDS)"))
    (repository / "pause.py").write_text("SECONDS = 0.4\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "with a pause")
    (repository / "pause.py").write_text("SECONDS = 0.04\n")
    done = bench(*MINE, "--against=main", ONE_PAIR, "--json")
    assert done.code == 3, done.err
    assert done.document["backends"][0]["phases"][0]["ratio"] < 0.7


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--against=nowhere",), "--against nowhere: no such commit, run folder or file"),
        (("--backends=./mine.py",), "without --against, name two versions of one backend"),
        (("--backends=torch,reference",), "without --against, two versions of one backend are compared"),
        (("--against=main", "--max-slowdown=fast"), "--max-slowdown fast: must be a share such as 5% or 0.05"),
        (("--against=main", "--confidence=100%"), "--confidence 100%: must be at least 50% and below 100%"),
        (("--against=main", "--budget=soon"), "--budget soon: must be a time such as 90s, 10m or 1h"),
        (("--against=main", "--undecided=maybe"), "--undecided maybe: must be pass or fail"),
        (("--against=main", "--junit=no/such/c.xml"), "--junit no/such/c.xml: there is no folder no/such"),
        (("--against=main", "--experiment=deck-gap"), "deck-gap has 4 cells; a check takes one"),
        (("--against=main", "--set=federation.clients=[2,3]"), "my has 2 cells; a check takes one"),
        (("--against=my.toml",), "--against my.toml: not a result that can be read"),
    ],
)
def test_bad_input_is_one_line(bench: Bench, repository: Path, arguments: tuple[str, ...], told: str) -> None:
    given = {argument.partition("=")[0] for argument in arguments}
    mine = [argument for argument in MINE[1:] if argument.partition("=")[0] not in given]
    done = bench("check", *mine, *arguments)
    assert done.code == 2
    assert done.err.strip().splitlines()[-1].startswith(f"bench: {told}"), done.err


def test_a_base_that_cant_be_had_is_one_line(bench: Bench, repository: Path) -> None:
    git(repository, "rm", "-q", "--cached", "mine.py")
    git(repository, "commit", "-q", "-m", "without")
    done = bench(*MINE, "--against=HEAD", ONE_PAIR)
    assert (done.code, "mine.py is not in that commit" in done.err) == (2, True)
    (repository / "mine.py").write_text(QUICK.replace("import numpy as np", "import no_such_module", 1))
    git(repository, "add", "mine.py")
    git(repository, "commit", "-q", "-m", "broken")
    (repository / "mine.py").write_text(QUICK)
    done = bench(*MINE, "--against=HEAD", ONE_PAIR)
    assert done.code == 2
    told = re.search(r"bench: mine \(base\) was not measured: .*no_such_module.*log: (.*)\)", done.err)
    assert told, done.err
    assert Path(told[1]).is_file()


def test_what_is_installed_in_the_repository_is_not_of_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = gittree.around(repository)
    installed = repository / ".venv" / "lib" / "adapter.py"
    assert subjects._moved(installed, tree, repository / "base") == repository / "base" / ".venv" / "lib" / "adapter.py"
    monkeypatch.setattr("sys.prefix", str(repository / ".venv"))
    assert subjects._moved(installed, tree, repository / "base") == installed
    assert subjects._moved(repository / "mine.py", tree, repository / "base") == repository / "base" / "mine.py"


def test_another_experiment_is_refused(bench: Bench, repository: Path) -> None:
    (repository / "my.toml").write_text(SPEC.replace("batch_size = 5", "batch_size = 6"))
    done = bench(*MINE, "--against=main", ONE_PAIR)
    assert done.code == 2
    assert "base and head don't compute the same: they differ in batches" in done.err
    (repository / "my.toml").write_text(SPEC + "lr = 0.5\n")
    done = bench(*MINE, "--against=main", ONE_PAIR)
    assert done.code == 2
    assert "training.lr is 0.01 in base and 0.5 in head" in done.err


def test_a_folder_outside_of_git_is_told(bench: Bench, tmp_path: Path) -> None:
    done = bench("check", "--against=main", ONE_PAIR, env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert done.code == 2
    assert "this folder is in no git repository" in done.err


def test_against_what_was_measured_before(bench: Bench, repository: Path) -> None:
    ran = bench("run", "my.toml", "--backends=./mine.py", "--repeats=4", "--json")
    assert ran.code == 0, ran.err
    (folder,) = (repository / "runs").iterdir()
    (repository / "mine.py").write_text(SLOW)
    done = bench(*MINE, f"--against={folder}", "--confidence=60%", "--out=c.json")
    assert done.code == 1, done.err
    assert "The base was measured at another time: times are divided by" in " ".join(done.out.split())
    document = json.loads((repository / "c.json").read_text())
    assert (document["against"]["kind"], document["evaluate_every"]) == ("run", 1)
    assert len(document["backends"][0]["processes"]["base"]) == 4
    (repository / "mine.py").write_text(QUICK)
    done = bench(*MINE, "--against=c.json", "--confidence=60%", "--json")  # quicker than what c.json holds
    assert done.code == 0, done.err
    assert done.document["backends"][0]["phases"][0]["high"] < 1

    other = bench(*MINE, f"--against={folder}", "--set=federation.clients=2")
    assert other.code == 2
    assert "doesn't compute what is checked: they differ in partition" in other.err
    document["backends"][0]["processes"]["head"] = "none"
    (repository / "c.json").write_text(json.dumps(document)[:-30])
    assert bench(*MINE, "--against=c.json").code == 2
    (repository / "c.json").write_text(json.dumps(document | {"schema": "bench.check/9"}))
    assert (
        "schema 'bench.check/9'; it must be bench.comparison/1 or bench.check/1" in bench(*MINE, "--against=c.json").err
    )
    (folder / "record.json").unlink()
    assert "missing, torn or altered" in bench(*MINE, f"--against={folder}").err


def test_the_check_tests_itself(bench: Bench, repository: Path) -> None:
    done = bench(*MINE, "--self-test", "--self-test-time=1s", "--trials=100", "--out=s.json")
    assert done.code == 0, done.err
    assert "Self-test" in done.out
    found = json.loads((repository / "s.json").read_text())
    pairs = {own["slowed"]: own["pairs"] for own in found["pairs"]}
    assert list(pairs) == [0.0, 0.05, 0.1]
    assert all(pairs.values())
    asked = {(own["told"], own["max_slowdown"]) for own in found["outcomes"] if own["phase"] == "training"}
    assert asked == {("the same", 0.0), ("the same", 0.05), ("slowed by 5 %", 0.0), ("slowed by 10 %", 0.05)}
    assert all(own["resampled"]["trials"] == 100 for own in found["outcomes"])
