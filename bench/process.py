"""One job in one fresh process: starts the worker, reads its events, makes sure that nothing survives."""

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench import events, store

WORKER = Path(__file__).with_name("worker.py")
GRACE_S = 10.0  # between the last event and the end of the process

Event = Any  # one of bench.events.EVENTS


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `reason` in one line where it isn't done."""

    status: Literal["done", "skipped", "failed"]
    reason: str | None
    events: tuple[Event, ...]


def worker_environ(environ: Mapping[str, str], threads: int, device: str) -> dict[str, str]:
    """Return the worker's environment: ours less Python's and the thread pools' settings, which are set alike."""
    own = {key: value for key, value in environ.items() if not key.startswith("PYTHON")}
    pools = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
    own.update({f"{pool}_NUM_THREADS": str(threads) for pool in pools})
    own.update({"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)})
    if device == "cpu":
        own["CUDA_VISIBLE_DEVICES"] = ""
    return own


def execute(
    python: Path,
    folder: Path,
    environ: Mapping[str, str],
    silence_s: float,
    on_event: Callable[[Event], None],
    earlier: Sequence[Event] = (),
) -> Outcome:
    """Run the job in `folder` under `python` and return its outcome, after the events that it had `earlier`.

    A worker that waits for its turn has it as soon as `on_event` returns from telling so. It gets a process group of
    its own, which is killed at the end whatever happened: frameworks leave children behind. `events.jsonl` and
    `stderr.log` are written into the folder.
    """
    folder = folder.resolve()
    seen: list[Event] = list(earlier)
    store.write_text(folder / "events.jsonl", "".join(map(events.to_line, earlier)))
    # A temporary folder of its own: frameworks leave files behind there, too.
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as temporary:
        process = _start(python, folder, {**environ, "TMPDIR": temporary}, "ab" if earlier else "wb")
        try:
            problem = _listen(process, folder, silence_s, seen, on_event)
            if problem is None:
                _await_end(process)
        finally:
            _end_group(process)
    where = _where(seen[len(earlier) :])
    return _outcome(process, seen, problem, f"{where} (log: {folder / 'stderr.log'})", folder)


def _start(
    python: Path, folder: Path, environ: Mapping[str, str], logged: Literal["ab", "wb"]
) -> subprocess.Popen[bytes]:
    with (folder / "stderr.log").open(logged) as log:
        return subprocess.Popen(
            [str(python), "-I", str(WORKER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=environ,
            start_new_session=True,
        )


def _listen(
    process: subprocess.Popen[bytes],
    folder: Path,
    silence_s: float,
    seen: list[Event],
    on_event: Callable[[Event], None],
) -> str | None:
    """Collect events until the last one; return what is wrong with the stream, if anything."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    heard = time.monotonic()
    with (folder / "events.jsonl").open("a", buffering=1, encoding="utf-8") as record:
        while True:
            try:
                line = lines.get(timeout=0.5)
            except queue.Empty:
                if process.poll() is not None:
                    return None  # it ended, and a child of its still holds the pipe
                if time.monotonic() - heard > silence_s:
                    return f"said nothing for {silence_s:g} s and was ended"
                continue
            if line is None:
                return None
            heard = time.monotonic()
            try:
                event = events.from_line(line.decode("utf-8", "replace"))
            except ValueError as error:
                return f"answered with something that is no event: {str(error)[:120]}"
            record.write(events.to_line(event))
            if isinstance(event, events.Checkpoint):
                os.fsync(record.fileno())  # before the worker removes the ones before it, about
            seen.append(event)
            on_event(event)
            if isinstance(event, events.Waiting):
                _give_turn(process)
                heard = time.monotonic()
            if isinstance(event, events.Done | events.Failed | events.Skipped):
                return None


def _give_turn(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has died, which its end of the stream will tell
        process.stdin.write(b"\n")
        process.stdin.flush()


def _read_lines(process: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        return  # its last event stands; the group is ended anyway


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _outcome(
    process: subprocess.Popen[bytes], seen: list[Event], problem: str | None, where: str, folder: Path
) -> Outcome:
    last = seen[-1] if seen else None
    if problem is not None:
        return Outcome("failed", f"{problem} {where}", tuple(seen))
    if isinstance(last, events.Done):
        return Outcome("done", None, tuple(seen))
    if isinstance(last, events.Skipped):
        return Outcome("skipped", last.reason, tuple(seen))
    if isinstance(last, events.Failed):
        (folder / "trace.txt").write_text(last.trace, encoding="utf-8")
        return Outcome("failed", f"{last.message} ({last.stage}; log: {folder / 'stderr.log'})", tuple(seen))
    code = process.returncode
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return Outcome("failed", f"{how} before it was done, {where}", tuple(seen))


def _where(seen: list[Event]) -> str:
    rounds = [event.number for event in seen if isinstance(event, events.Round)]
    if rounds:
        return f"after round {rounds[-1]}"
    phases = [event.name for event in seen if isinstance(event, events.Phase)]
    return f"after {phases[-1]}" if phases else "before it imported anything"
