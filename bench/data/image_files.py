"""What an image file is, read from its bytes before anything is decoded; broken and oversized ones are refused.

OpenCV decodes what it can of a truncated file and says nothing, so structure is looked at first.
"""

import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

MAX_PIXELS = 100_000_000
ENDINGS = {".png", ".jpg", ".jpeg"}
OTHER_ENDINGS = {".bmp", ".dcm", ".gif", ".tif", ".tiff", ".webp"}  # images too, but not read: refused by name
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KINDS = {0: "grey PNG", 2: "colour PNG", 3: "palette PNG", 4: "grey PNG with alpha", 6: "colour PNG with alpha"}
_JPEG_KINDS = {1: "grey JPEG", 3: "colour JPEG", 4: "CMYK JPEG"}


@dataclass(frozen=True)
class ImageFile:
    """Its size in pixels and its kind in words; `loses` says what decoding to 8 bits a channel takes away."""

    width: int
    height: int
    kind: str
    loses: str | None


def examine(content: bytes) -> ImageFile:
    """Return what the file's bytes say. Raises ValueError, worded to follow a file's name, where it isn't whole."""
    if not content:
        raise ValueError("is empty")
    if content.startswith(_PNG):
        found = _png(content)
    elif content.startswith(b"\xff\xd8\xff"):
        found = _jpeg(content)
    else:
        raise ValueError("is neither PNG nor JPEG")
    if found.width * found.height > MAX_PIXELS:
        limit = f"at most {MAX_PIXELS // 10**6} million are read"
        raise ValueError(f"has {found.width} x {found.height} pixels; {limit}")
    return found


def _png(content: bytes) -> ImageFile:
    """Walk the chunks (PNG specification, 5.3) and check each one's CRC."""
    if content[12:16] != b"IHDR" or len(content) < 33:
        raise ValueError("is a truncated PNG")
    width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
    chunks = _check_chunks(content) if width * height <= MAX_PIXELS else set()  # else it is refused for its size
    kind = _PNG_KINDS.get(colour, "PNG")
    if depth == 16:
        return ImageFile(width, height, f"16-bit {kind}", "16 bits become 8")
    return ImageFile(width, height, kind, "alpha is dropped" if colour in (4, 6) or b"tRNS" in chunks else None)


def _check_chunks(content: bytes) -> set[bytes]:
    """Return the names of all chunks. Raises ValueError where one is cut off or its checksum is wrong."""
    view, position, name, names = memoryview(content), len(_PNG), b"", set()
    while name != b"IEND":
        if position + 12 > len(content):
            raise ValueError("is a truncated PNG")
        (length,) = struct.unpack(">I", view[position : position + 4])
        end = position + 12 + length
        if end > len(content):
            raise ValueError("is a truncated PNG")
        name = bytes(view[position + 4 : position + 8])
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack(">I", view[end - 4 : end])[0]:
            raise ValueError(f"is a corrupt PNG: the checksum of its {name.decode('latin-1')} chunk is wrong")
        position = end
        names.add(name)
    return names


def _jpeg(content: bytes) -> ImageFile:
    """Read size and components from the first start-of-frame marker (ITU-T T.81, B.2.2)."""
    position = 2
    while position + 10 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if content.rfind(b"\xff\xd9") < position:  # before it, that may be the end of a thumbnail
                raise ValueError("is a truncated JPEG")
            height, width, components = struct.unpack(">HHB", content[position + 5 : position + 10])
            kind = _JPEG_KINDS.get(components, "JPEG")
            loses = "CMYK becomes RGB without a colour profile" if components == 4 else None
            return ImageFile(width, height, kind, loses)
        else:
            position += 2 + struct.unpack(">H", content[position + 2 : position + 4])[0]
    raise ValueError("is a truncated or corrupt JPEG: it has no frame")


def write_png(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write a greyscale image, uint8 (height, width); all of it or nothing."""
    done, content = cv2.imencode(".png", image)
    if not done:
        raise ValueError(f"{path}: OpenCV can't encode it")
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        file.write(content.tobytes())
    aside = Path(file.name)
    aside.chmod(0o644)  # a temporary file is nobody else's to read
    aside.replace(path)
