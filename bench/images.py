"""Reads an image file as everyone trains on it: OpenCV, blue-green-red as it decodes, area-resized, channels first.

Also runs inside backend environments: standard library, numpy and OpenCV only, Python 3.7.
"""

import os
import struct

import cv2
import numpy as np

MAX_PIXELS = 100 * 1000 * 1000


def read_image(path, shape):
    """Return the image as uint8 of `shape` (channels, side, side). Raises ValueError where it isn't whole."""
    channels, height, width = shape
    with open(path, "rb") as file:
        content = file.read()
    _refuse_broken(content)
    mode = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    if image is None:
        raise ValueError("can't be decoded as an image")
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    image = image.reshape(height, width, channels)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _refuse_broken(content):
    """OpenCV decodes what it can of a truncated file and says nothing, so the end is looked for first."""
    if not content:
        raise ValueError("is empty")
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        if len(content) < 45 or b"IEND" not in content[-64:]:
            raise ValueError("is a truncated PNG")
        width, height = struct.unpack(">II", content[16:24])
    elif content[:3] == b"\xff\xd8\xff":
        if b"\xff\xd9" not in content[-1024:]:
            raise ValueError("is a truncated JPEG")
        width, height = _jpeg_size(content)
    else:
        raise ValueError("is neither PNG nor JPEG")
    if width * height > MAX_PIXELS:
        raise ValueError(f"has {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million are read")


def _jpeg_size(content):
    """Width and height from the first start-of-frame marker (ITU-T T.81, B.2.2)."""
    position = 2
    while position + 9 < len(content):
        if content[position] != 0xFF:
            break
        marker = content[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        if marker == 0xFF:
            position += 1
            continue
        position += 2 + struct.unpack(">H", content[position + 2 : position + 4])[0]
    raise ValueError("is a JPEG without a frame")


def write_png(path, image):
    """Write a greyscale uint8 image (height, width), the same bytes whatever compresses elsewhere.

    Stored, not compressed: compressors differ between builds.
    """
    import zlib

    height, width = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(image))
    blocks = [rows[start : start + 65535] for start in range(0, len(rows), 65535)]
    stream = b"\x78\x01"
    for index, block in enumerate(blocks):
        stream += struct.pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
    stream += struct.pack(">I", zlib.adler32(rows))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", stream),
        (b"IEND", b""),
    ]
    part = str(path) + ".part"
    with open(part, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in chunks:
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    os.replace(part, path)
