"""An interrupted preparation goes on where it stopped, and ends with the same bytes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import plugins, spec
from bench.data import preparing
from bench.data.decoding import read
from tests import pictures
from tests.conftest import refused
from tests.test_data import prepare


def forms(folder: Path) -> dict[str, bytes]:
    """Every file but the manifest and the list of images, which tell where the source lies."""
    told = {"manifest.json", "images.json"}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in told)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def killed_after(films: Path, home: Path, count: int) -> None:
    """Prepare in a process of its own, which kills itself (as a power cut would) once it has read `count` images."""
    code = (
        "import os, signal, sys; from bench.data import preparing; from bench.data.decoding import read as real\n"
        "done = 0\n"
        "def read(entry, shape):\n"
        "    global done\n"
        f"    if done == {count}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    done += 1\n"
        "    return real(entry, shape)\n"
        "preparing.read = read\n"
        "sys.argv[1:] = ['data', 'prepare', 'xray', '--source', os.environ['FILMS'], '--size', '8']\n"
        "from bench import machine; machine.cores = lambda: 1\n"
        "from bench.cli import main; main()"
    )
    env = {**os.environ, "FILMS": str(films), "FEDBENCH_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=films, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_preparation_that_was_killed_goes_on_to_identical_bytes(bench_data, tmp_path):
    films = pictures.class_folders(tmp_path / "films", [f"{number:02d}.png" for number in range(30)])
    killed_after(films, bench_data.home, 40)
    (part,) = (bench_data.home / "data").iterdir()
    assert part.name.startswith(".xray-")
    assert part.name.endswith(".part")
    assert len((part / "log.jsonl").read_text().splitlines()) >= 40 - 16  # those in flight are lost
    done = bench_data("prepare", films)
    assert done.code == 0
    other = type(bench_data)(bench_data.bench, tmp_path / "other")
    assert forms(bench_data.folder(done)) == forms(bench_data.folder(other("prepare", films)))
    assert [path.name for path in (bench_data.home / "data").iterdir()] == [bench_data.folder(done).name]


@pytest.fixture
def stopped(home, films, monkeypatch):
    """A preparation that was interrupted when everything was decoded but nothing packed: its folder."""

    def stop(*anything):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "split", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare("xray", f"data.source={films}", "data.image_size=8")
    (part,) = (home / "data").iterdir()
    return part


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The names of the samples that are decoded, as they are."""
    names = []

    def count(entry, shape):
        names.append(entry.sample.name)
        return read(entry, shape)

    monkeypatch.setattr(preparing, "read", count)
    return names


def test_nothing_is_decoded_twice(stopped, reads, films):
    prepare("xray", f"data.source={films}", "data.image_size=8")
    assert reads == []


@pytest.mark.parametrize(
    ("harm", "again"),
    [
        (lambda part: (part / "npy" / "000003.npy").unlink(), ["dark/film 3.png"]),
        (lambda part: (part / "npy" / "000003.npy").write_bytes(b""), ["dark/film 3.png"]),
        (lambda part: flip(part / "npy" / "000003.npy"), ["dark/film 3.png"]),
        (lambda part: os.truncate(part / "log.jsonl", (part / "log.jsonl").stat().st_size - 9), ["light/film 5.png"]),
        (lambda part: (part / "log.jsonl").unlink(), None),
        (lambda part: (part / "log.jsonl").write_bytes(bytes(3000)), None),
    ],
    ids=["array gone", "array empty", "array altered", "last line torn", "log gone", "log zeroed by a power cut"],
)
def test_what_an_interruption_damaged_is_decoded_again_and_only_that(
    stopped, reads, films, tmp_path, monkeypatch, harm, again
):
    harm(stopped)
    prepared = prepare("xray", f"data.source={films}", "data.image_size=8")
    if again is None:
        assert len(reads) == 12
    else:
        assert reads == again
    monkeypatch.setenv("FEDBENCH_HOME", str(tmp_path / "other"))
    assert forms(prepared.folder) == forms(prepare("xray", f"data.source={films}", "data.image_size=8").folder)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_after_a_torn_line_the_log_goes_on(stopped, reads, films, monkeypatch):
    """Interrupted, torn, interrupted again: what was done the second time isn't lost in the torn line."""
    log = stopped / "log.jsonl"
    os.truncate(log, log.stat().st_size - 9)

    def stop(*anything):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "split", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare("xray", f"data.source={films}", "data.image_size=8")
    assert len(reads) == 1
    prepare("xray", f"data.source={films}", "data.image_size=8")
    assert len(reads) == 1


def test_the_second_of_two_at_once_waits_and_says_so(stopped, home, films):
    """The first holds the folder's lock for a while, as a preparation does."""
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(stopped / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    told = []

    def report(what, done, total):
        told.append(what)
        if what.startswith("waiting"):
            holder.stdin.close()
            holder.wait()

    own = spec.build({}, ["data.dataset=xray", f"data.source={films}", "data.image_size=8"]).cells[0].spec
    module = plugins.load_module(plugins.find("datasets", "xray"))
    preparing.prepare(module, "xray", own.data, own.seed, report)
    assert told[0] == "waiting: another bench prepares xray"


def test_a_refused_preparation_leaves_nothing(bench_data, films):
    (films / "dark" / "film 0.png").write_bytes(b"")
    refused(bench_data("prepare", films), "film 0.png is empty")
    assert list((bench_data.home / "data").iterdir()) == []


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 5), max_size=4), st.sets(st.integers(6, 11), max_size=4))
def test_numbers_may_have_holes_but_paths_are_in_the_order_of_samples(tmp_path_factory, dark, light):
    films = pictures.class_folders(tmp_path_factory.mktemp("films") / "own", [f"{n:02d}.png" for n in range(6)])
    paths = sorted(films.rglob("*.png"))
    spoiled = {paths[index] for index in dark | light}
    for path in spoiled:
        path.write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDBENCH_HOME", str(films.parent / "home"))
        prepared = prepare(
            "xray", f"data.source={films}", "data.image_size=12", "data.channels=1", "data.skip_bad=true"
        )
    packed = np.load(prepared.folder / "packed.npy")
    arrays = [np.load(prepared.folder / name) for name in json.loads((prepared.folder / "npy.json").read_text())]
    assert np.array_equal(packed, np.stack(arrays))
    good = [path for path in paths if path not in spoiled]
    assert json.loads((prepared.folder / "images.json").read_text()) == [str(path.resolve()) for path in good]
