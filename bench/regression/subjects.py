"""What a check compares: for each backend the base and the head, prepared and ready to run, and what they are."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import gittree, machine, plugins, record, runner, shipped, spec
from bench.errors import UserError
from bench.jobs import Contender, Prepared
from bench.regression.baseline import Baseline, read, refuse_another

Settings = Sequence[str | tuple[str, Any]]
# How the same is computed, which is what a check is there to compare; and how private it is, which has a gate.
HOW = ("training.compile", "privacy.engine", "privacy.noise_multiplier", "privacy.target_epsilon")
MEASURED = ("threads", "device", "cache", "warmup_rounds", "loading_passes")  # of [timing]: how it is measured
HINT = " (a copy of the experiment outside of the repository is the same for both)"


@dataclass(frozen=True)
class Asked:
    """What the user asked for: an experiment by name or path, its settings, and backends as in --backends."""

    experiment: str
    settings: Settings
    scale: float | None
    requests: Sequence[str]

    def load(self, tree: gittree.Tree | None = None, base: Path | None = None) -> spec.Experiment:
        """Return the experiment; where it is a file of `tree`, as it stands in `base`, another commit's files."""
        path = _moved(shipped.find(self.experiment), tree, base)
        if not path.is_file():
            raise UserError(f"--against: {path.name} is not in that commit, so that there is nothing to compare with")
        return spec.load(path, self.settings, self.scale)


@dataclass(frozen=True)
class Contest:
    """One backend: the label it is told by, the head and, where it is measured now and not before, the base."""

    label: str
    head: Contender
    base: Contender | None

    @property
    def changed(self) -> str:
        """The label that the base has a certificate by, if it isn't the head's."""
        return f"{self.label} (base)"


@dataclass(frozen=True)
class Subject:
    """All that is compared: two cells, and contests over them.

    against, subject: as in the document; baseline: what the heads are held against where no base is measured.
    """

    against: Mapping[str, Any]
    subject: Mapping[str, Any]
    experiment: str
    head: Prepared
    base: Prepared
    contests: tuple[Contest, ...]
    notes: tuple[str, ...] = ()
    baseline: Baseline | None = None

    @property
    def changed_bases(self) -> list[Contender]:
        """The bases whose certificate isn't that of their heads, under labels of their own."""
        return [
            replace(contest.base, label=contest.changed)
            for contest in self.contests
            if contest.base is not None and not _is_same(contest)
        ]

    def texts(self) -> list[tuple[Path, bytes]]:
        """All files that are under test, as they are now."""
        sides = [one for contest in self.contests for one in (contest.base, contest.head) if one is not None]
        return [text for side in sides for text in _texts(side)]


@contextmanager
def against_ref(asked: Asked, ref: str, display: runner.Display) -> Iterator[Subject]:
    """The working tree against a commit of the repository that it is in; as long as the context is open."""
    runner.refuse_one_name_for_two(asked.requests)
    tree = gittree.around(Path.cwd())
    if tree is None:
        raise UserError(f"--against {ref}: no such run folder or file, and this folder is in no git repository")
    commit = gittree.commit(tree.root, ref)
    with gittree.checked_out(tree.root, commit) as folder:
        found = [(request, *plugins.requested(request)) for request in asked.requests]
        contests = tuple(
            Contest(
                request if plugin.shipped else plugin.name,
                _ready(request, plugin, version, variant, "head", display),
                _ready(request, _as_it_was(plugin, tree, folder), version, variant, "base", display),
            )
            for request, plugin, version, variant in found
        )
        head = _prepared(asked.load(), display)
        base = _prepared(asked.load(tree, folder), display)
        _refuse_other_work(base, head)
        _refuse_nothing(contests, asked, tree, folder, ref)
        same = [contest.label for contest in contests if _is_same(contest) and base.cell.spec == head.cell.spec]
        yield Subject(
            {"kind": "ref", "name": ref, "commit": commit, "told": f"{ref} ({commit[:7]})"},
            _told(tree),
            asked.load().name,
            head,
            base,
            contests,
            (f"{', '.join(same)}: the same files and packages on both sides; identical code is compared.",)
            if same
            else (),
        )


def _refuse_nothing(contests: Sequence[Contest], asked: Asked, tree: gittree.Tree, folder: Path, ref: str) -> None:
    """Raise UserError for a backend of which, with the experiment, nothing lies in the repository."""
    experiment = shipped.find(asked.experiment)
    if _moved(experiment, tree, folder) != experiment.absolute():
        return
    for contest in contests:
        assert contest.base is not None
        if contest.base.plugin.path == contest.head.plugin.path:
            told = f"neither {contest.head.plugin.path.name} of {contest.label} nor the experiment lies in {tree.root}"
            raise UserError(f"--against {ref}: {told}: both sides would be the same files")


def against_version(asked: Asked, display: runner.Display) -> Subject:
    """Two versions of one backend's framework, the first named being the base."""
    if len(asked.requests) != 2:
        raise UserError("without --against, name two versions of one backend: --backends tff@0.86.0,tff")
    first, second = asked.requests
    base, head = (plugins.requested(request) for request in asked.requests)
    if base[0] != head[0]:
        raise UserError(f"without --against, two versions of one backend are compared; {first} and {second} are two")
    cell = _prepared(asked.load(), display)
    contest = Contest(second, _ready(second, *head, "head", display), _ready(first, *base, "base", display))
    told = {"kind": "version", "name": first, "commit": None, "told": first}
    return Subject(told, _here() | {"told": second}, asked.load().name, cell, cell, (contest,))


def against_itself(asked: Asked, display: runner.Display) -> Subject:
    """Each backend against itself: for a self-test."""
    return replace(
        _alone(asked, display, with_base=True),
        against={"kind": "self", "name": "self", "commit": None, "told": "itself"},
    )


def against_file(asked: Asked, path: Path, display: runner.Display) -> Subject:
    """The working tree alone, to be held against what was measured before."""
    baseline = read(path)
    subject = _alone(asked, display, with_base=False)
    refuse_another(baseline, subject.head)
    apart = measured_apart(
        baseline.spec, subject.head.cell.spec.model_dump(mode="json"), ("the baseline", "this check")
    )
    if apart:
        raise UserError(f"--against {path}: wasn't measured as this check would: {'; '.join(apart)}")
    against = {"kind": baseline.kind, "name": str(path), "commit": baseline.commit, "told": baseline.told}
    return replace(subject, against=against, baseline=baseline, notes=_weaker(baseline))


def _weaker(baseline: Baseline) -> tuple[str, ...]:
    """What comparing with a file can't do."""
    now = machine.facts()
    same = all(baseline.machine[key] == now[key] for key in ("cpu", "cores", "memory_bytes"))
    there = "" if same else f" on another machine ({baseline.machine['cpu']}, {baseline.machine['cores']} cores)"
    return (
        f"The base was measured at another time{there}: times are divided by those of a calibration kernel, then and"
        " now. That helps as far as training slows down where the kernel does; what it misses is taken for a change of"
        " the code. A git ref is compared side by side, which misses none of it.",
    )


def _alone(asked: Asked, display: runner.Display, with_base: bool) -> Subject:
    runner.refuse_one_name_for_two(asked.requests)
    cell = _prepared(asked.load(), display)
    contests = []
    for request in asked.requests:
        plugin, version, variant = plugins.requested(request)
        own = _ready(request, plugin, version, variant, "head", display)
        contests.append(Contest(own.label, own, own if with_base else None))
    return Subject({}, _here(), asked.load().name, cell, cell, tuple(contests))


def _here() -> dict[str, Any]:
    """The tree around the current folder, where git can tell: to compare with no commit it isn't needed."""
    try:
        return _told(gittree.around(Path.cwd()))
    except UserError:
        return _told(None)


def _told(tree: gittree.Tree | None) -> dict[str, Any]:
    if tree is None:
        return {"commit": None, "dirty": False, "told": "as installed"}
    return {"commit": tree.commit, "dirty": tree.changed > 0, "told": tree.told}


def _ready(
    request: str, plugin: plugins.Plugin, version: str | None, variant: str | None, side: str, display: runner.Display
) -> Contender:
    found = runner.contender(request, plugin, version, variant, display)
    if found.environment is None:
        raise UserError(f"{found.label} ({side}): {found.problem}")
    return found


def _as_it_was(plugin: plugins.Plugin, tree: gittree.Tree, base: Path) -> plugins.Plugin:
    """The same plugin in another commit's files; as it is where it isn't in the repository, as when installed."""
    path = _moved(plugin.path, tree, base)
    if path == plugin.path:
        return plugin
    if not path.is_file():
        told = f"{plugin.path.relative_to(tree.root)} is not in that commit, so that there is nothing to compare with"
        raise UserError(f"--against: {told}")
    return replace(plugin, path=path, header=plugins.read_header(path))


def _moved(path: Path, tree: gittree.Tree | None, base: Path | None) -> Path:
    """The path in another commit's files, with the links that are in it; as it is where the tree doesn't hold it."""
    path = path.absolute()
    is_installed = path.is_relative_to(sys.prefix)  # a virtual environment may lie in the repository
    if tree is None or base is None or is_installed or not path.is_relative_to(tree.root):
        return path
    return base / path.relative_to(tree.root)


def _prepared(experiment: spec.Experiment, display: runner.Display) -> Prepared:
    if len(experiment.cells) != 1:
        raise UserError(
            f"{experiment.name} has {len(experiment.cells)} cells; a check takes one: choose it with --set, or name"
            " another --experiment"
        )
    return runner.prepare(experiment, display)[0]


def _refuse_other_work(base: Prepared, head: Prepared) -> None:
    """Times of two different computations say nothing of each other. Raises UserError."""
    apart = [name for name, digest in head.digests.items() if base.digests[name] != digest]
    if apart:
        raise UserError(f"base and head don't compute the same: they differ in {', '.join(apart)}{HINT}")
    left, right = (one.cell.spec.model_dump(mode="json") for one in (base, head))
    others = record.differences(left, right, names=("base", "head"), but=HOW)
    others += measured_apart(left, right, ("base", "head"))
    if others:
        raise UserError(f"base and head don't compute the same: {'; '.join(others)}{HINT}")


def measured_apart(left: Mapping[str, Any], right: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    """Say in which of a spec's settings that tell how it is measured two specs, as JSON, differ."""
    return [
        f"timing.{key} is {left['timing'][key]} in {names[0]} and {right['timing'][key]} in {names[1]}"
        for key in MEASURED
        if left["timing"][key] != right["timing"][key]
    ]


def _is_same(contest: Contest) -> bool:
    assert contest.base is not None
    base, head = contest.base, contest.head
    return base.versions == head.versions and [text for _, text in _texts(base)] == [text for _, text in _texts(head)]


def _texts(own: Contender) -> list[tuple[Path, bytes]]:
    """The files that the adapter is made of. Raises UserError for one that is missing."""
    try:
        return [(path, path.read_bytes()) for path in (own.plugin.path, *own.plugin.needed)]
    except OSError as error:
        raise UserError(
            f"{own.label}: {error.filename}, which its header needs, can't be read: {error.strerror}"
        ) from None
