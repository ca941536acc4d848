"""The study's "the accelerometer alone is best", put to paired tests: on the same held-out samples, and people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.crossval.intervals import least_p, mcnemar, sign_flips
from bench.crossval.pools import Pool, pools

CLAIMED, OTHERS = "accelerometer", ("all", "gyroscope")
LEVEL = 0.05


@dataclass(frozen=True)
class Duel:
    """The accelerometer against other axes: `only_claimed` and `only_other` count what one alone got right.

    by_group: by how much its accuracy is higher with each group, such as a person, where groups are held out whole.
    """

    other: str
    both: int
    only_claimed: int
    only_other: int
    neither: int
    by_group: tuple[float, ...] = ()

    @property
    def p(self) -> float:
        """Two-sided, exact."""
        return mcnemar(self.only_claimed, self.only_other)

    @property
    def p_by_group(self) -> float:
        """Two-sided, exact for up to 20 groups; a group is a pair."""
        return sign_flips(self.by_group)

    @property
    def least_p_by_group(self) -> float:
        """The smallest that so many groups can come to."""
        return least_p(len(self.by_group))

    @property
    def samples(self) -> int:
        """How many both were asked."""
        return self.both + self.only_claimed + self.only_other + self.neither


@dataclass(frozen=True)
class Claim:
    """What comes out of the claim, for one backend and one way of holding out."""

    split: str
    words: str
    backend: str
    duels: tuple[Duel, ...]

    @property
    def verdict(self) -> Literal["comes out", "other way round", "can't be told"]:
        """It comes out where both tests say so; the other way round where one does, at half the level: two could."""
        better = [duel.only_claimed > duel.only_other and duel.p < LEVEL for duel in self.duels]
        worse = [duel.only_claimed < duel.only_other and duel.p < LEVEL / 2 for duel in self.duels]
        if any(worse):
            return "other way round"
        return "comes out" if all(better) and len(better) == len(OTHERS) else "can't be told"


def claims(comparison: Mapping[str, Any]) -> list[Claim]:
    """Return a claim for each backend, way of holding out and what else the grid sets; none without the axes."""
    families: dict[str, dict[str | None, Pool]] = {}
    for pool in pools(comparison):
        families.setdefault(pool.family, {})[pool.axes] = pool
    found = []
    for own in families.values():
        claimed = own.get(CLAIMED)
        if claimed is None:
            continue
        others = [own[name] for name in OTHERS if name in own]
        for backend in claimed.backends():
            duels = _duels(claimed, others, backend)
            if duels:
                found.append(Claim(claimed.split, claimed.words, backend, duels))
    return found


def _duels(claimed: Pool, others: Sequence[Pool], backend: str) -> tuple[Duel, ...]:
    found = []
    mine = claimed.predictions(backend)
    for other in others:
        theirs = other.predictions(backend)
        shared = [sample for sample in mine if sample in theirs and mine[sample][0] == theirs[sample][0]]
        if shared:
            hits = [(mine[one][0] == mine[one][1], theirs[one][0] == theirs[one][1]) for one in shared]
            both, mine_alone, theirs_alone, neither = (
                hits.count(case) for case in ((True, True), (True, False), (False, True), (False, False))
            )
            by_group = _by_group(dict(zip(shared, hits, strict=True)), claimed)
            found.append(Duel(str(other.axes), both, mine_alone, theirs_alone, neither, by_group))
    return tuple(found)


def _by_group(hits: Mapping[int, tuple[bool, bool]], claimed: Pool) -> tuple[float, ...]:
    """How much more accurate the first is with each group; a single group makes no comparison."""
    groups: dict[int, list[int]] = {}
    whose = claimed.groups()
    for sample, (first, second) in hits.items():
        if sample in whose:
            groups.setdefault(whose[sample], []).append(first - second)
    return tuple(sum(own) / len(own) for _, own in sorted(groups.items())) if len(groups) > 1 else ()
