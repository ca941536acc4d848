"""What the study saw, as claims that a run of one's own bears out or doesn't."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.layout import ABSENT, Table
from bench.study import accuracy
from bench.study.accuracy import Curve, Published

COMES_OUT, DOES_NOT, UNTOLD = "comes out", "the other way round", "can't be told"


@dataclass(frozen=True)
class Trend:
    """A claim: one setting is more accurate over the rounds than another, both in one table of the study."""

    claim: str
    table: str
    ahead: str
    behind: str


TRENDS = (
    Trend("more clients learn more slowly: IID, 3 over 100", "clients", "IID, 3 clients", "IID, 100 clients"),
    Trend(
        "3 clients: one class a client is worst: IID over it",
        "clients",
        "IID, 3 clients",
        "one class a client, 3 clients",
    ),
    Trend(
        "3 clients: one class a client is worst: two classes over it",
        "clients",
        "two classes a client, 3 clients",
        "one class a client, 3 clients",
    ),
    Trend(
        "batch normalisation learns faster: IID, 100 clients",
        "batchnorm",
        "IID, 100 clients: with",
        "IID, 100 clients: without",
    ),
    Trend(
        "batch normalisation learns faster: one class, 3 clients",
        "batchnorm",
        "one class a client, 3 clients: with",
        "one class a client, 3 clients: without",
    ),
)


@dataclass(frozen=True)
class Finding:
    """What a run says of a trend with one backend: the lead in points, the mean over the rounds both evaluated."""

    trend: Trend
    backend: str
    lead: float
    give_or_take: float

    @property
    def verdict(self) -> str:
        """Whether the lead is there, beyond what the held-out samples leave open."""
        if abs(self.lead) <= self.give_or_take:
            return UNTOLD
        return COMES_OUT if self.lead > 0 else DOES_NOT


def findings(comparison: Mapping[str, Any]) -> list[Finding]:
    """Return what the run says of each trend that it has both settings of, by backend."""
    published = accuracy.tables()
    return [finding for trend in TRENDS for finding in _findings(trend, published[trend.table], comparison)]


def _findings(trend: Trend, published: Published, comparison: Mapping[str, Any]) -> list[Finding]:
    ahead, behind = (accuracy.cell_of(published.column(name), comparison) for name in (trend.ahead, trend.behind))
    if ahead is None or behind is None:
        return []
    upper, lower = accuracy.curves(ahead), accuracy.curves(behind)
    found = []
    for backend in upper:
        means = _means(upper[backend], lower.get(backend, {}))
        if means:
            open_ = accuracy.uncertainty(statistics.mean(means), ahead["test_samples"])
            found.append(Finding(trend, backend, means[0] - means[1], open_))
    return found


def _means(a: Curve, b: Curve) -> tuple[float, float] | None:
    """The mean accuracies over the rounds that both have."""
    common = sorted(a.keys() & b.keys())
    if not common:
        return None
    return statistics.mean(a[number] for number in common), statistics.mean(b[number] for number in common)


def table(comparison: Mapping[str, Any]) -> Table | None:
    """Return the trends as a table; None where the run has both settings of none."""
    found = findings(comparison)
    if not found:
        return None
    published = accuracy.tables()
    backends = list(dict.fromkeys(finding.backend for finding in found))
    rows = []
    for trend in dict.fromkeys(finding.trend for finding in found):
        own = {finding.backend: finding for finding in found if finding.trend == trend}
        texts = (_text(own[backend]) if backend in own else ABSENT for backend in backends)
        rows.append((trend.claim, _published(trend, published[trend.table]), *texts))
    notes = (
        "The lead in points: mean accuracy over the evaluated rounds of the first setting less that of the second. It"
        " comes out where it is above what the held-out samples leave open (95 %), of one training a setting: another"
        " seed moves it further. The study's lead is over the rounds it tells, so the sizes don't compare.",
    )
    return Table("Does what the study saw come out?", ("claim", "study", *backends), tuple(rows), notes)


def words(comparison: Mapping[str, Any]) -> list[str]:
    """Return a sentence a backend."""
    found = findings(comparison)
    told = []
    for backend in dict.fromkeys(finding.backend for finding in found):
        own = [finding for finding in found if finding.backend == backend]
        counts = [(verdict, sum(one.verdict == verdict for one in own)) for verdict in (COMES_OUT, DOES_NOT, UNTOLD)]
        parts = [f"{count} {_verb(verdict, count)}" for verdict, count in counts if count]
        told.append(
            f"Of {len(own)} trend{'s' if len(own) > 1 else ''} of the study, with {backend}: {', '.join(parts)}."
        )
    return told


def _verb(verdict: str, count: int) -> str:
    plural = {COMES_OUT: "come out", DOES_NOT: "go the other way round", UNTOLD: UNTOLD}
    singular = {COMES_OUT: COMES_OUT, DOES_NOT: "goes the other way round", UNTOLD: UNTOLD}
    return singular[verdict] if count == 1 else plural[verdict]


def _text(finding: Finding) -> str:
    return f"{finding.lead:+.1f} (give or take {finding.give_or_take:.1f}): {finding.verdict}"


def _published(trend: Trend, published: Published) -> str:
    ahead, behind = (published.column(name).figures.get("PyTorch", {}) for name in (trend.ahead, trend.behind))
    means = _means(ahead, behind)
    return f"{means[0] - means[1]:+.1f}" if means else ABSENT
