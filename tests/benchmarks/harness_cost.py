"""What the harness costs: the same training through it and by a bare script of the same framework, round by round.

    python -m tests.benchmarks.harness_cost torch --together --pairs 8
    python -m tests.benchmarks.harness_cost tff --pairs 8 --set federation.rounds=10

Both processes of a pair are alive, and take turns: who comes first alternates from round to round. Told are three
ratios, harness / bare script, with the interval of `bench.ratios`: of the seconds that each clocks itself, of those
that pass between giving a turn and its answer, in which all is that the harness does around a round, and of the CPU
seconds in that time, of a process with its children (the first round is warm-up, and the last is followed by
evaluation: neither counts). On a busy machine only the CPU seconds tell anything, and with --set timing.threads=1,
since threads that wait for each other burn them. Exit code 1 where the final weights differ, or what is given.

Processes of one framework differ from each other, by 10 % where it is TFF. --together has both train in one process,
the worker's, as bench run starts it: what is left is what the adapter and the harness add to a round. What they would
do to the whole process is seen without --together only. TFF has the luck of the draw even then: each time it compiles
the same computation, a round of quick ends up about 10 % faster or slower. So the script is lent the adapter's, unless
--own, and the calls of it are clocked. Both give it the same, of which digests are compared in the last round: where it
takes longer for one than for the other, that is noise of the machine. One more ratio has each of these calls take what
they take in the middle. What is left of luck without that is told by --twin, in which a second such script takes the
harness' place.

Both run with the allocator's thresholds fixed. As glibc has them, they follow from what a process frees first, and
decide whether a training step's memory comes from the system anew each time: that makes a process slower than its equal
by far more than the harness costs. --allocator as-it-is leaves them alone.
"""

import argparse
import contextlib
import json
import math
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from bench import jobs, live_rounds, machine, process, ratios, store
from bench.display import Plain
from bench.errors import UserError
from bench.spec import Model

ALLOWED = 1.01  # harness / bare script
LENT = {"tff": {"process": "next"}}  # what is compiled, and what trains a round by it
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
HERE = Path(__file__).parent
ARRAYS = ("cohort_offsets", "slot_batches", "slot_examples", "slot_seeds", "batch_samples", "batch_offsets")


@dataclass
class Side:
    """Seconds of each round: by its own clock, as they pass for who waits, and the CPU's meanwhile.

    evened: as waited for, but for calls of what both sides are lent, each of which counts what they take in the middle.
    """

    own: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    evened: list[float] = field(default_factory=list)

    def take(self, train: Callable[[], float], pid: int) -> None:
        """Train a round, and note what it took process `pid`."""
        before, started = cpu_s(pid), time.perf_counter()
        self.own.append(train())
        self.waited.append(time.perf_counter() - started)
        self.cpu.append(cpu_s(pid) - before)


@dataclass
class Pair:
    """The harness and the bare script, whether they ended in the same weights, and gave what they are lent the same.

    alike: None where that isn't asked.
    """

    harness: Side
    bare: Side
    same: bool
    alike: bool | None = None


Trained = Callable[[jobs.Job, Path, Path], Pair]


def told_to_the_script(job: jobs.Job, folder: Path) -> Path:
    """Write what a bare script has to know of the job into `folder`; return the file."""
    spec, data = job.cell.cell.spec, job.cell.data
    settings = {
        "plan": str(job.plan),
        "arrays": ARRAYS,
        "images": str(data.folder / "packed.npy"),
        "labels": str(data.folder / "labels.npy"),
        "classes": len(data.classes),
        "rounds": job.rounds,
        "batch_size": spec.training.batch_size,
        "lr": spec.training.lr,
        "momentum": spec.training.momentum,
        "threads": jobs.threads(spec),
        "weights": str(folder / "weights.npz"),
    }
    folder.mkdir(parents=True)
    store.write_text(folder / "settings.json", json.dumps(settings))
    return folder / "settings.json"


class Bare:
    """A live process of a bare script, in a group of its own: TFF leaves a child behind that holds its output."""

    def __init__(self, script: Path, job: jobs.Job, folder: Path) -> None:
        spec, settings = job.cell.cell.spec, told_to_the_script(job, folder)
        self.log = folder / "stderr.log"
        assert job.contender.environment is not None
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(job.contender.environment.python),
                    "-I",
                    str(HERE / "turn_by_turn.py"),
                    str(script),
                    str(settings),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=process.worker_environ(os.environ, jobs.threads(spec), spec.timing.device),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def hear(self, word: str) -> str:
        """Return what follows `word` on the next line that begins so; frameworks print others."""
        assert self._process.stdout is not None
        is_alive = True
        while is_alive:
            is_alive = self._process.poll() is None
            while select.select([self._process.stdout], [], [], 0.5)[0]:
                line = self._process.stdout.readline().decode("utf-8", "replace")
                if not line:
                    break
                said, _, rest = line.rstrip("\n").partition(" ")
                if said == word:
                    return rest
        complaints = self.log.read_text(errors="replace").split("\n")
        why = next((line for line in reversed(complaints) if line.strip()), "it said nothing")
        raise UserError(f"the bare script ended before it said {word!r}: {why}")

    def train(self) -> float:
        """Train the next round; return the seconds by its own clock."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died, which hearing tells
            self._process.stdin.write(b"\n")
        return float(self.hear("round"))

    def end(self) -> None:
        """End it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def bare_process(script: Path, job: jobs.Job, folder: Path) -> Iterator[Bare]:
    """Start a bare script, and wait until it is ready; end it at last."""
    bare = Bare(script, job, folder)
    try:
        bare.hear("ready")
        yield bare
    finally:
        bare.end()


def in_turn(job: jobs.Job, script: Path, folder: Path) -> Pair:
    """Train `job` by both in a process each, a round of one after a round of the other."""
    harness, bare = Side(), Side()
    with live_rounds.live(job) as live, bare_process(script, job, folder) as script_:
        for number in range(job.rounds):
            sides = [(harness, live.train, live.pid), (bare, script_.train, script_.pid)]
            for side, train, pid in sides if number % 2 else reversed(sides):
                side.take(train, pid)
        script_.hear("done")
    return Pair(harness, bare, _same(_final(job), folder))


def together(
    job: jobs.Job, script: Path, folder: Path, lent: Mapping[str, str] | None = None, with_twin: bool = False
) -> Pair:
    """Train `job` by both in one process, and `lent` of the adapter's attributes by both, see `together.py`."""
    plugin = job.contender.plugin
    given = HERE / f"given_{plugin.name}.py"
    stands_for = {
        "adapter": str(plugin.path),
        "script": str(script),
        "settings": str(told_to_the_script(job, folder)),
        "lent": lent or {},
        "given": str(given) if lent else None,
        "twin": str(told_to_the_script(job, folder / "twin")) if with_twin else None,
    }
    job.folder.mkdir(parents=True)
    store.write_text(job.folder / "together.json", json.dumps(stands_for))
    header = replace(plugin.header, needs=tuple(map(str, plugin.needed)))
    both = replace(plugin, path=HERE / "together.py", header=header)
    _run(replace(job, contender=replace(job.contender, plugin=both)))
    answer = json.loads((job.folder / "together-seconds.json").read_text())
    seconds, told_given = answer["seconds"], answer["given"]
    harness = Side(own=seconds["own"], waited=seconds["waited"])
    bare = Side(own=seconds["bare"], waited=seconds["bare"])
    if lent:
        common = statistics.median(seconds["own lent"][1:-1] + seconds["bare lent"][1:-1])
        for side, name in ((harness, "own lent"), (bare, "bare lent")):
            side.evened = [waited - within + common for waited, within in zip(side.waited, seconds[name], strict=True)]
    final = folder / "twin" / "weights.npz" if with_twin else _final(job)
    return Pair(harness, bare, _same(final, folder), told_given["own"] == told_given["bare"] if lent else None)


def _run(job: jobs.Job) -> None:
    """Run a job as bench run does, but for evaluation, which only the last round is followed by."""
    spec, environment = job.cell.cell.spec, job.contender.environment
    assert environment is not None
    quiet = {"evaluate_every": job.rounds, "save_every": 0, "checkpoint_s": 0.0, "resume": None}
    store.write_text(job.folder / "job.json", json.dumps(jobs.told(job) | quiet))
    environ = process.worker_environ(os.environ, jobs.threads(spec), spec.timing.device)
    ended = process.execute(environment.python, job.folder, environ, spec.timing.silence_s, lambda _: None)
    if ended.status != "done":
        raise UserError(f"{job.contender.label} {ended.status}: {ended.reason}")


def _final(job: jobs.Job) -> Path:
    return job.folder / f"weights-{job.rounds:06d}.npz"


def _same(final: Path, folder: Path) -> bool:
    return _weights(final) == _weights(folder / "weights.npz")


def _weights(path: Path) -> dict[str, bytes]:
    with np.load(path) as stored:
        return {name: np.ascontiguousarray(stored[name], np.float32).tobytes() for name in stored.files}


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its living children, to the nanosecond (Linux); NaN once it has ended."""
    try:
        own = psutil.Process(pid)
        clocks = [~one.pid << 3 | 2 for one in [own, *own.children(recursive=True)]]  # as clock_getcpuclockid(3) does
        return sum(map(time.clock_gettime, clocks))
    except (psutil.NoSuchProcess, OSError):
        return math.nan


def ratio(pairs: list[Pair], clock: str) -> dict[str, float | None]:
    """Return harness / bare with its interval, over the rounds that count."""
    logs = [np.log(np.array(getattr(one.harness, clock)) / np.array(getattr(one.bare, clock)))[1:-1] for one in pairs]
    return ratios.interval(logs)


def told(pairs: list[Pair], clock: str, what: str) -> str:
    """Return a ratio in words."""
    own = ratio(pairs, clock)
    sides = [
        statistics.median(second for one in pairs for second in getattr(getattr(one, side), clock)[1:-1])
        for side in ("harness", "bare")
    ]
    if own["low"] is None or own["high"] is None:
        return f"{what}: {own['ratio']:.4f}"
    verdict = "yes" if own["high"] <= ALLOWED else "no" if own["low"] > ALLOWED else "can't be told"
    return (
        f"{what}: {own['ratio']:.4f} [{own['low']:.4f}, {own['high']:.4f}], {sides[0]:.4f} s against {sides[1]:.4f} s;"
        f" at most {100 * (ALLOWED - 1):g} % slower: {verdict}"
    )


def measure(
    backend: str, settings: list[str], count: int, folder: Path, console: Console, train: Trained = in_turn
) -> list[Pair]:
    """Train `count` pairs, and tell of each as it ends."""
    script = HERE / f"bare_{backend}.py"
    found = []
    for number in range(1, count + 1):
        place = folder / str(number)
        job = live_rounds.job("quick", backend, settings, place, Plain(console))
        if job.rounds < 3:
            raise UserError(f"federation.rounds = {job.rounds}: must be at least 3, the first and the last don't count")
        if job.cell.cell.spec.model != Model():
            raise UserError("the bare scripts train the study's network as it comes: leave model's settings alone")
        own = train(job, script, place / "bare")
        found.append(own)
        same = "the same weights" if own.same else "other weights"
        line = f"pair {number} of {count}: {told([own], 'waited', 'as waited for')}; {same}"
        console.print(line, highlight=False, soft_wrap=True)
    return found


def main() -> int:
    """Measure as the command line says, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backend", choices=sorted(path.stem[5:] for path in HERE.glob("bare_*.py")))
    parser.add_argument("--pairs", type=int, default=8, help="pairs of fresh processes, or processes of both (8)")
    parser.add_argument("--together", action="store_true", help="both in one process")
    parser.add_argument("--own", action="store_true", help="together, each with what it has compiled itself")
    parser.add_argument("--twin", action="store_true", help="together, and the script against itself")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as bench run has it")
    parser.add_argument("--allocator", choices=("fixed", "as-it-is"), default="fixed", help="glibc's thresholds")
    arguments = parser.parse_args()
    if arguments.allocator == "fixed":
        os.environ.update(ALLOCATOR)
    train = in_turn
    if arguments.together:
        lent = None if arguments.own else LENT.get(arguments.backend)
        train = partial(together, lent=lent, with_twin=arguments.twin)
    with tempfile.TemporaryDirectory(prefix="harness-cost-") as folder:
        try:
            told_to = Console(stderr=True)
            pairs = measure(arguments.backend, arguments.set, arguments.pairs, Path(folder), told_to, train)
        except UserError as error:
            print(f"harness_cost: {error}", file=sys.stderr)
            return 2
    facts = machine.facts()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    processes = "processes of both" if arguments.together else "pairs of processes"
    print(f"{arguments.backend}, quick, {len(pairs)} {processes} on {facts['cpu']}, {facts['cores']} cores")
    asked = " ".join(arguments.set) or "as they come"
    print(f"settings: {asked}; allocator {arguments.allocator}; load at the end: {load}")
    print("bare script / bare script:" if arguments.twin else "harness / bare script:")
    print("  " + told(pairs, "own", "by their own clocks"))
    print("  " + told(pairs, "waited", "as waited for"))
    if not arguments.together:
        print("  " + told(pairs, "cpu", "CPU seconds"))
    same, alike = sum(one.same for one in pairs), sum(one.alike is not False for one in pairs)
    if any(one.harness.evened for one in pairs):
        print("  " + told(pairs, "evened", "with the framework's call, which both give the same, as long for both"))
        print(f"what that call is given the same to the bit: {alike} of {len(pairs)}")
    print(f"final weights the same to the bit: {same} of {len(pairs)}")
    return 0 if same == alike == len(pairs) else 1


if __name__ == "__main__":
    sys.exit(main())
