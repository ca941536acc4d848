"""Whose is the gap between PyTorch and TensorFlow: the frameworks', or that of two faults in the study's model?

The study's PyTorch model returns softmax(x) into a loss that applies softmax once more, and its dropout stays on
while it is evaluated. Cells that differ in nothing but these two faults take the gap apart.
"""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.layout import ABSENT, Table
from bench.study import accuracy
from bench.study.accuracy import FAULTS, FRAMEWORKS, Cell, Curve

Faults = tuple[bool, bool]  # softmax in the model, dropout always on
CORRECTED, BOTH = (False, False), (True, True)
NAMES: dict[Faults, str] = {
    CORRECTED: "corrected",
    (True, False): "softmax in the model",
    (False, True): "dropout always on",
    BOTH: "both faults, as the study had it",
}


@dataclass(frozen=True)
class Gap:
    """Cells that differ in the faults alone; `curves` by faults and backend."""

    cells: Mapping[Faults, Cell]
    curves: Mapping[Faults, Mapping[str, Curve]]

    @property
    def backends(self) -> list[str]:
        """Those that trained the corrected model and the faulty one."""
        return [name for name in self.curves[CORRECTED] if name in self.curves[BOTH]]

    @property
    def last(self) -> int:
        """The last round that all have evaluated."""
        return min(max(curve) for own in self.curves.values() for curve in own.values())

    def at_last(self, faults: Faults, backend: str) -> float:
        """Accuracy in percent after the last round."""
        return self.curves[faults][backend][self.last]

    @property
    def held_out(self) -> int:
        """How many samples accuracy is a share of."""
        return int(self.cells[CORRECTED]["test_samples"])


def find(comparison: Mapping[str, Any]) -> Gap | None:
    """Return the longest group of cells that has the corrected model and the one with both faults, if there is any."""
    groups: dict[str, dict[Faults, Cell]] = {}
    for cell in comparison["cells"]:
        spec = json.loads(json.dumps(cell["spec"]))
        first, second = (spec["model"].pop(fault) for fault in FAULTS)
        groups.setdefault(json.dumps(spec, sort_keys=True), {})[first, second] = cell
    whole = [own for own in groups.values() if CORRECTED in own and BOTH in own]
    found = [Gap(own, {faults: accuracy.curves(cell) for faults, cell in own.items()}) for own in whole]
    return max((gap for gap in found if gap.backends), key=lambda gap: gap.last, default=None)


def table(gap: Gap) -> Table:
    """Return accuracy by variant and backend: after the last round, and over all rounds."""
    rows = []
    for faults, name in NAMES.items():
        if faults in gap.curves:
            own = gap.curves[faults]
            rows.append((name, *(text for backend in gap.backends for text in _texts(own, backend, gap.last))))
    columns = [
        text for backend in gap.backends for text in (f"{backend}: after round {gap.last}", f"{backend}: all rounds")
    ]
    notes = (
        f"Accuracy in percent on {gap.held_out} held-out samples; all rounds: the mean over the evaluated ones. Every"
        " backend trains the same variants on the same plan.",
    )
    return Table("The study's two faults, one by one", ("model", *columns), tuple(rows), notes)


def _texts(own: Mapping[str, Curve], backend: str, last: int) -> tuple[str, str]:
    curve = own.get(backend)
    if not curve:
        return ABSENT, ABSENT
    return f"{curve[last]:.1f}", f"{statistics.mean(curve.values()):.1f}"


def words(gap: Gap) -> list[str]:
    """Return what the faults cost in each backend, and what of the study's gap they explain."""
    told = [_cost(gap, backend) for backend in gap.backends]
    pytorch, tensorflow = FRAMEWORKS["PyTorch"], FRAMEWORKS["TensorFlow"]
    if pytorch in gap.backends and tensorflow in gap.backends:
        told.append(_taken_apart(gap, pytorch, tensorflow))
    return told


def _cost(gap: Gap, backend: str) -> str:
    corrected, both = gap.at_last(CORRECTED, backend), gap.at_last(BOTH, backend)
    cost, open_ = corrected - both, accuracy.uncertainty((corrected + both) / 2, gap.held_out)
    figures = f"{corrected:.1f} % corrected, {both:.1f} % with both"
    if abs(cost) <= open_:
        return (
            f"What the study's two faults cost in {backend} can't be told after round {gap.last}: {cost:+.1f} points,"
            f" give or take {open_:.1f} ({figures})."
        )
    if cost < 0:
        return f"With the study's two faults {backend} is better after round {gap.last}: {figures}."
    each = [
        f"{name} alone {corrected - gap.at_last(faults, backend):.1f}"
        for faults, name in NAMES.items()
        if faults not in (CORRECTED, BOTH) and backend in gap.curves.get(faults, {})
    ]
    alone = f" ({', '.join(each)})" if each else ""
    return (
        f"The study's two faults cost {cost:.1f} points of accuracy in {backend} after round {gap.last}{alone}, give or"
        f" take {open_:.1f}: {figures}."
    )


def _taken_apart(gap: Gap, pytorch: str, tensorflow: str) -> str:
    whole = gap.at_last(CORRECTED, tensorflow) - gap.at_last(BOTH, pytorch)
    faults = gap.at_last(CORRECTED, pytorch) - gap.at_last(BOTH, pytorch)
    rest = gap.at_last(CORRECTED, tensorflow) - gap.at_last(CORRECTED, pytorch)
    open_ = accuracy.uncertainty(
        (gap.at_last(CORRECTED, pytorch) + gap.at_last(CORRECTED, tensorflow)) / 2, gap.held_out
    )
    verdict = "no difference that can be told" if abs(rest) <= open_ else "a difference that is there"
    side = "behind" if whole >= 0 else "ahead of"
    return (
        f"{_published(gap)} Here the study's PyTorch model, both faults in it, is {abs(whole):.1f} points {side} the"
        f" corrected one in TensorFlow after round {gap.last}. That is a sum: {faults:+.1f} is what the faults cost in"
        f" PyTorch, {rest:+.1f} is TensorFlow's lead once both train the corrected model, give or take {open_:.1f}:"
        f" {verdict}."
    )


def _published(gap: Gap) -> str:
    """TensorFlow's lead in the study, in this gap's setting if it has that, and over all its settings."""
    spec = gap.cells[CORRECTED]["spec"]
    alike = _leads([column for column in _columns() if accuracy.is_setting(spec, column)])
    everywhere = _leads(_columns())
    told = f"{min(everywhere):.1f} to {max(everywhere):.1f} points over all its settings"
    if alike:
        told = f"{min(alike):.1f} to {max(alike):.1f} points in this setting, {told}"
    return f"In the study TensorFlow's lead over PyTorch is {told} (below 0: PyTorch leads)."


def _columns() -> list[accuracy.Column]:
    return [column for table in accuracy.tables().values() for column in table.columns]


def _leads(columns: list[accuracy.Column]) -> list[float]:
    return [
        column.figures["TensorFlow"][number] - value
        for column in columns
        if "TensorFlow" in column.figures
        for number, value in column.figures["PyTorch"].items()
    ]
