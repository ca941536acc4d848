"""What several test modules share: the command line as a user calls it, tiny specs, and the machine among processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import hypothesis
import numpy as np
import pytest

collect_ignore = ["benchmarks"]  # asked for by their path: python -m pytest tests/benchmarks

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
LONGEST = ("test_conformance.py", "test_end_to_end.py")
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()

os.environ["FEDBENCH_SPEEDS"] = "/dev/null/none"  # fakes' speeds say nothing of this machine
# Threads that spin while they wait make torch up to 70 times slower where something else wants the core.
os.environ |= {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}

hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")  # how long an example takes says how busy the machine is


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several processes of tests cores of its own, as if each were alone on a smaller machine.

    What a test starts has as many threads as it sees cores, and neither waits for the others nor slows their clocks.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs, and theirs, ignore
    own = getattr(config, "workerinput", None)  # pytest-xdist's
    if own and CORES:
        number, count = int(own["workerid"].removeprefix("gw")), own["workercount"]
        os.sched_setaffinity(0, sorted(CORES)[number % count :: count] or CORES)


def pytest_sessionstart() -> None:
    """What a test starts may be a pytest of its own, whose benchmarks pytest-xdist has nothing to do with."""
    os.environ.pop("PYTEST_XDIST_WORKER", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes begins first where there are several processes, lest one is left with it at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.name not in LONGEST)


def skip_without_its_python(told: str) -> None:
    """PySyft's generations need Pythons that not every machine has, nor can fetch."""
    lines = [line for line in told.splitlines() if "which is not to be had" in line]
    if lines:
        pytest.skip(lines[0])


@contextmanager
def every_core() -> Iterator[None]:
    """All cores for what is started within, which may then be slowed by what runs beside it."""
    if not CORES:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


TINY = (
    "data.samples=30",
    "data.image_size=8",
    "model.name=mlp",
    "federation.rounds=3",
    "training.batch_size=5",
    "timing.repeats=1",
)


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Finished]:
    """Run the command line in an empty folder; `tiny` adds settings that make a run last seconds."""

    def call(*arguments: str, tiny: bool = False, env: dict[str, str] | None = None) -> Finished:
        settings = [f"--set={setting}" for setting in TINY] if tiny else []
        done = subprocess.run(
            [sys.executable, "-m", "bench.cli", *arguments[:1], *settings, *arguments[1:]],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert "Traceback" not in done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A source folder: two classes of six small PNG files."""
    folder = tmp_path / "films"
    stream = np.random.RandomState(0)
    for label in ("dark", "light"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            image = stream.randint(0, 120, (12, 12), np.uint8) + (100 if label == "light" else 0)
            cv2.imwrite(str(folder / label / f"film {number}.png"), image)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, for what it calls in this process."""
    monkeypatch.setenv("FEDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FEDBENCH_SPEEDS", raising=False)
    return tmp_path / "home"


@dataclass(frozen=True)
class BenchData:
    """`bench data VERB NAME` as a user calls it, with a cache of its own."""

    bench: Callable[..., Finished]
    home: Path

    def __call__(self, verb: str, source: Path | str, *more: str, name: str = "xray") -> Finished:
        arguments = ("data", verb, name, "--source", str(source), "--size", "8", *more)
        return self.bench(*arguments, env={"FEDBENCH_HOME": str(self.home)})

    @staticmethod
    def folder(finished: Finished) -> Path:
        """The prepared data set that `bench data prepare` told."""
        return Path(finished.out.splitlines()[-1])


@pytest.fixture
def bench_data(bench: Callable[..., Finished], tmp_path: Path) -> BenchData:
    """Run `bench data` in an empty folder."""
    return BenchData(bench, tmp_path / "home")


def refused(finished: Finished, *told: str) -> None:
    """Bad input: exit code 2 and one line, the last, that holds all of `told`."""
    assert finished.code == 2, finished.err
    lines = finished.err.splitlines()
    assert [line for line in lines if line.startswith("bench: ")] == lines[-1:], finished.err
    for text in told:
        assert text in lines[-1]
