"""MNIST from its idx files, with the split that it comes with.

`data.source` is a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
t10k-labels-idx1-ubyte, gzipped or not. The images are written out as PNG files once, so that every form exists.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from bench.data.image_files import write_png
from bench.data.parallel import parallel
from bench.data.wording import quoted
from bench.dataset import Request, Sample
from bench.errors import UserError

PARTS = {"train": "train", "test": "t10k"}
MAX_BYTES = 1 << 30


def samples(request: Request) -> list[Sample]:
    """Read the idx files, write PNG files, list them."""
    if request.source is None:
        raise UserError("data.source: the dataset mnist needs the folder of its idx files, --set data.source=FOLDER")
    if not request.source.is_dir():
        raise UserError(f"data.source = {quoted(request.source)}: no such folder")
    request.folder.mkdir(parents=True, exist_ok=True)
    found: list[Sample] = []
    for side, stem in PARTS.items():
        images = _idx(request.source, f"{stem}-images-idx3-ubyte", 3)
        labels = _idx(request.source, f"{stem}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise UserError(f"{quoted(request.source)}: {stem} has {len(images)} images and {len(labels)} labels")
        count = len(images)
        if request.samples is not None:
            share = 6 / 7 if side == "train" else 1 / 7
            count = min(count, max(1, round(request.samples * share)))
        found += _written(request, side, images[:count], labels[:count])
    return found


def _written(request: Request, side: str, images: np.ndarray, labels: np.ndarray) -> list[Sample]:
    paths = [request.folder / f"{side}-{index:05d}.png" for index in range(len(images))]
    there = {
        entry.name for entry in os.scandir(request.folder) if entry.stat().st_size
    }  # a power cut leaves empty ones

    def write(index: int) -> None:
        if paths[index].name not in there:
            write_png(paths[index], images[index])

    for done, _ in enumerate(parallel(write, range(len(images))), start=1):
        request.report(f"writing MNIST {side} images", done, len(images))
    return [Sample(path.stem, str(label), path, None, side) for path, label in zip(paths, labels.tolist(), strict=True)]


def _idx(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """Read an idx file of unsigned bytes: magic 0x000008DD, DD dimensions, big-endian sizes, then the bytes."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise UserError(f"{quoted(folder)}: there is no {name} or {name}.gz")
    where = quoted(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * dimensions)
            if len(head) < 4 + 4 * dimensions or struct.unpack(">I", head[:4])[0] != 0x800 + dimensions:
                raise UserError(f"{where}: not an idx file of {dimensions} dimensions (its first four bytes are wrong)")
            shape = struct.unpack(f">{dimensions}I", head[4:])
            promised = math.prod(shape)
            if promised > MAX_BYTES:
                raise UserError(f"{where}: its header promises {promised} bytes of data; at most {MAX_BYTES} are read")
            content = file.read(promised + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{where}: not a whole gzip file: {error}") from error
    except OSError as error:
        raise UserError(f"{where}: can't be read: {error.strerror}") from error
    if len(content) != promised:
        found = f"has {len(content)}" if len(content) < promised else "has more"
        raise UserError(f"{where}: {found} bytes of data, its header promises {promised}")
    return np.frombuffer(content, np.uint8).reshape(shape)
