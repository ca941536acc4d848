"""Flower brings Ray along: where it listens, and what becomes of a run when one of its processes dies."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SETS = ("data.samples=90", "data.image_size=12", "federation.rounds=500", "timing.threads=1", "timing.checkpoint_s=0")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`bench run` on Flower, in its second round or a later one, with rounds to go on for long."""
    sets = [f"--set={one}" for one in SETS]
    command = [sys.executable, "-m", "bench.cli", "run", "--backends=flower", "--repeats=1", *sets]
    with (tmp_path / "told").open("w") as told:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=told, stderr=told, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ray(folder: Path, run: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker and all below it, once it trains."""
    until = time.monotonic() + 600  # an environment may have to be built
    while time.monotonic() < until and run.poll() is None:
        for events in folder.glob("runs/*/task-1/flower-1/events.jsonl"):
            lines = events.read_text().splitlines()
            if any(line.startswith('["Round", {"number": 2') for line in lines):
                worker = psutil.Process(json.loads(lines[0])[1]["pid"])
                return [worker, *worker.children(recursive=True)]
        time.sleep(0.1)
    raise AssertionError((folder / "told").read_text())


def test_it_listens_on_this_machine_alone_and_a_dead_actor_ends_the_run(
    run: subprocess.Popen[str], tmp_path: Path
) -> None:
    processes = ray(tmp_path, run)
    listening = [one for each in processes for one in each.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    assert len(listening) > 3, "Ray's"
    for one in listening:
        address = ipaddress.ip_address(one.laddr.ip)
        assert (getattr(address, "ipv4_mapped", None) or address).is_loopback, one
    (actor,) = (one for one in processes if "ClientAppActor" in " ".join(one.cmdline()))
    os.kill(actor.pid, signal.SIGKILL)
    assert run.wait(120) == 1
    told = (tmp_path / "told").read_text()
    assert "flower repeat 1 failed" in told
    assert "Traceback" not in told
    psutil.wait_procs(processes, 30)
    assert not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
