"""Compares a source as it is now with what was prepared of it, and looks for samples that are there twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.data import prepared
from bench.data.damage import damaged
from bench.data.decoding import Decoded, Entry, Unusable, read
from bench.data.listing import Listing, listed
from bench.data.parallel import parallel
from bench.data.split import split
from bench.data.wording import counted, quoted, some
from bench.dataset import Progress
from bench.errors import UserError
from bench.spec import Data

FAULTS = {
    "changed": "changed since it was prepared",
    "decoded otherwise": "the same file, but it decodes to another array now",
    "missing": "prepared, but not in the source any more",
    "new": "in the source, but not prepared",
    "undecodable": "can't be used",
    "across classes": "the same image in two classes",
    "across train and test": "the same image on both sides of the split",
    "damaged": "prepared form that isn't what was prepared",
}
REMARKS = {
    "within a class": "the same image twice in a class, on one side",
    "left out": "can't be used, and was left out when it was prepared",
}
_LONGEST = 300  # of a text in a line; --json has all of it


@dataclass(frozen=True)
class Verified:
    """What was found, by kind (see FAULTS and REMARKS): texts that begin with the file's name.

    `folder` is the prepared data set compared with, None where nothing was prepared yet.
    """

    name: str
    folder: Path | None
    files: int
    faults: Mapping[str, Sequence[str]]
    remarks: Mapping[str, Sequence[str]]

    @property
    def is_well(self) -> bool:
        """Whether nothing was found that must be mended."""
        return not any(self.faults.values())


def verify(plugin: ModuleType, name: str, settings: Data, seed: int, report: Progress) -> Verified:
    """Decode the source now and compare. Raises UserError where the source can't be listed, as `prepare` does."""
    listing = listed(plugin, name, settings, seed, report)
    folder = prepared.newest_like(listing)
    good, bad = _decode(listing, report)
    faults: dict[str, list[str]] = {kind: [] for kind in FAULTS}
    remarks: dict[str, list[str]] = {kind: [] for kind in REMARKS}
    if folder is None:
        faults["undecodable"] = [_told(name, reason) for name, reason in bad.items()]
        sides = _sides_to_be(listing, good)
    else:
        manifest = prepared.read_manifest(folder)
        rows = {row.name: row for row in prepared.rows(manifest)}
        skipped = dict(manifest["skipped"])
        for own, reason in bad.items():
            kinds, kind = (remarks, "left out") if skipped.get(own) == reason else (faults, "undecodable")
            kinds[kind].append(_told(own, reason))
        _compare(rows, skipped, good, bad, faults)
        faults["damaged"] = damaged(folder, manifest, list(rows.values()), report)
        sides = {own: row.side for own, row in rows.items()}
    _twins(good, sides, faults, remarks)
    return Verified(name, folder, len(listing.entries), faults, remarks)


@dataclass(frozen=True)
class _Good:
    entry: Entry
    decoded: Decoded


def _decode(listing: Listing, report: Progress) -> tuple[dict[str, _Good], dict[str, str]]:
    def one(entry: Entry) -> _Good | str:
        try:
            return _Good(entry, read(entry, listing.shape)[0])
        except Unusable as error:
            return str(error)

    good, bad = {}, {}
    results = zip(listing.entries, parallel(one, listing.entries), strict=True)
    for done, (entry, result) in enumerate(results, start=1):
        if isinstance(result, str):
            bad[entry.sample.name] = result
        else:
            good[entry.sample.name] = result
        report("decoding images", done, len(listing.entries))
    return good, bad


def _sides_to_be(listing: Listing, good: Mapping[str, _Good]) -> dict[str, str]:
    """Which side each sample would be on; none where the source can't be split."""
    samples = [one.entry.sample for one in good.values()]
    try:
        is_test, _ = split(samples, listing.settings, listing.seed)
    except UserError:
        return {}
    return {sample.name: "test" if held else "train" for sample, held in zip(samples, is_test, strict=True)}


def _compare(
    rows: Mapping[str, prepared.Row],
    skipped: Mapping[str, str],
    good: Mapping[str, _Good],
    bad: Mapping[str, str],
    faults: dict[str, list[str]],
) -> None:
    for name, row in rows.items():
        now = good.get(name)
        if now is None:
            if name not in bad:
                faults["missing"].append(quoted(name))
        elif now.decoded.file_sha256 != row.file_sha256:
            faults["changed"].append(quoted(name))
        elif now.entry.sample.label != row.label:
            faults["changed"].append(_told(name, f"is of class {now.entry.sample.label!r} now, was {row.label!r}"))
        elif now.decoded.array_sha256 != row.array_sha256:
            faults["decoded otherwise"].append(quoted(name))
    faults["new"] = [quoted(name) for name in good if name not in rows]
    faults["missing"] += [quoted(name) for name in skipped if name not in good and name not in bad]


def _twins(
    good: Mapping[str, _Good],
    sides: Mapping[str, str],
    faults: dict[str, list[str]],
    remarks: dict[str, list[str]],
) -> None:
    """Sort samples with the same array by how bad that is; samples in two classes may be on two sides as well."""
    same: dict[str, list[_Good]] = {}
    for one in good.values():
        same.setdefault(one.decoded.array_sha256, []).append(one)
    for twins in same.values():
        if len(twins) < 2:
            continue
        labels = {one.entry.sample.label for one in twins}
        on = {sides[one.entry.sample.name] for one in twins if one.entry.sample.name in sides}
        identical = len({one.decoded.file_sha256 for one in twins}) == 1
        told = " = ".join(_placed(one, sides) for one in twins) + ("" if identical else " (once decoded)")
        if len(labels) > 1:
            faults["across classes"].append(told)
        if len(on) > 1:
            faults["across train and test"].append(told)
        if len(labels) == 1 and len(on) <= 1:
            remarks["within a class"].append(told)


def _placed(one: _Good, sides: Mapping[str, str]) -> str:
    name = one.entry.sample.name
    return _told(name, f"({sides[name]})") if name in sides else quoted(name)


def _told(name: str, what: str) -> str:
    return f"{quoted(name)} {what}"


def document(found: Verified) -> dict[str, Any]:
    """Return everything that was found, ready for JSON."""
    return {
        "dataset": found.name,
        "prepared": None if found.folder is None else str(found.folder),
        "files": found.files,
        "well": found.is_well,
        "faults": {kind: list(texts) for kind, texts in found.faults.items()},
        "remarks": {kind: list(texts) for kind, texts in found.remarks.items()},
    }


def render(found: Verified) -> str:
    """Return a line for each kind that was found, with the first few names, and a verdict."""
    compared = f"compared with {found.folder}" if found.folder else "nothing was prepared of it yet"
    lines = [f"{found.name}: {counted(found.files, 'file')}; {compared}"]
    for kinds, texts_by_kind in ((FAULTS, found.faults), (REMARKS, found.remarks)):
        for kind, texts in texts_by_kind.items():
            if texts:
                lines.append(f"  {kind}: {len(texts)} ({kinds[kind]}): {some([_brief(text) for text in texts])}")
    lines.append("  all is well" if found.is_well else f"  {sum(map(len, found.faults.values()))} found")
    return "\n".join(lines)


def _brief(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
