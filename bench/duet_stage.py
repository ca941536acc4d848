"""The processes of one Duet: starts them, hears what they say, and leaves none behind.

Each has the environment of the backend syft-0.5, a process group, a folder for temporary files and a pipe that it dies
with. The socket of the signalling server is opened by the harness, before anything is started, so that no port can be
taken meanwhile and nobody connects too early.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from bench import plugins, process
from bench.data.wording import quoted
from bench.environments import Environment

LOOPBACK = "127.0.0.1"
LIMIT_S = 60.0  # for one step, where nobody is waited for
PARTING_S = 5.0  # for one side to tell that the other is gone
CALLED = {"signalling": "signalling server"}

Event = dict[str, Any]


class Shown(Protocol):
    """What is told while it goes on."""

    def say(self, text: str) -> None: ...
    def begin(self, side: str, step: str) -> None: ...
    def step(self, event: Mapping[str, Any]) -> None: ...
    def request(self, event: Mapping[str, Any]) -> None: ...
    def ask(self, event: Mapping[str, Any]) -> None: ...
    def failed(self, side: str, reason: str) -> None: ...


@dataclass(frozen=True)
class Settings:
    """What both sides are told.

    decisions: what the owner answers to one request after another, the last of them from then on: accept, deny, ask, or
    handler. exposed: addresses that aren't loopback may be reached.
    """

    values: tuple[float, ...] = ()
    tag: str = "ages"
    decisions: tuple[str, ...] = ("accept",)
    statistics: tuple[str, ...] = ("mean",)
    reason: str = "the study needs the mean age"
    name: str = "scientist"
    is_mended: bool = True
    host: str = LOOPBACK
    port: int = 0
    is_exposed: bool = False
    wait_s: float = 60.0
    probe: bool = False


@dataclass
class Played:
    """What became of it. `problems`: one line each; none where all went as told."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def step(self, name: str) -> dict[str, Any] | None:
        """Return the step called `name`, of whichever side."""
        return next((step for step in self.steps if step["step"] == name), None)

    def outcome(self, name: str) -> str | None:
        """Return how the step called `name` came out, or None where it wasn't reached."""
        step = self.step(name)
        return step["outcome"] if step else None


def scripts() -> Path:
    """Return the folder of what the processes run."""
    return plugins.root("backends") / "_duet"


class Stage:
    """The processes of one Duet, and what they say. At its end none of them is left."""

    def __init__(self, environment: Environment, settings: Settings, shown: Shown):
        self.environment, self.settings, self.shown = environment, settings, shown
        self.played = Played()
        self._heard: queue.Queue[tuple[str, Event | None]] = queue.Queue()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._reasons: set[str] = set()
        self._unanswered: list[Event] = []
        self._deadline: float | None = None
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-duet-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for side in self._processes:
            self.end(side)
        self._temporary.cleanup()

    def start(self, side: str, server: socket.socket | None = None) -> None:
        """Start a side; `server` is handed to it."""
        folder = self._folder / side
        folder.mkdir()
        with (folder / "stderr.log").open("wb") as log:
            started = subprocess.Popen(
                [str(self.environment.python), "-I", str(scripts() / f"{side}.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=_environ(folder),
                text=True,
                start_new_session=True,
                pass_fds=(server.fileno(),) if server else (),
            )
        self._processes[side] = started
        threading.Thread(target=self._listen, args=(side, started), daemon=True).start()
        self.tell(side, _told(self.settings, side, server))

    def tell(self, side: str, line: Mapping[str, Any]) -> None:
        """Send a line to a side, if it is still there."""
        with contextlib.suppress(OSError, ValueError):
            stream = self._processes[side].stdin
            assert stream is not None
            stream.write(json.dumps(line) + "\n")
            stream.flush()

    def end(self, side: str) -> None:
        """End a side and whatever it started."""
        ended = self._processes[side]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ended.pid, signal.SIGKILL)
        ended.wait()
        with contextlib.suppress(OSError):
            if ended.stdin is not None:
                ended.stdin.close()

    def play(self, awaited: set[str], silence_s: float | None) -> None:
        """Hear everyone until all of `awaited` have ended; soon after a problem, whether they have or not."""
        while awaited:
            try:
                side, event = self._heard.get(timeout=self._patience(silence_s))
            except queue.Empty:
                for side in sorted(awaited) if not self.played.problems else ():
                    self._problem(side, f"said nothing for {(silence_s if self._deadline is None else PARTING_S):g} s")
                return
            if event is not None:
                self._hear(side, event)
                continue
            self._ended(side)
            awaited.discard(side)

    def _patience(self, silence_s: float | None) -> float | None:
        return silence_s if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _hear(self, side: str, event: Event) -> None:
        kind = event["event"]
        if kind == "begin":
            self.shown.begin(side, event["step"])
        elif kind == "step":
            self.played.steps.append({key: event[key] for key in ("side", "step", "outcome", "detail", "seconds")})
            if event["value"] is not None:
                self.played.steps[-1]["value"] = event["value"]
            self.shown.step(event)
        elif kind == "versions":
            self.played.versions = {key: event[key] for key in ("syft", "torch", "python")}
        elif kind == "ready":
            self.shown.say(f"The signalling server listens on {self.settings.host}, port {self.settings.port}.")
        elif kind == "request":
            self.shown.request(event)
            if "ask" in self.settings.decisions:
                self._unanswered.append(event)
                self._ask_next(event)
        elif kind == "answer":
            asked = self._unanswered.pop(0)
            self.tell("owner", {"do": "decide", "request": asked["request"], "accept": event["accept"]})
            self._ask_next(*self._unanswered[:1])
        elif kind == "gone" and event["who"] == "scientist":
            self.tell("owner", {"do": "gone", "goodbye": event["goodbye"]})
            if event["goodbye"] and "scientist" not in self._processes:
                self.shown.say("The scientist has left.")
            self._deadline = time.monotonic() + PARTING_S
        elif kind == "finished":
            self.tell("owner", {"do": "leave"})
        elif kind == "failed":
            self._reasons.add(side)
            self._problem(side, event["reason"])

    def _ask_next(self, *event: Event) -> None:
        """Ask a person, one request at a time."""
        if event and self._unanswered[0] is event[0]:
            self.shown.ask(event[0])
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        """Read a person's answer; nothing is a no.

        Not by input(): a thread that waits in it would keep this process from ending.
        """
        answer = b""
        while not answer.endswith(b"\n") and (read := os.read(0, 1)):
            answer += read
        accept = answer.strip().lower() in (b"y", b"yes")
        self._heard.put(("person", {"event": "answer", "accept": accept}))

    def _ended(self, side: str) -> None:
        code = self._processes[side].wait()
        if code != 0 and side not in self._reasons:
            how = f"ended with exit code {code}{self._last_words(side)}"
            self._problem(side, f"was killed by {signal.Signals(-code).name}" if code < 0 else how)
        if side == "owner" and "signalling" in self._processes:
            self.end("signalling")  # which is how a scientist notices
        if side == "signalling":
            self._deadline = self._deadline or time.monotonic() + PARTING_S

    def _problem(self, side: str, what: str) -> None:
        if side == "signalling" and "owner" in self._processes and self._processes["owner"].poll() is not None:
            return  # it was ended
        joint = " " if what.startswith(("was ", "ended ", "said ")) else ": "
        self.played.problems.append(f"the {CALLED.get(side, side)}{joint}{quoted(what)}")
        self._deadline = self._deadline or time.monotonic() + PARTING_S
        self.shown.failed(side, what)

    def _last_words(self, side: str) -> str:
        lines = (self._folder / side / "stderr.log").read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last[:200]}" if last else ""

    def _listen(self, side: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError), process.stdout:
            for line in process.stdout:
                self._heard.put((side, json.loads(line)))
        self._heard.put((side, None))


def _environ(folder: Path) -> dict[str, str]:
    """No proxy: it would be an outside host."""
    own = process.worker_environ(os.environ, threads=1, device="cpu")
    return {key: value for key, value in own.items() if not key.lower().endswith("_proxy")} | {"TMPDIR": str(folder)}


def _told(settings: Settings, side: str, server: socket.socket | None) -> dict[str, Any]:
    told: dict[str, Any] = {"host": settings.host, "port": settings.port, "exposed": settings.is_exposed}
    if server is not None:
        return told | {"socket": server.fileno()}
    if side == "owner":
        return told | {
            "limit_s": LIMIT_S,
            "name": "owner",
            "values": settings.values,
            "tag": settings.tag,
            "decisions": settings.decisions,
            "mended": settings.is_mended,
        }
    return told | {
        "limit_s": LIMIT_S,
        "name": settings.name,
        "own_host": _own_address(settings.host, settings.port),
        "statistics": settings.statistics,
        "reason": settings.reason,
        "wait_s": settings.wait_s,
        "probe": settings.probe,
    }


def _own_address(host: str, port: int) -> str:
    """The address of this machine that faces `host`; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])
