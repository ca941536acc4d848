"""MNIST from its idx files, with the split that it comes with.

`data.source` is a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
t10k-labels-idx1-ubyte, gzipped or not. The images are written out as PNG files once, so that every form exists.
"""

import gzip
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bench.data.image_files import write_png
from bench.dataset import Request, Sample
from bench.errors import UserError

PARTS = {"train": "train", "test": "t10k"}


def samples(request: Request) -> list[Sample]:
    """Read the idx files, write PNG files, list them."""
    if request.source is None:
        raise UserError("data.source: the dataset mnist needs the folder of its idx files, --set data.source=FOLDER")
    if not request.source.is_dir():
        raise UserError(f"data.source = {request.source}: no such folder")
    request.folder.mkdir(parents=True, exist_ok=True)
    found: list[Sample] = []
    for side, stem in PARTS.items():
        images = _idx(request.source, f"{stem}-images-idx3-ubyte", 3)
        labels = _idx(request.source, f"{stem}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise UserError(f"{request.source}: {stem} has {len(images)} images and {len(labels)} labels")
        count = len(images)
        if request.samples is not None:
            share = 6 / 7 if side == "train" else 1 / 7
            count = min(count, max(1, round(request.samples * share)))
        found += _written(request, side, images[:count], labels[:count])
    return found


def _written(request: Request, side: str, images: np.ndarray, labels: np.ndarray) -> list[Sample]:
    paths = [request.folder / f"{side}-{index:05d}.png" for index in range(len(images))]

    def write(index: int) -> None:
        if not paths[index].exists():
            write_png(paths[index], images[index])

    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(write, range(len(images))), start=1):
            request.report(f"writing MNIST {side} images", done, len(images))
    return [Sample(path.stem, str(label), path, None, side) for path, label in zip(paths, labels.tolist(), strict=True)]


def _idx(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """Read an idx file of unsigned bytes: magic 0x000008DD, DD dimensions, big-endian sizes, then the bytes."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise UserError(f"{folder}: there is no {name} or {name}.gz")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: not a whole gzip file: {error}") from error
    head = 4 + 4 * dimensions
    if len(content) < head or struct.unpack(">I", content[:4])[0] != 0x800 + dimensions:
        raise UserError(f"{path}: not an idx file of {dimensions} dimensions (its first four bytes are wrong)")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    if len(content) - head != int(np.prod(shape)):
        raise UserError(f"{path}: has {len(content) - head} bytes of data, its header promises {int(np.prod(shape))}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
