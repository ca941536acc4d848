"""Image files of every kind, as bytes, made by hand where OpenCV doesn't write them."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np


def png(image: np.ndarray) -> bytes:
    """Encode uint8 or uint16, (height, width) or with 3 or 4 channels."""
    done, content = cv2.imencode(".png", image)
    assert done
    return content.tobytes()


def film(number: int, side: int = 12) -> bytes:
    """A small grey PNG; another for each number."""
    return png(np.random.RandomState(number).randint(0, 255, (side, side), np.uint8))


def palette_png() -> bytes:
    """2 x 2 pixels, of two colours."""
    head = struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0)
    chunks = (b"IHDR", head), (b"PLTE", bytes([255, 0, 0, 0, 0, 255])), (b"IDAT", zlib.compress(bytes([0, 0, 1] * 2)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))


def short_png() -> bytes:
    """20 x 20 grey pixels, of which there are two lines only: every checksum is right."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 20, 20, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(42))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def cmyk_jpeg() -> bytes:
    """8 x 8 pixels of one colour: a baseline JPEG in which every block is a zero difference and end-of-block."""
    frame = struct.pack(">BHHB", 8, 8, 8, 4) + b"".join(bytes([number, 0x11, 0]) for number in range(1, 5))
    scan = bytes([4]) + b"".join(bytes([number, 0]) for number in range(1, 5)) + bytes([0, 63, 0])
    one_code = bytes([1] + [0] * 15 + [0])
    segments = (
        (0xEE, b"Adobe" + bytes([0, 100, 0, 0, 0, 0, 0])),
        (0xDB, bytes([0] + [1] * 64)),
        (0xC0, frame),
        (0xC4, bytes([0x00]) + one_code),
        (0xC4, bytes([0x10]) + one_code),
        (0xDA, scan),
    )
    body = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return b"\xff\xd8" + body + b"\x00" + b"\xff\xd9"


def bomb() -> bytes:
    """A PNG whose header says 30,000 x 30,000 pixels."""
    return film(0)[:8] + _chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)) + _chunk(b"IEND", b"")


def class_folders(folder: Path, names: Iterable[str] = ("0.png", "1.png", "2.png")) -> Path:
    """Write two classes, dark and light, of the files called `names`."""
    for offset, label in ((0, "dark"), (100, "light")):
        (folder / label).mkdir(parents=True)
        for number, name in enumerate(names):
            (folder / label / name).write_bytes(film(offset + number))
    return folder


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
