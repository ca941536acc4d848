"""What cross-validated training spent of privacy, and what that cost it: folds are separate trainings."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.cells import finished
from bench.crossval.pools import Pool
from bench.layout import ABSENT, Table, figures, ratio
from bench.privacy_summary import without_privacy
from bench.privacy_table import epsilon, notes_of, way
from bench.ratios import compared_over

PRICE = (
    "price: a round's time over the same backend's without privacy, pairs of the same fold, repeat and round, with its"
    " 95 % bootstrap interval."
)
Privacy = Mapping[str, Any]


def tables(split: str, own: Sequence[Pool], comparison: Mapping[str, Any]) -> list[Table]:
    """Return a row a private cross-validation and backend; no table where none is private."""
    spent = [(pool, name, found) for pool in own for name in pool.backends() if (found := _spent(pool, name))]
    if not spent:
        return []
    rows = tuple(
        (
            pool.title,
            backend,
            way(found[0]),
            _range([own["noise_multiplier"] for own in found]),
            *(epsilon(max(float(own[key]) for own in found)) for key in ("epsilon_pld", "epsilon_rdp")),
            _own(found),
            _price(pool, backend, comparison["cells"]),
        )
        for pool, backend, found in spent
    )
    notes = (
        "PLD, RDP: epsilon of one fold's training by fedbench's accountants, from the plan, the largest of all folds;"
        " upper bounds, PLD the tighter. Each fold is a training of its own, and this is what each spends by itself;"
        " but a sample is trained on in all folds but one, so what several folds give away together (their models, or"
        " the accuracy over all of them) adds up. The certificate's probe trains without noise: a run folder is not for"
        " publishing.",
        *([PRICE] if any(row[-1] != ABSENT for row in rows) else []),
        *dict.fromkeys(note for _, _, found in spent for note in notes_of(found)),
    )
    columns = ("", "backend", "privacy", "noise", "PLD", "RDP", "its own", "price")
    return [Table(f"What a fold spends of privacy: {split}", columns, rows, notes)]


def _spent(pool: Pool, backend: str) -> list[Privacy]:
    return [run["privacy"] for run in pool.runs(backend) if run["privacy"]]


def _range(values: Sequence[float]) -> str:
    """One noise for all folds; several where each was found for the same epsilon."""
    told = list(dict.fromkeys(figures(value) for value in (min(values), max(values))))
    return "-".join(told)


def _own(found: Sequence[Privacy]) -> str:
    """What the framework itself says, the largest of all folds."""
    claimed: dict[str, list[float]] = {}
    for figure in (figure for own in found for figure in own["own"]):
        if figure["epsilon"] is not None:
            claimed.setdefault(figure["name"], []).append(float(figure["epsilon"]))
    return ", ".join(f"{name} {epsilon(max(values))}" for name, values in claimed.items()) or ABSENT


def _price(pool: Pool, backend: str, cells: Sequence[Mapping[str, Any]]) -> str:
    pairs = []
    for cell in pool.cells:
        plain = without_privacy(cell, cells)
        if plain is not None:
            pairs.append((finished(cell).get(backend, []), finished(cells[plain]).get(backend, [])))
    price = compared_over(pairs, "round_s") if pairs else None
    return ratio(price) if price else ABSENT
