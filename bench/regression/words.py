"""What a check's document says, in words computed from its numbers."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bench.layout import ABSENT, figures, size
from bench.regression import verdicts
from bench.regression.verdicts import FAILED, NOT_SLOWER, SLOWER, TOO_SHORT, UNDECIDED, Document

Part = Mapping[str, Any]

_OF_MEMORY = {SLOWER: "more", NOT_SLOWER: "not more"}
_TAKES = {
    "training": "a round takes {} as long",
    "loading": "loading takes {} as long",
    "memory": "it takes {} as much",
}


def title(document: Document) -> str:
    """Return what is held against what."""
    return f"{document['experiment']}: {document['subject']['told']} against {document['against']['told']}"


def verdict(phase: Part) -> str:
    """Return a phase's verdict; memory isn't slow, it is more."""
    own: str = phase["verdict"]
    return _OF_MEMORY.get(own, own) if phase["phase"] == "memory" else own


def ratio(phase: Part) -> str:
    """Return the ratio with its interval, where there is one, or a dash: what takes no time at all has no ratio."""
    if not math.isfinite(phase["ratio"]):
        return ABSENT
    low, high = (ABSENT if phase[side] is None else f"{phase[side]:.3f}" for side in ("low", "high"))
    return f"{phase['ratio']:.3f}x" + ("" if low == high == ABSENT else f" [{low}, {high}]")


def absolute(value: float, unit: str) -> str:
    """Return seconds or bytes in a unit that leaves figures to be read."""
    if unit == "bytes":
        return size(value)
    return f"{figures(value)} s" if value >= 0.1 else f"{figures(1000 * value)} ms"


def limit(document: Document) -> str:
    """Return the ratio that is allowed."""
    return f"{1 + document['settings']['max_slowdown']:.3f}x"


def headline(document: Document) -> str:
    """Return the verdict and why, in one line."""
    found = verdicts.overall(document)
    if found == NOT_SLOWER:
        names = ", ".join(backend["backend"] for backend in document["backends"])
        return f"not slower: no interval of {names} reaches {limit(document)} of {document['against']['told']}."
    told = "; ".join(problem for kind, problem in problems(document) if kind == found)
    if found == FAILED:
        return f"failed: {told}."
    against = f"{document['against']['told']}, allowed is {limit(document)}"
    return f"{found}: against {against}: {told}."


def problems(document: Document) -> Iterator[tuple[str, str]]:
    """Yield (verdict, what) of every gate that failed and every phase that is slower or undecided."""
    for backend in document["backends"]:
        for gate in backend["gates"]:
            if not gate["passed"]:
                yield FAILED, f"{backend['backend']}, {gate['gate']}: {gate['told']}"
        for phase in backend["phases"]:
            if phase["verdict"] not in (NOT_SLOWER, TOO_SHORT):
                yield phase["verdict"], f"{backend['backend']}, {phase['phase']}: {taken(phase)}"


def taken(phase: Part) -> str:
    """Return how much a phase takes, relative and absolute."""
    from_to = " to ".join(absolute(phase[side], phase["unit"]) for side in ("base", "head"))
    return f"{_TAKES[phase['phase']].format(ratio(phase))} ({from_to})"


def advice(document: Document) -> str:
    """Return what to do next."""
    against = document["against"]["told"]
    return {
        NOT_SLOWER: "Nothing is to be done.",
        SLOWER: f"Look at what changed since {against}; where it is worth its time, allow more by --max-slowdown.",
        UNDECIDED: f"{_why_undecided(document)}: give them more time (--budget {_budget(document)}) or a quieter"
        " machine, or ask for less (a larger --max-slowdown); --undecided pass lets it through.",
        FAILED: "Mend what fails its gate first: until then the times are of something else.",
    }[verdicts.overall(document)]


def _why_undecided(document: Document) -> str:
    """The measurements are too few for an interval, or else the interval holds the limit."""
    few = [phase for phase in _undecided(document) if phase["low"] is None and phase["next_look"]]
    if not few:
        return "The measurements don't tell"
    phase = max(few, key=lambda own: own["next_look"] / own["pairs"])
    return f"Of {phase['next_look']} {unit(document)} that an interval needs at least there are {phase['pairs']}"


def _budget(document: Document) -> str:
    """In minutes: what the next look takes and a fifth more, where that is known, or else twice what there was."""
    shares = [1.2 * phase["next_look"] / phase["pairs"] for phase in _undecided(document) if phase["next_look"]]
    return f"{math.ceil(max([2.0, *shares]) * document['settings']['budget_s'] / 60)}m"


def _undecided(document: Document) -> list[Part]:
    phases = [phase for backend in document["backends"] for phase in backend["phases"]]
    return [phase for phase in phases if phase["verdict"] == UNDECIDED]


def unit(document: Document) -> str:
    """Return what is counted."""
    return "processes" if verdicts.is_of_a_file(document) else "pairs"


def last_line(document: Document) -> str:
    """Return the verdict with its exit code, and what to do next."""
    code = verdicts.exit_code(document)
    return f"Verdict: {verdicts.overall(document)} (exit code {code}). {advice(document)}"


def upgrades(document: Document) -> Iterator[str]:
    """Yield a line for every backend whose framework isn't the same on both sides."""
    for backend in document["backends"]:
        base, head = (_version(backend["versions"][side]) for side in ("base", "head"))
        if base != head:
            yield f"{backend['backend']}: {head} against {base}."


def _version(own: Part) -> str:
    released = f" ({own['released']})" if own.get("released") else ""
    return f"{own.get('framework')} {own.get('version')}{released}, Python {own.get('python')}"
