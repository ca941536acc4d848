"""Your own images: a folder of class folders, or train.csv/test.csv lists of path,label.

`data.source` is a folder whose sub-folders are the classes (the study's layout: COVID, NORMAL, Viral
Pneumonia), a folder with a train.csv, or a CSV file itself, without header, one `path,label` a line, paths
relative to the CSV. A test.csv beside it is the held-out part. PNG and JPEG. With `data.groups = "patient"`,
the manifest.csv in the folder (columns file, patient, ...) says who belongs together.
"""

import csv
from pathlib import Path

from bench.dataset import Request, Sample
from bench.errors import UserError

ENDINGS = {".png", ".jpg", ".jpeg"}


def samples(request: Request) -> list[Sample]:
    """List the images of the source."""
    source = request.source
    if source is None:
        raise UserError("data.source: the dataset xray needs a folder or a CSV, such as --set data.source=FOLDER")
    if not source.exists():
        raise UserError(f"data.source = {source}: no such file or folder")
    if source.is_file():
        found = _listed(source)
    elif (source / "train.csv").is_file():
        found = _listed(source / "train.csv")
    else:
        found = _in_folders(source, _groups(source, request.groups))
    return _limited(found, request.samples)


def _in_folders(source: Path, groups: dict[str, str] | None) -> list[Sample]:
    folders = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise UserError(f"data.source = {source}: has no class folders and no train.csv")
    found = []
    for folder in folders:
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
        if len(images) < 2:
            raise UserError(
                f"data.source = {source}: class folder {folder.name!r} holds {len(images)} PNG or JPEG"
                f" image{'' if len(images) == 1 else 's'}; at least two are needed, to train and to test on"
            )
        for path in images:
            name = f"{folder.name}/{path.name}"
            if groups is not None and name not in groups:
                raise UserError(f"data.groups: {source / 'manifest.csv'} has no line for {name}")
            found.append(Sample(name, folder.name, path, groups[name] if groups else None))
    return found


def _groups(source: Path, column: str | None) -> dict[str, str] | None:
    if column is None:
        return None
    path = source / "manifest.csv"
    if not path.is_file():
        raise UserError(f"data.groups = {column}: there is no {path} to read it from")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if column not in columns or "file" not in columns:
            raise UserError(
                f"data.groups = {column}: {path} has the columns {', '.join(columns)}; file and {column} are needed"
            )
        # Ids are compared within a class only: sets put together from several sources number people twice.
        return {row["file"]: f"{row['file'].partition('/')[0]}/{row[column]}" for row in reader}


def _listed(path: Path) -> list[Sample]:
    test = path.with_name("test.csv")
    if path.name != "test.csv" and test.is_file():
        return _lines(path, "train") + _lines(test, "test")
    return _lines(path, None)


def _lines(path: Path, side: str | None) -> list[Sample]:
    found = []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row:
                continue
            where = f"{path}:{number}"
            if len(row) != 2 or not row[0].strip() or not row[1].strip():
                raise UserError(f"{where}: {','.join(row)!r}: must be path,label")
            image = path.parent / row[0].strip()
            if not image.is_file():
                raise UserError(f"{where}: no such image: {image}")
            prefix = f"{side}/" if side else ""
            found.append(Sample(f"{prefix}{row[0].strip()}", row[1].strip(), image, None, side))
    if not found:
        raise UserError(f"{path}: has no lines; each must be path,label")
    return found


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
