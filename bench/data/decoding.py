"""One image file to one array, with everything that is told about both; a file that can't be used says why."""

import hashlib
import os
import stat
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bench.data import complaints
from bench.data.image_files import ImageFile, examine
from bench.dataset import Sample
from bench.images import decode

MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Entry:
    """A sample with its file's size and time of change when it was listed; None where it couldn't be found."""

    sample: Sample
    size: int | None
    mtime_ns: int | None

    @classmethod
    def of(cls, sample: Sample) -> "Entry":
        """Look at the sample's file."""
        try:
            status = sample.path.stat()
        except OSError:
            return cls(sample, None, None)
        return cls(sample, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Decoded:
    """A file that was decoded: its image's facts, and the sha256 of the file and of the array's bytes."""

    image: ImageFile
    file_sha256: str
    array_sha256: str


class Unusable(Exception):
    """The file can't be used; the message is worded to follow its name."""


def read(entry: Entry, shape: tuple[int, int, int]) -> tuple[Decoded, npt.NDArray[np.uint8]]:
    """Return the facts and the array, uint8 of `shape` (channels, height, width). Raises Unusable."""
    if entry.sample.fault:
        raise Unusable(entry.sample.fault)
    try:
        content = _content(entry)
        image = examine(content)
        complaints.heard()
        array = decode(content, shape)
        damage = complaints.heard()
        if damage:
            raise ValueError(f"is a corrupt {'JPEG' if 'JPEG' in image.kind else 'PNG'}: {damage}")
    except OSError as error:
        raise Unusable(f"can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise Unusable(str(error)) from error
    except cv2.error as error:
        raise Unusable("can't be decoded as an image") from error
    return Decoded(image, hashlib.sha256(content).hexdigest(), hashlib.sha256(array.data).hexdigest()), array


def _content(entry: Entry) -> bytes:
    """Return the file's bytes, if they are those that were listed: not a mix of before and after a change."""
    path = entry.sample.path
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would wait for its writer
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a file")
        if status.st_size > MAX_BYTES:
            raise ValueError(f"has {status.st_size} bytes; at most {MAX_BYTES} are read")
        content = file.read(MAX_BYTES + 1)
    after = path.stat()
    if (after.st_size, after.st_mtime_ns, len(content)) != (entry.size, entry.mtime_ns, entry.size):
        raise ValueError("changed while it was read")
    return content
