"""Your own images: a folder of class folders, train.csv/test.csv lists of path,label, or a ZIP of either.

`data.source` is a folder whose sub-folders are the classes, with PNG or JPEG files in them (the study's layout:
COVID, NORMAL, Viral Pneumonia) or in an `images` folder in each (the COVID-19 Radiography archive since 2022, whose
`masks` are no samples); a folder with a train.csv; a CSV file itself, without header, one `path,label` a line, paths
relative to the CSV; or a ZIP archive of one of these. A test.csv beside a list is the held-out part. A single folder
around everything is looked into. With `data.groups = "patient"`, the manifest.csv beside the class folders (columns
file, patient, ...) says who belongs together.
"""

from pathlib import Path

from bench.data import archive, class_folders, groups, lists
from bench.data.wording import quoted
from bench.dataset import Request, Sample
from bench.errors import UserError


def samples(request: Request) -> list[Sample]:
    """List the images of the source."""
    source = request.source
    if source is None:
        raise UserError(
            "data.source: the dataset xray needs a folder or a CSV, or a ZIP of either, --set data.source=FOLDER"
        )
    if source.is_dir():
        found = _in_folder(source, request)
    elif not source.is_file():
        raise UserError(f"data.source = {quoted(source)}: no such file or folder")
    elif archive.is_zip(source):
        found = _in_folder(archive.unpack(source, request.folder, request.report), request)
    else:
        found = _in_list(source, request)
    return _limited(found, request.samples)


def _in_folder(folder: Path, request: Request) -> list[Sample]:
    assert request.source is not None
    inner = class_folders.unwrapped(folder)
    if (inner / "train.csv").is_file():
        return _in_list(inner / "train.csv", request, inside=None if folder == request.source else folder)
    found = class_folders.samples(inner, folder, request.source)
    return groups.grouped(found, inner / "manifest.csv", request.groups) if request.groups else found


def _in_list(path: Path, request: Request, inside: Path | None = None) -> list[Sample]:
    if request.groups:
        raise UserError(
            f"data.groups = {request.groups}: {quoted(path)} is a list, which has no groups; class folders with a"
            " manifest.csv have (train.csv and test.csv say themselves which side a sample is on)"
        )
    return lists.samples(path, inside)


def _limited(found: list[Sample], count: int | None) -> list[Sample]:
    """Take `count` of them, evenly from every class."""
    if count is None or count >= len(found):
        return found
    found = sorted(found, key=lambda sample: sample.name)
    ranks: dict[str, int] = {}
    ranked = []
    for sample in found:
        ranks[sample.label] = ranks.get(sample.label, 0) + 1
        ranked.append((ranks[sample.label], sample))
    return [sample for _, sample in sorted(ranked, key=lambda pair: (pair[0], pair[1].name))[:count]]
