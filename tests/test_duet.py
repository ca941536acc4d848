"""Duet: owner, scientist and signalling server, on this machine only; what is open, what is refused, what is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from bench import duet, duet_commands, duet_data, duet_stage, environments, plugins, trust
from bench.duet_stage import Played, Settings
from bench.environments import Environment
from bench.errors import UserError
from tests.conftest import ROOT, Finished, refused

SCRIPTS = ROOT / "backends" / "_duet"
UP = (
    "import fcntl, os, socket, struct, sys;"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x41));"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
ALONE = ["unshare", "-rn", sys.executable, "-c", UP]  # a network of its own, in which there is only loopback


def start(*arguments: str, alone: bool = False, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    command = [*(ALONE if alone else [sys.executable]), "-m", "bench.cli", "duet", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str]) -> Finished:
    out, err = process.communicate(timeout=150)
    assert "Traceback" not in err
    return Finished(process.returncode, out, err)


def outcomes(document: dict) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in document["steps"]}


def can_be_alone() -> bool:
    try:
        return subprocess.run([*ALONE, "-c", "pass"], capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module")
def alone() -> bool:
    return can_be_alone()


@pytest.fixture(scope="module")
def built() -> None:
    """PySyft's environments, built while there is a network: the first test to need one plays where there is none."""
    for name in ("syft-0.5", "syft-0.2", "syft-0.9"):
        try:
            environments.ensure(plugins.find("backends", name), report=lambda text: None)
        except environments.NoInterpreter as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def mended(alone: bool, built: None) -> Finished:
    """The study's example, in a network where there is nobody else wherever the system lets us make one."""
    return finish(start("--json", alone=alone))


@pytest.fixture(scope="module")
def at_once(mended: Finished) -> tuple[Finished, Finished]:
    """Two pairs at the same time: one as published, one in which the owner says no."""
    pairs = start("--json", "--as-published"), start("--json", "--decide=deny")
    first, second = map(finish, pairs)
    return first, second


def test_the_scientist_gets_the_mean_and_not_the_ages(mended):
    assert mended.code == 0, mended.err
    document = mended.document
    assert (document["schema"], document["status"], document["mended"]) == ("bench.duet/1", "done", True)
    assert document["result"]["mean"] == pytest.approx(np.mean(duet_data.AGES))
    assert (document["result"]["raw_open_before"], document["result"]["raw_open_after"]) == (False, False)
    assert outcomes(document)["raw before"] == outcomes(document)["raw after"] == "refused"
    assert outcomes(document)["decide"] == outcomes(document)["request"] == "accepted"
    assert {step["side"] for step in document["steps"]} == {"signalling", "owner", "scientist"}
    assert all(step["seconds"] >= 0 for step in document["steps"])
    assert document["versions"]["syft"] == "0.5.0"
    assert all(document["versions"][name] for name in ("torch", "python"))
    assert "owner" in mended.err
    assert "asks for ages.mean, 1 number" in mended.err


def test_no_outside_host_is_needed(mended, alone):
    if not alone:
        pytest.skip("this system lets no user make a network of their own")
    assert mended.code == 0, mended.err


def test_as_published_the_approval_of_the_mean_opens_the_raw_tensor(at_once):
    published, _ = at_once
    assert published.code == 0, published.err
    document = published.document
    assert document["mended"] is False
    assert (document["result"]["raw_open_before"], document["result"]["raw_open_after"]) == (False, True)
    assert "raw data again: OPEN, all 6 values are here" in published.err


def test_a_denied_request_ends_with_a_refusal(at_once):
    _, denied = at_once
    assert denied.code == 0, denied.err
    document = denied.document
    result = document["result"]
    assert (result["decided"], result["request"], result["mean"]) == ("denied", "denied", None)
    assert (result["raw_open_before"], result["raw_open_after"]) == (False, False)
    assert outcomes(document)["get the result"] == "refused"


def test_a_handler_answers_by_itself_and_a_file_is_published(tmp_path, built):
    heights = tmp_path / "heights.csv"
    heights.write_text("name,height\na,1.5\nb,1.7\n")
    finished = finish(start("--json", "--decide=handler", f"--data={heights}", "--column=height"))
    assert finished.code == 0, finished.err
    assert finished.document["result"]["mean"] == pytest.approx(1.6)
    assert finished.document["data"] == {"tag": "heights", "numbers": 2, "source": "heights.csv"}
    assert "by the handler" in finished.err


@contextmanager
def pair(port: int) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[str]]]:
    """An owner who asks at a terminal that nobody sits at yet, and a scientist."""
    owner = start("owner", "--json", "--decide=ask", f"--port={port}", stdin=subprocess.PIPE)
    sides = [owner]
    try:
        wait_until(lambda: owner.poll() is not None or child(owner, "owner.py") is not None)
        if owner.poll() is not None:
            finish(owner)
        sides.append(start("scientist", "--json", "--name=Ada", "--reason=the paper", f"--port={port}"))
        yield owner, sides[1]
    finally:
        for side in sides:
            side.kill()
            side.wait()


def child(process: subprocess.Popen[str], script: str) -> psutil.Process | None:
    try:
        found = psutil.Process(process.pid).children()
        return next((one for one in found if any(part.endswith(script) for part in one.cmdline())), None)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return None


def wait_until(condition, seconds: float = 100.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def until_asked(owner: subprocess.Popen[str]) -> str:
    assert owner.stderr is not None
    told = ""
    for line in owner.stderr:
        told += line
        if "Accept?" in line:
            return told
    raise AssertionError(told)


def free_port() -> int:
    with duet.listening("127.0.0.1", 0) as server:
        return server.getsockname()[1]


def test_the_sides_apart_and_a_person_who_says_yes(mended):
    with pair(free_port()) as (owner, scientist):
        assert "Ada (key " in (told := until_asked(owner))
        assert "because: the paper" in told
        second = finish(start("scientist", *scientist.args[-1:]))
        assert (second.code, second.err.splitlines()[-1]) == (
            1,
            "bench: the scientist: another scientist is there already",
        )
        assert owner.stdin is not None
        owner.stdin.write("y\n")
        owner.stdin.flush()
        theirs, ours = finish(scientist), finish(owner)
    assert (theirs.code, ours.code) == (0, 0), theirs.err + ours.err
    assert theirs.document["result"]["request"] == "accepted"
    assert theirs.document["result"]["raw_open_after"] is False
    assert outcomes(ours.document)["decide"] == "accepted"


def test_an_owner_that_is_killed_is_noticed(mended):
    with pair(free_port()) as (owner, scientist):
        until_asked(owner)
        victim = child(owner, "owner.py")
        assert victim is not None
        victim.kill()
        theirs, ours = finish(scientist), finish(owner)
    assert (theirs.code, ours.code) == (1, 1)
    assert theirs.err.splitlines()[-1] == "bench: the scientist: the owner is gone"
    assert ours.err.splitlines()[-1].startswith("bench: the owner was killed by SIGKILL")
    assert theirs.document["status"] == "failed"


def test_a_scientist_that_is_killed_is_noticed(mended):
    with pair(free_port()) as (owner, scientist):
        until_asked(owner)
        victim = child(scientist, "scientist.py")
        assert victim is not None
        victim.kill()
        theirs, ours = finish(scientist), finish(owner)
    assert (theirs.code, ours.code) == (1, 1)
    assert theirs.err.splitlines()[-1].startswith("bench: the scientist was killed by SIGKILL")
    assert ours.err.splitlines()[-1] == "bench: the owner: the scientist is gone without a goodbye"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(mended, how):
    process = start()
    wait_until(lambda: process.poll() is not None or child(process, "scientist.py") is not None)
    children = psutil.Process(process.pid).children()
    assert len(children) == 3
    process.send_signal(how)
    _, told = process.communicate(timeout=30)
    assert "Traceback" not in told
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    psutil.wait_procs(children, timeout=30)
    assert not [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


GUARDED = """
import socket, sys
sys.path.insert(0, {scripts!r})
import loopback
loopback.guard({exposed})
def tried(call, *arguments):
    try:
        call(*arguments)
    except loopback.Outside as error:
        return "refused"
    except OSError:
        return "let through"
    return "let through"
tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp.setblocking(False)
print(tried(tcp.connect, ("192.0.2.1", 9)), tried(udp.sendto, b"", ("192.0.2.1", 9)), tried(udp.bind, ("0.0.0.0", 0)),
      tried(socket.getaddrinfo, "stun.example.org", 19302), tried(socket.gethostbyname, "example.org"),
      tried(socket.create_server, ("127.0.0.1", 0)), tried(udp.sendto, b"", ("127.0.0.1", 9)), sep=",")
"""


@pytest.mark.parametrize("exposed, expected", [(False, ["refused"] * 5), (True, ["let through"] * 3 + ["refused"] * 2)])
def test_the_guard_lets_no_socket_beyond_loopback(exposed, expected):
    code = GUARDED.format(scripts=str(SCRIPTS), exposed=exposed)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().split(",") == [*expected, "let through", "let through"]


def test_every_process_installs_the_guard_before_it_imports_syft():
    for side in ("signalling", "owner", "scientist"):
        text = (SCRIPTS / f"{side}.py").read_text()
        assert text.index("loopback.guard(") < text.index("import syft")


BAD_FILES = {
    "missing.csv": (None, "no such file"),
    "words.csv": ("age\n34\nold\n", "line 3: 'old' is not a number"),
    "nan.csv": ("34\nnan\n", "line 2: nan is not finite"),
    "infinite.csv": ("age\ninf\n", "is not finite"),
    "empty.csv": ("", "holds no numbers"),
    "header.csv": ("age\n", "holds no numbers"),
    "wide.csv": ("age,height\n3,4\n", "has 2 columns"),
    "ages.txt": ("34\n", "must be a .csv or .npy file"),
    "text.npy": ("34\n", "not a .npy file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_data_is_refused_before_anything_is_started(bench, tmp_path, name):
    content, told = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_text(content)
    elsewhere = {"FEDBENCH_HOME": str(tmp_path / "home")}
    refused(bench("duet", f"--data={name}", env=elsewhere), f"--data {name}: ", told)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("array, told", [([[1.0]], "one dimension"), ([np.nan], "number 0 is nan"), ([], "no numbers")])
def test_bad_arrays_are_refused(tmp_path, array, told):
    path = tmp_path / "ages.npy"
    np.save(path, np.array(array))
    with pytest.raises(UserError, match=told):
        duet_data.read(path, None)


def test_a_port_that_is_taken_is_refused(bench):
    with duet.listening("127.0.0.1", 0) as server:
        port = str(server.getsockname()[1])
        refused(bench("duet", "owner", "--decide=deny", "--port", port), port, "in use", "--port")
        refused(bench("duet", "--port", port), port, "in use")
    refused(bench("duet", "scientist", "--port", port), f"port {port}", "bench duet owner")


@pytest.mark.parametrize("side", ["owner", "scientist"])
def test_a_host_that_is_not_loopback_is_refused(bench, side):
    decide = ["--decide=deny"] if side == "owner" else []
    refused(bench("duet", side, "--host=192.0.2.1", *decide), "--host 192.0.2.1", "--expose-unmaintained-software")
    refused(bench("duet", side, "--host=example.org", *decide), "names aren't looked up")


def test_an_owner_without_a_terminal_has_to_say_how_it_decides(bench):
    refused(bench("duet", "owner"), "--decide", "no terminal")


def test_an_environment_that_cannot_be_built_is_one_line(monkeypatch):
    def fail(*arguments: object, **named: object) -> None:
        raise environments.NoInterpreter("syft-0.5 needs Python 3.8, which is not to be had: install CPython 3.8")

    monkeypatch.setattr(environments, "ensure", fail)
    result = CliRunner().invoke(duet_commands.app, [])
    assert result.exit_code == duet_commands.UNAVAILABLE
    assert result.stderr.strip() == "bench: syft-0.5 needs Python 3.8, which is not to be had: install CPython 3.8"


class Silent:
    """A display that shows nothing."""

    def __getattr__(self, name: str):
        return lambda *arguments: None


FAKE = """
import json, os, sys, time
settings = json.loads(sys.stdin.readline())
def say(event, **told):
    print(json.dumps(dict(told, event=event)), flush=True)
"""
FAKES = {
    "crash": ("import no_such_module", "the scientist ended with exit code 1: ModuleNotFoundError"),
    "failed": ("say('failed', reason='out of cheese'); sys.exit(1)", "the scientist: out of cheese"),
    "quits": ("sys.exit(0)", "raw before: not reached, where refused was expected"),
    "silent": ("time.sleep(60)", "the owner said nothing for 1 s"),
}


@pytest.mark.parametrize("fault", FAKES)
def test_a_side_that_fails_is_told_in_one_line(tmp_path, monkeypatch, fault):
    code, told = FAKES[fault]
    (tmp_path / "signalling.py").write_text(f"{FAKE}time.sleep(60)")
    (tmp_path / "owner.py").write_text(FAKE + ("sys.exit(0)" if fault == "quits" else "time.sleep(60)"))
    (tmp_path / "scientist.py").write_text(FAKE + code)
    monkeypatch.setattr(duet_stage, "scripts", lambda: tmp_path)
    monkeypatch.setattr(duet_stage, "PARTING_S", 0.5)
    monkeypatch.setattr(duet, "SILENCE_S", 0.5)
    python = Environment("fake", Path(sys.executable), None, False, None, None, None, {}, "")
    before = running()
    played = duet.both(python, Settings(wait_s=0.5), Silent())
    assert played.problems[0].startswith(told)
    assert running() == before


def running() -> set[psutil.Process]:
    """This process' children: whatever other tests have left, and their own."""
    return {one for one in psutil.Process(os.getpid()).children() if one.status() != psutil.STATUS_ZOMBIE}


def test_a_repeated_step_has_its_median_and_interval():
    repeats = [Played([{"side": "owner", "step": "decide", "seconds": seconds}]) for seconds in (1.0, 3.0, 2.0)]
    (row,) = duet.latencies(repeats)
    assert (row["side"], row["step"], row["median"], row["low"], row["high"]) == ("owner", "decide", 2.0, 1.0, 3.0)
    assert duet.median_interval([1.0]) == {"median": 1.0, "low": None, "high": None}


def test_what_went_otherwise_than_told_is_a_problem():
    steps = {"raw before": "refused", "request": "accepted", "get the result": "done", "raw after": "open"}
    played = Played([{"step": name, "outcome": outcome} for name, outcome in steps.items()])
    assert duet.not_as_told(played, Settings()) == ["raw after: open, where refused was expected"]
    assert not duet.not_as_told(played, Settings(is_mended=False))
    assert json.dumps(played.steps)


def answers(document: dict, variant: str) -> dict[str, str]:
    row = next(row for row in document["rows"] if row["variant"] == variant)
    return {question: own["answer"] for question, own in row["answers"].items()}


def test_the_trust_report_tells_what_approval_opens(built):
    finished = finish(start("trust", "--json"))
    assert finished.code == 0, finished.err
    document = finished.document
    assert document["schema"] == "bench.trust/1"
    closed = dict.fromkeys(("before", "denied", "derived", "left"), "closed")
    assert answers(document, "Duet, as published") == closed | {"derived": "open"}
    assert answers(document, "Duet, mended") == closed
    roundabout = answers(document, "Duet, mended, by a roundabout way")
    assert roundabout == dict.fromkeys(("before", "denied", "derived"), "open") | {"left": "closed"}
    assert answers(document, "a plain tensor sent to a VirtualWorker")["before"] == "open"
    private = answers(document, "a private tensor")
    assert (private["before"], private["derived"]) == ("closed", "closed")
    assert answers(document, "a private tensor, by a roundabout way")["before"] == "open"
    assert answers(document, "a datasite's asset") == closed
    assert answers(document, "a datasite's asset, the site a process of its own") == closed


TOLD = {"variant": "plain", "question": "before", "answer": "open", "detail": "given away"}
PROBES = {
    f"print({json.dumps(TOLD)!r})": "done",
    "print('no answer')": "failed",
    "raise SystemExit('out of cheese')": "failed",
}


@pytest.mark.parametrize("code", PROBES)
def test_a_generations_own_probe_is_run(tmp_path, monkeypatch, code):
    (tmp_path / "_trust").mkdir()
    (tmp_path / "_trust" / "virtual_worker.py").write_text(code)
    own = Environment("fake", Path(sys.executable), None, False, "syft", "0.2.9", None, {}, "")
    told = plugins.Header(trust="_trust/virtual_worker.py")
    plugin = plugins.Plugin("backends", "syft-0.2", tmp_path / "syft-0.2" / "adapter.py", told)
    monkeypatch.setattr(plugins, "find", lambda kind, name: plugin)
    monkeypatch.setattr(environments, "ensure", lambda plugin, report: own)
    found = list(trust.rows(["syft-0.2"], Silent()))
    assert [row.status for row in found] == [PROBES[code]]
    table = trust.table(found)
    if found[0].status == "done":
        assert table.rows[0] == ("PySyft 0.2.9", "plain", "open", "-", "-", "-")
        assert "PySyft 0.2.9 (plain): given away" in table.notes
    else:
        assert table.notes[0].startswith("PySyft 0.2.9 failed: virtual_worker.py ")


def test_a_generation_without_its_environment_is_skipped_with_the_reason(monkeypatch):
    def fail(plugin: object, report: object) -> None:
        raise environments.NoInterpreter("syft-0.2 needs Python 3.7")

    monkeypatch.setattr(environments, "ensure", fail)
    found = list(trust.rows(trust.names("syft-0.2,syft-0.9"), Silent()))
    assert [(row.status, row.reason) for row in found] == [("skipped", "syft-0.2 needs Python 3.7")] * 2
    assert "syft-0.2 skipped: syft-0.2 needs Python 3.7" in trust.table(found).notes
    with pytest.raises(UserError, match=r"no trust report for torch; there are syft-0\.2"):
        trust.names("torch")
