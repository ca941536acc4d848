"""A ZIP archive's images and lists, unpacked once: refused as a whole where it isn't what an archive should be."""

import contextlib
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.data.alone import alone, settle
from bench.data.image_files import ENDINGS, OTHER_ENDINGS
from bench.data.wording import quoted, some
from bench.dataset import Progress
from bench.errors import UserError

MAX_RATIO = 20  # images hardly shrink in an archive; what grows more than this, and more than the slack, is a bomb
SLACK = 100_000_000
_WANTED = {*ENDINGS, *OTHER_ENDINGS, ".csv"}
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_UTF8 = 0x800
_ENCRYPTED = 0x1
_CHUNK = 1 << 20


@dataclass(frozen=True)
class _Entry:
    info: zipfile.ZipInfo
    name: str  # as its maker wrote it
    parts: tuple[str, ...]


def is_zip(path: Path) -> bool:
    """Tell whether the file is meant as a ZIP archive, by its ending or its first bytes."""
    if path.suffix.lower() == ".zip":
        return True
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(path: Path, into: Path, report: Progress) -> Path:
    """Unpack the images and CSV files of the archive `path` under `into`; return the folder that holds them.

    Goes on where an interrupted unpacking stopped, and does nothing once it is whole. Raises UserError, nothing
    left behind, for what isn't a whole ZIP archive, or one with entries that climb out, links, encrypted
    entries, two of one name, or that would grow far beyond its size or the disk's free space.
    """
    whole = into / ".whole"
    with alone(into, whole.exists, lambda: report(f"waiting: another bench unpacks {quoted(path.name)}", 0, 1)) as mine:
        if mine:
            try:
                _unpack(path, into / "files", report)
            except UserError:
                shutil.rmtree(into, ignore_errors=True)
                raise
            settle()
            whole.touch()
    return into / "files"


def _unpack(path: Path, into: Path, report: Progress) -> None:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise UserError(f"data.source = {quoted(path)}: is no ZIP archive, or a truncated one") from error
    with archive:
        entries = [_entry(info) for info in archive.infolist()]
        files = [entry for entry in entries if not entry.name.endswith("/")]
        wanted = _wanted(files)
        _refuse(path, entries, files, wanted, shutil.disk_usage(into.parent).free)
        for done, entry in enumerate(wanted, start=1):
            try:
                _extract(archive, entry, into.joinpath(*entry.parts))
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
                raise UserError(f"{quoted(path)}: entry {quoted(entry.name)} is damaged: {quoted(error)}") from error
            report(f"unpacking {quoted(path.name)}", done, len(wanted))


def _entry(info: zipfile.ZipInfo) -> _Entry:
    """Many tools write names in UTF-8 without saying so, which zipfile then reads as code page 437."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return _Entry(info, name, PurePosixPath(name).parts)


def _wanted(files: Sequence[_Entry]) -> list[_Entry]:
    """Images and CSV files, but neither hidden ones nor the masks beside a folder of images."""
    folders = {entry.parts[:-1] for entry in files}
    masks = {own for own in folders if own and own[-1] == "masks" and (*own[:-1], "images") in folders}
    return [
        entry
        for entry in files
        if entry.parts
        and PurePosixPath(entry.parts[-1]).suffix.lower() in _WANTED
        and entry.parts[:-1] not in masks
        and not any(part.startswith(".") or part == "__MACOSX" for part in entry.parts)
    ]


def _refuse(
    path: Path, entries: Sequence[_Entry], files: Sequence[_Entry], wanted: Sequence[_Entry], free: int
) -> None:
    where = f"data.source = {quoted(path)}"
    for entry in entries:
        fault = _fault(entry)
        if fault:
            raise UserError(f"{where}: entry {quoted(entry.name)} {fault}; nothing was unpacked")
    counts = Counter(entry.parts for entry in files)
    twins = [quoted("/".join(parts)) for parts, count in counts.items() if count > 1]
    if twins:
        raise UserError(f"{where}: two entries of one name: {some(twins)}; nothing was unpacked")
    both = [quoted(entry.name) for entry in files if any(entry.parts[:n] in counts for n in range(1, len(entry.parts)))]
    if both:
        raise UserError(f"{where}: a file is also the folder of others: {some(both)}; nothing was unpacked")
    size, declared = path.stat().st_size, sum(entry.info.file_size for entry in entries)
    if declared > MAX_RATIO * size + SLACK:
        raise UserError(
            f"{where}: would grow from {_mb(size)} to {_mb(declared)}; at most {MAX_RATIO} times its size"
            f" and {_mb(SLACK)} more are unpacked"
        )
    need = sum(entry.info.file_size for entry in wanted)
    if need > free:
        raise UserError(f"{where}: needs {_mb(need)} to be unpacked, the disk has {_mb(free)} left")
    if not wanted:
        raise UserError(f"{where}: holds no images and no CSV list")


def _fault(entry: _Entry) -> str | None:
    name, kind = entry.name, stat.S_IFMT(entry.info.external_attr >> 16)
    if "\\" in name or "\0" in name:
        return "has a backslash or a zero byte in its name"
    if name.startswith("/") or ".." in entry.parts or name[1:2] == ":" or not entry.parts:
        return "climbs out of the archive"
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if entry.info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if entry.info.compress_type not in _METHODS:
        return "is compressed by a method that can't be read; stored, deflated, bzip2 and LZMA can"
    return None


def _extract(archive: zipfile.ZipFile, entry: _Entry, target: Path) -> None:
    """Write one entry aside and move it into place, unless it is there, whole."""
    if _is_there(entry.info, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.parents[len(entry.parts) - 1] / ".part"
    left = entry.info.file_size
    with archive.open(entry.info) as packed, aside.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise ValueError("its size is not the one declared")
    aside.replace(target)


def _is_there(info: zipfile.ZipInfo, target: Path) -> bool:
    try:
        return target.stat().st_size == info.file_size and zlib.crc32(target.read_bytes()) == info.CRC
    except OSError:
        return False


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
