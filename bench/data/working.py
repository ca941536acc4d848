"""The folder in which a data set is being prepared: an array file and a log line for every sample that is done.

Nothing here is synced file by file. What an interruption leaves is taken only where a whole log line has the
sha256 of what the array file holds; the rest is done again.
"""

import hashlib
import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.decoding import Decoded, Entry
from bench.data.image_files import ImageFile


class Working:
    """`npy/000000.npy` ... by the sample's place in the listing, and `log.jsonl`."""

    def __init__(self, folder: Path, shape: tuple[int, int, int]):
        self.folder, self.shape = folder, shape
        self._log = folder / "log.jsonl"
        self._head = npy_head(shape)
        (folder / "npy").mkdir(exist_ok=True)
        self._earlier = _lines(self._log)
        self._file = self._log.open("ab", buffering=0)  # a line outlives this process as soon as it is written
        if self._file.tell():
            self._file.write(b"\n")  # ends a line that was torn

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    def npy(self, index: int) -> Path:
        """Where sample number `index` lies."""
        return self.folder / "npy" / f"{index:06d}.npy"

    def kept(self, index: int, entry: Entry) -> Decoded | None:
        """Return what an earlier, interrupted preparation found out about the sample, if its array is whole."""
        line = self._earlier.get(index)
        if line is None or (line["name"], line["size"], line["mtime_ns"]) != _identity(entry):
            return None
        array = self.array(index)
        if array is None or hashlib.sha256(array).hexdigest() != line["array"]:
            return None
        return Decoded(ImageFile(**line["image"]), line["file"], line["array"])

    def array(self, index: int) -> bytes | None:
        """Return the array's bytes, None where its file isn't there, or isn't what was written."""
        try:
            content = self.npy(index).read_bytes()
        except FileNotFoundError:
            return None
        whole = content.startswith(self._head) and len(content) == len(self._head) + int(np.prod(self.shape))
        return content[len(self._head) :] if whole else None

    def write(self, index: int, array: npt.NDArray[np.uint8]) -> None:
        """Write the sample's array file."""
        with self.npy(index).open("wb") as file:
            file.write(self._head + array.tobytes())

    def log(self, index: int, entry: Entry, decoded: Decoded) -> None:
        """Note that the sample is done."""
        name, size, mtime_ns = _identity(entry)
        line = {
            "index": index,
            "name": name,
            "size": size,
            "mtime_ns": mtime_ns,
            "file": decoded.file_sha256,
            "array": decoded.array_sha256,
            "image": asdict(decoded.image),
        }
        self._file.write(json.dumps(line).encode() + b"\n")


def npy_head(shape: tuple[int, ...]) -> bytes:
    """Return what np.save writes before the bytes of a uint8 array of `shape` in C order."""
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def _identity(entry: Entry) -> tuple[str, int | None, int | None]:
    return entry.sample.name, entry.size, entry.mtime_ns


def _lines(path: Path) -> dict[int, dict[str, Any]]:
    """Read the log; a line that was torn counts as not written."""
    found = {}
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    for line in content.split(b"\n"):
        try:
            told = json.loads(line)
            found[told["index"]] = told
        except (ValueError, KeyError, TypeError):
            continue
    return found
