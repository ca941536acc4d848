"""Cross-validation as tables and sentences: accuracy with its interval, confusions, certificates, the axes' claim."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from bench.crossval import spending
from bench.crossval.axes import CLAIMED, LEVEL, Claim, Duel, claims
from bench.crossval.intervals import least_p, wilson
from bench.crossval.pools import Pool, is_fold, pools, right, splits
from bench.layout import ABSENT, Table, figures, ratio, size
from bench.ratios import pooled

Comparison = Mapping[str, Any]
COSTS = {"round_s": "a round", "peak_rss_bytes": "memory"}  # of which ratios are told


def tables(comparison: Comparison) -> list[Table]:
    """Return the tables of all cross-validations; none where there are no folds."""
    by_split = splits(pools(comparison))
    told = claims(comparison)
    found = []
    for split, own in by_split.items():
        if any(pool.backends() for pool in own):
            found += [_accuracies(split, own), _costs(split, own, comparison), *spending.tables(split, own, comparison)]
            found.append(_confusions(split, best(own)))
        claimed = [claim for claim in told if claim.split == split]
        found += [_claims(split, claimed), *_claims_by_group(split, claimed)] if claimed else []
    return [*found, *_certificates(comparison)]


def words(comparison: Comparison) -> list[str]:
    """Return what comes out, a sentence each: the most accurate of each split, and the claim about axes."""
    found = []
    for split, own in splits(pools(comparison)).items():
        ranked = sorted(_shares(own), reverse=True)
        if ranked:
            share, place, backend = ranked[0]
            found.append(
                f"Cross-validation, {split}: {backend} on {own[place].title} is right most often, in"
                f" {100 * share:.1f} % of the samples."
            )
    return [*found, *map(sentence, claims(comparison))]


def sentence(claim: Claim) -> str:
    """Return what comes out of the claim for one backend."""
    duels = "; ".join(
        f"against {duel.other} {duel.only_claimed} to {duel.only_other} of {duel.samples} samples that one alone gets"
        f" right, p {_p(duel.p)}{_told_by_group(claim.split, duel)}"
        for duel in claim.duels
    )
    place = f"{claim.split}{f', {claim.words}' if claim.words else ''}, {claim.backend}"
    verdict = {"other way round": "it is the other way round"}.get(claim.verdict, claim.verdict)
    return f"“{CLAIMED.capitalize()} only is best” ({place}): {verdict} ({duels})."


def _told_by_group(split: str, duel: Duel) -> str:
    if not duel.by_group:
        return ""
    better = sum(own > 0 for own in duel.by_group)
    worse = sum(own < 0 for own in duel.by_group)
    return (
        f", by {_kind(split)} better for {better} and worse for {worse} of {len(duel.by_group)}, p"
        f" {_p(duel.p_by_group)} where {_p(duel.least_p_by_group)} is the least"
    )


def best(own: Sequence[Pool]) -> Pool:
    """Return the pool in which backends are right most often, on average."""
    return max(own, key=lambda pool: sum(_share(pool, name) for name in pool.backends()) / max(1, len(pool.backends())))


def confusion(pool: Pool, backend: str) -> list[list[int]]:
    """Return how often each class (a row) was taken for each (a column)."""
    counts = [[0] * len(pool.names) for _ in pool.names]
    for truth, predicted in pool.predictions(backend).values():
        counts[truth][predicted] += 1
    return counts


def _share(pool: Pool, backend: str) -> float:
    own = pool.predictions(backend)
    return right(own) / len(own)


def _shares(own: Sequence[Pool]) -> list[tuple[float, int, str]]:
    return [(_share(pool, name), place, name) for place, pool in enumerate(own) for name in pool.backends()]


def _accuracies(split: str, own: Sequence[Pool]) -> Table:
    rows = []
    for pool in own:
        for backend in pool.backends():
            told = pool.predictions(backend)
            low, high = (f"{100 * end:.1f}" for end in wilson(right(told), len(told)))
            folds = [100 * value for value in pool.by_fold(backend)]
            share = f"{100 * _share(pool, backend):.1f}"
            rows.append(
                (pool.title, _name(pool, backend), share, f"{low}-{high}", f"{min(folds):.0f}-{max(folds):.0f}")
            )
    counts = sorted({len(pool.predictions(name)) for pool in own for name in pool.backends()})
    notes = [
        f"Accuracy over all folds together, each of {' or '.join(map(str, counts))} samples predicted once, when it was"
        " held out; Wilson's 95 % interval; by fold: the worst and the best.",
        _assumption(split),
        *(
            f"{name}, {pool.title}: only {len(pool.runs(name))} of {pool.folds} folds"
            for pool in own
            for name in pool.backends()
            if len(pool.runs(name)) < pool.folds
        ),
    ]
    columns = ("", "backend", "accuracy, %", "95 %", "by fold")
    return Table(f"Cross-validation: {split}", columns, tuple(rows), tuple(notes))


def _costs(split: str, own: Sequence[Pool], comparison: Comparison) -> Table:
    rows = []
    ratios = [pooled([cell["runs"] for cell in pool.cells], COSTS) for pool in own]
    baselines = {one["a"]: one["b"] for entries in ratios for one in entries}
    told = tuple(COSTS) if baselines else ()
    for pool, entries in zip(own, ratios, strict=True):
        of = {(one["a"], one["metric"]): ratio(one) for one in entries}
        for backend in pool.backends():
            sample_s, model = pool.median(backend, "sample_s"), pool.median(backend, "model_bytes")
            rows.append(
                (
                    pool.title,
                    backend,
                    figures(pool.train_s(backend)),
                    *(of.get((backend, metric), ABSENT) for metric in told),
                    ABSENT if sample_s is None else figures(1000 * sample_s),
                    ABSENT if model is None else size(model),
                )
            )
    central = sorted({name for pool in own for name in pool.backends() if _is_central(pool, name)})
    machine = comparison["machine"]
    notes = [
        "Medians over folds. Training: all rounds, the first among them; one sample: predicted by itself, again and"
        f" again; model: the numbers that prediction needs. {machine['threads']} threads on {machine['cpu']},"
        f" {machine['cores']} cores.",
        *(f"{name} is centralised: it learns from everyone's samples together, in one round." for name in central),
    ]
    if baselines:
        pairs = ", ".join(f"{name} to {baseline}" for name, baseline in baselines.items())
        notes.insert(
            1,
            f"x: ratio of {pairs}; a pair is the same fold, repeat and round, the warm-up kept apart, with its 95 %"
            " bootstrap interval.",
        )
    columns = ("", "backend", "training, s", *(COSTS[metric] for metric in told), "one sample, ms", "model")
    return Table(f"What a fold costs: {split}", columns, tuple(rows), tuple(notes))


def _is_central(pool: Pool, backend: str) -> bool:
    return bool(pool.runs(backend)[0].get("centralised"))


def _name(pool: Pool, backend: str) -> str:
    return f"{backend}, centralised" if _is_central(pool, backend) else backend


def _assumption(split: str) -> str:
    if split == "shuffled":
        return "Shuffled: who is held out is in the training part, too, so this says little of somebody new."
    kind = _kind(split)
    return (
        f"A {kind}'s samples are all held out, or none. Samples of one {kind} are alike, so that the interval, which"
        " takes them for independent, is too narrow."
    )


def _kind(split: str) -> str:
    """What is held out whole, such as a person."""
    return split.removesuffix(" held out")


def _confusions(split: str, pool: Pool) -> Table:
    rows = [
        (backend, name, *map(str, counts))
        for backend in pool.backends()
        for name, counts in zip(pool.names, confusion(pool, backend), strict=True)
    ]
    notes = (
        "Rows: what it was; columns: what was predicted. The axes that are right most often; the picture has all.",
    )
    return Table(
        f"Confusions: {split} [{pool.title}]",
        ("backend", "class", *pool.names),
        tuple(rows),
        notes if pool.axes else (),
    )


def _claims(split: str, found: Sequence[Claim]) -> Table:
    rows = tuple(
        (
            f"{claim.backend}, {claim.words}" if claim.words else claim.backend,
            duel.other,
            str(duel.both),
            str(duel.only_claimed),
            str(duel.only_other),
            str(duel.neither),
            _p(duel.p),
            claim.verdict if place == 0 else "",
        )
        for claim in found
        for place, duel in enumerate(claim.duels)
    )
    notes = (
        "Samples that both predict rightly, the accelerometer alone, the other axes alone, and neither. Exact McNemar"
        " test, two-sided. The study's claim comes out where the accelerometer is better than both at p < 0.05; it is"
        " the other way round where one of them is better at p < 0.025. It takes samples for independent, which those"
        " of one person aren't: p is too small by that, and what it says is of these people.",
    )
    columns = ("backend", "against", "both", "accel.", "other", "none", "p", "claim")
    return Table(f"Is the accelerometer alone best? {split[0].upper()}{split[1:]}", columns, rows, notes)


def _claims_by_group(split: str, found: Sequence[Claim]) -> list[Table]:
    """The same claim with a person, or whatever is held out whole, for a pair."""
    rows = tuple(
        (
            f"{claim.backend}, {claim.words}" if claim.words else claim.backend,
            duel.other,
            str(sum(own > 0 for own in duel.by_group)),
            str(sum(own < 0 for own in duel.by_group)),
            f"{100 * mean(duel.by_group):+.1f}",
            f"{100 * min(duel.by_group):+.0f} to {100 * max(duel.by_group):+.0f}",
            _p(duel.p_by_group),
        )
        for claim in found
        for duel in claim.duels
        if duel.by_group
    )
    if not rows:
        return []
    kind = _kind(split)
    counts = sorted({len(duel.by_group) for claim in found for duel in claim.duels if duel.by_group})
    least = " or ".join(f"{_p(least_p(count))} of {count}" for count in counts)
    notes = (
        f"Each held-out {kind} is a pair: the accuracy with the accelerometer less that with the other axes, in points,"
        f" better or worse for so many; their mean, smallest and largest. Sign-flip test, two-sided: all differences'"
        f" signs flipped in every way; one {kind} counts as independent of another, though folds share what they train"
        f" on. The smallest p that there can be is {least}: where that is above {LEVEL}, so few can't settle the claim,"
        " whatever comes out.",
    )
    columns = ("backend", "against", "better", "worse", "points", "from, to", "p")
    return [Table(f"Is the accelerometer alone best? A {kind} a pair", columns, rows, notes)]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _certificates(comparison: Comparison) -> list[Table]:
    """One row a backend: the folds' certificates together."""
    tasks = {cell["task"]: cell["parity"] for cell in comparison["cells"] if is_fold(cell)}
    verdicts: dict[str, list[Mapping[str, Any]]] = {}
    for parity in tasks.values():
        for backend, own in parity["backends"].items():
            verdicts.setdefault(backend, []).append(own)
    if not verdicts:
        return []
    rows = []
    for backend, found in verdicts.items():
        off = [value for own in found for value in own["max_abs_by_round"]]
        share = [value for own in found for value in own["relative_by_round"]]
        passed = sum(own["verdict"] == "pass" for own in found)
        rows.append(
            (
                backend,
                f"{passed} of {len(found)} pass",
                f"{max(off):.1e}" if off else ABSENT,
                f"{100 * max(share):.3g} %" if share else ABSENT,
            )
        )
    reasons = [f"{name}: {own['reason']}" for name, found in verdicts.items() for own in found if own["reason"]]
    notes = (*dict.fromkeys(reasons), "Weights after each of the plan's first rounds against the float64 reference.")
    return [
        Table(
            "Certificates of all folds",
            ("backend", "verdict", "largest difference", "of the movement"),
            tuple(rows),
            notes,
        )
    ]
