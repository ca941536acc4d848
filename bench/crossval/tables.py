"""Cross-validation as tables and sentences: accuracy with its interval, confusions, certificates, the axes' claim."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.crossval.axes import CLAIMED, Claim, claims
from bench.crossval.intervals import wilson
from bench.crossval.pools import Pool, is_fold, pools, right, splits
from bench.layout import ABSENT, Table, figures, size

Comparison = Mapping[str, Any]


def tables(comparison: Comparison) -> list[Table]:
    """Return the tables of all cross-validations; none where there are no folds."""
    by_split = splits(pools(comparison))
    found = [_accuracies(split, own, comparison) for split, own in by_split.items()]
    found += [_confusions(split, best(own)) for split, own in by_split.items() if _is_told(own)]
    told = claims(comparison)
    found += [_claims(told)] if told else []
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
        f" right, p {_p(duel.p)}"
        for duel in claim.duels
    )
    place = f"{claim.split}{f', {claim.words}' if claim.words else ''}, {claim.backend}"
    verdict = {"other way round": "it is the other way round"}.get(claim.verdict, claim.verdict)
    return f"“{CLAIMED.capitalize()} only is best” ({place}): {verdict} ({duels})."


def best(own: Sequence[Pool]) -> Pool:
    """Return the pool in which backends are right most often, on average."""
    return max(own, key=lambda pool: sum(_share(pool, name) for name in pool.backends()) / max(1, len(pool.backends())))


def confusion(pool: Pool, backend: str) -> list[list[int]]:
    """Return how often each class (a row) was taken for each (a column)."""
    counts = [[0] * len(pool.names) for _ in pool.names]
    for truth, predicted in pool.predictions(backend).values():
        counts[truth][predicted] += 1
    return counts


def _is_told(own: Sequence[Pool]) -> bool:
    return any(pool.backends() for pool in own)


def _share(pool: Pool, backend: str) -> float:
    own = pool.predictions(backend)
    return right(own) / len(own)


def _shares(own: Sequence[Pool]) -> list[tuple[float, int, str]]:
    return [(_share(pool, name), place, name) for place, pool in enumerate(own) for name in pool.backends()]


def _accuracies(split: str, own: Sequence[Pool], comparison: Comparison) -> Table:
    rows = [_row(pool, backend) for pool in own for backend in pool.backends()]
    central = sorted({name for pool in own for name in pool.backends() if pool.runs(name)[0].get("centralised")})
    machine = comparison["machine"]
    notes = [
        "Accuracy over all folds together, each sample predicted once, when it was held out, with Wilson's 95 %"
        " interval; by fold: from the worst fold to the best.",
        _assumption(split, own),
        "Training: all rounds of a fold, the first among them; one gesture: one sample predicted by itself, median of"
        f" several; medians over folds. {machine['threads']} threads on {machine['cpu']}, {machine['cores']} cores.",
        *(f"{name} is centralised: it learns from everyone's samples together, in one round." for name in central),
        *(
            f"{name}, {pool.title}: only {len(pool.runs(name))} of {pool.folds} folds"
            for pool in own
            for name in pool.backends()
            if len(pool.runs(name)) < pool.folds
        ),
    ]
    columns = ("", "backend", "accuracy, %", "by fold", "training, s", "one gesture, ms", "model")
    return Table(f"Cross-validation: {split}", columns, tuple(rows), tuple(notes))


def _assumption(split: str, own: Sequence[Pool]) -> str:
    if split == "shuffled":
        return "Shuffled: who is held out is in the training part, too, so this says little of somebody new."
    kind = split.removesuffix(" held out")
    return (
        f"A {kind}'s samples are all held out, or none. Samples of one {kind} are alike, so that the interval, which"
        " takes them for independent, is too narrow."
    )


def _row(pool: Pool, backend: str) -> tuple[str, ...]:
    own = pool.predictions(backend)
    low, high = wilson(right(own), len(own))
    folds = [100 * value for value in pool.by_fold(backend)]
    sample_s, model = pool.median(backend, "sample_s"), pool.median(backend, "model_bytes")
    name = f"{backend}, centralised" if pool.runs(backend)[0].get("centralised") else backend
    return (
        pool.title,
        name,
        f"{100 * right(own) / len(own):.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{min(folds):.0f} to {max(folds):.0f}",
        figures(pool.train_s(backend)),
        ABSENT if sample_s is None else figures(1000 * sample_s),
        ABSENT if model is None else size(model),
    )


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


def _claims(found: Sequence[Claim]) -> Table:
    rows = tuple(
        (
            claim.split + (f", {claim.words}" if claim.words else ""),
            claim.backend,
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
        "The study's claim. Exact McNemar test, two-sided, on the same held-out samples: which ones are right with the"
        " accelerometer alone, and which with the other axes alone. It comes out where it is better than both at p <"
        " 0.05; the other way round where one of them is better at p < 0.025.",
    )
    columns = ("held out", "backend", "against", "both\nright", "only\naccel.", "only\nother", "neither", "p", "claim")
    return Table("Is the accelerometer alone best?", columns, rows, notes)


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
