"""Samples in folders, a folder a class: plain ones, and the COVID-19 Radiography archive's as it is handed out.

That archive has a folder around everything, and since its second generation `images` and `masks` in each class.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from bench.data.image_files import ENDINGS, OTHER_ENDINGS
from bench.data.wording import counted, quoted, some
from bench.dataset import Sample
from bench.errors import UserError

IMAGES, MASKS = "images", "masks"


def unwrapped(source: Path) -> Path:
    """Return the folder that holds the classes or the lists: `source`, or the single folder inside it."""
    folder, seen = source, set()
    while not (folder / "train.csv").is_file():
        inner = _folders(folder)
        real = folder.resolve()
        if len(inner) != 1 or real in seen or _is_class(inner[0]) or _images(folder):
            break
        if fault(inner[0], source.resolve()):
            break
        seen.add(real)
        folder = inner[0]
    return folder


def samples(folder: Path, source: Path, told: Path) -> list[Sample]:
    """List the images of every class folder in `folder`, which is `source` or inside it; messages call it `told`.

    A link that leaves `source` is listed with its fault, and so is what isn't a file. Raises UserError where there
    are no class folders, one has fewer than two images, or holds images in folders that nobody would look into.
    """
    inside = source.resolve()
    found = []
    for class_folder in _folders(folder):
        images = [class_folder] if fault(class_folder, inside) else _images_of_class(class_folder, inside)
        for path in images:
            name = path.relative_to(folder).as_posix()
            found.append(Sample(name, class_folder.name, path, fault=fault(path, inside)))
        if len(images) < 2 and not any(fault(path, inside) for path in images):
            raise UserError(
                f"data.source = {quoted(told)}: class folder {class_folder.name!r} holds"
                f" {counted(len(images), 'PNG or JPEG image')}; at least two are needed, to train and to test on"
            )
    if not found:
        raise UserError(f"data.source = {quoted(told)}: has no class folders and no train.csv")
    return found


def fault(path: Path, inside: Path) -> str | None:
    """Say what is wrong with a link, before it is followed; `inside` is the real folder that it must stay in."""
    if path.is_symlink():
        if not path.exists():
            return "is a broken symbolic link"
        if not path.resolve().is_relative_to(inside):
            return "is a symbolic link that leaves the folder"
    return None


def _folders(folder: Path) -> list[Path]:
    """Sub-folders, links to folders among them, and links that lead nowhere and look like one."""
    return [Path(entry.path) for entry in _entries(folder) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    path = Path(entry.path)
    return path.is_dir() or (not path.suffix and not path.exists())


def _images(folder: Path) -> list[Path]:
    """What is named like an image and isn't a folder; links that lead nowhere, too."""
    endings = ENDINGS | OTHER_ENDINGS
    named = (entry for entry in _entries(folder) if Path(entry.name).suffix.lower() in endings)
    return [Path(entry.path) for entry in named if not entry.is_dir(follow_symlinks=False)]


def _is_class(folder: Path) -> bool:
    return bool(_images(folder)) or ((folder / IMAGES).is_dir() and bool(_images(folder / IMAGES)))


def _images_of_class(folder: Path, inside: Path) -> list[Path]:
    """Images in the folder itself and in its `images`; `masks` beside that are none. A faulty link is one itself."""
    images = _images(folder)
    folders = {inner.name: inner for inner in _folders(folder) if inner.is_dir()}
    unread = []
    for name, inner in folders.items():
        if name == IMAGES:
            images += [inner] if fault(inner, inside) else _images(inner)
        elif not (name == MASKS and IMAGES in folders) and not fault(inner, inside) and _images(inner):
            unread.append(quoted(name))
    if unread:
        raise UserError(
            f"{quoted(folder)}: images in folders inside of a class aren't read: {some(unread)};"
            " give a train.csv of path,label lines that lists them"
        )
    return images


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{quoted(folder)}: can't be read: {error.strerror}") from error
    return (entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX")
