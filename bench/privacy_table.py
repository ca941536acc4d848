"""The privacy part of a comparison as tables: noise, accuracy and epsilon by backend, and the study's beside."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.layout import ABSENT, Table, figures, ratio, size
from bench.study.privacy import study

Row = Mapping[str, Any]


def tables(comparison: Mapping[str, Any]) -> list[Table]:
    """Return two tables a backend (and whatever else the grid sets): epsilon, and price; then the study's beside."""
    rows = comparison["privacy"]
    found = []
    for backend, words in dict.fromkeys((row["backend"], place(row)) for row in rows):
        own = [row for row in rows if (row["backend"], place(row)) == (backend, words)]
        title = backend + (f" [{words}]" if words else "")
        found.append(_epsilons(f"Privacy: {title}", own))
        if any(row["price"] for row in own):
            found.append(_prices(f"The price of privacy: {title}", own, comparison["machine"]))
    return [*found, *_beside_the_study(rows)]


def place(row: Row) -> str:
    """What the grid sets beside privacy, in words."""
    return ", ".join(f"{key.split('.')[-1]} {value}" for key, value in row["group"].items())


def way(privacy: Row) -> str:
    """By which engine, fused always told, and what is protected."""
    return f"{privacy['engine']}, {privacy['unit']}" + ("" if privacy["sampling"] == "poisson" else ", shuffled")


def label(privacy: Row | None, others: Sequence[Row]) -> str:
    """By which engine, and all in which it differs from `others` beside it, but for noise."""
    if privacy is None:
        return "none"
    telling = [key for key in ("unit", "sampling", "max_grad_norm", "delta") if len({own[key] for own in others}) > 1]
    values = (str(privacy[key]) if isinstance(privacy[key], str) else f"{key} {privacy[key]:g}" for key in telling)
    return ", ".join([privacy["engine"], *values])


def epsilon(value: float | str | None) -> str:
    """An epsilon as a person reads it."""
    if value is None:
        return ABSENT
    return "infinite" if math.isinf(float(value)) else figures(float(value))


def mean_and_spread(values: Sequence[float]) -> str:
    """The mean in percent, and the range where repeats differ."""
    mean, low, high = (100 * own for own in (statistics.mean(values), min(values), max(values)))
    return f"{mean:.1f}" + (f" ({low:.0f}-{high:.0f})" if low < high else "")


def _epsilons(title: str, rows: Sequence[Row]) -> Table:
    private = [row["privacy"] for row in rows if row["privacy"]]
    names = list(dict.fromkeys(figure["name"] for own in private for figure in own["own"]))
    body = []
    for row in rows:
        own = row["privacy"]
        line = [label(own, private), _noise(own), f"{row['lr']:g}", mean_and_spread(row["accuracy"])]
        if own is None:
            line += ["infinite"] * 2 + [ABSENT] * len(names)
        else:
            claimed = {figure["name"]: epsilon(figure["epsilon"]) for figure in own["own"]}
            line += [epsilon(own["epsilon_pld"]), epsilon(own["epsilon_rdp"])]
            line += [claimed.get(name, ABSENT) for name in names]
        body.append(tuple(line))
    notes = (
        "PLD, RDP: epsilon of one run by fedbench's accountants, from the plan; upper bounds, PLD the tighter. Several"
        " runs add up, and the certificate's probe trains without noise: a run folder is not for publishing."
        + (f" {', '.join(names)}: the framework's own." if names else ""),
        *notes_of(private),
    )
    headings = (name.replace(" ", "\n") for name in names)  # eighty columns are few
    columns = ("privacy", "noise", "lr", "accuracy, %", "PLD", "RDP", *headings)
    return Table(title, columns, tuple(body), tuple(dict.fromkeys(notes)))


def _prices(title: str, rows: Sequence[Row], machine: Mapping[str, Any]) -> Table:
    body = tuple(
        (
            label(row["privacy"], [other["privacy"] for other in rows if other["privacy"]]),
            _noise(row["privacy"]),
            figures(row["round_s"]),
            ratio(row["price"]) if row["price"] else ABSENT,
            size(row["peak_rss_bytes"]),
        )
        for row in rows
    )
    notes = [
        "price: a round's time over the same backend's without privacy, round by round of the same repeat, with its"
        " 95 % bootstrap interval; the learning rate takes no time. The first rounds are kept apart."
        f" {machine['threads']} threads on {machine['cpu']}, {machine['cores']} cores."
    ]
    if any(row["privacy"] and row["privacy"]["engine"] == "fused" for row in rows):
        notes.append("fused: not the framework's privacy library but fedbench's own faster equal, in that framework.")
    return Table(title, ("privacy", "noise", "a round, s", "price", "peak memory"), body, tuple(notes))


def _noise(privacy: Row | None) -> str:
    return ABSENT if privacy is None else figures(privacy["noise_multiplier"])


def notes_of(private: Sequence[Row]) -> list[str]:
    """Return what an epsilon must not be read without: delta, clipping, what is assumed, and what is wrong."""
    notes = []
    for own in private:
        clipped = "gradient" if own["unit"] == "example" else "update"
        notes.append(
            f"delta {own['delta']:g}; each {own['unit']}'s {clipped} clipped to an L2 norm of {own['max_grad_norm']:g}."
            f" Assumed ({own['sampling']}): {own['assumption']}."
        )
        others = [figure["name"] for figure in own["own"] if figure["sampling"] != own["sampling"]]
        if others:
            notes.append(f"{' and '.join(others)} take Poisson draws for granted, which these batches are not.")
        notes += [f"{text}." for text in own["warnings"]]
        notes += [f"ACCOUNTANTS DISAGREE: {text}." for text in own["disagreements"]]
    return notes


def _beside_the_study(rows: Sequence[Row]) -> list[Table]:
    """The study's three noises, by each backend's own library."""
    own = study()
    asked = {"engine": "stock", "unit": "example", "sampling": "poisson"}
    kinds = [row for row in rows if row["privacy"] and asked.items() <= row["privacy"].items()]
    found = {(row["backend"], row["privacy"]["noise_multiplier"]): row for row in kinds}
    backends = list(dict.fromkeys(backend for backend, _ in found))
    if len(found) < len(kinds) or not any(noise in own.noise_multipliers for _, noise in found):
        return []  # several rows for one noise, or none
    body = []
    for noise, accuracy, published in zip(own.noise_multipliers, own.accuracies, own.epsilons, strict=True):
        line = [f"{noise:g}", f"{accuracy:.2f}", f"{published:,.1f}"]
        for backend in backends:
            row = found.get((backend, noise))
            line += [mean_and_spread(row["accuracy"]), epsilon(row["privacy"]["epsilon_pld"])] if row else [ABSENT] * 2
        body.append(tuple(line))
    columns = ["noise", "study:\naccuracy, %", "\nepsilon"]
    for backend in backends:
        columns += [f"{backend}:\naccuracy, %", "\nPLD"]
    notes = (
        f"The study's {own.rounds} rounds on its own images; epsilon as it published it, at delta {own.delta:g}. bench"
        " privacy deck tells why that isn't what it spent.",
    )
    return [Table("The study's table beside yours", tuple(columns), tuple(body), notes)]
