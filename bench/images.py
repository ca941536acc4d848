"""Reads an image file as everyone trains on it: OpenCV, blue-green-red as it decodes, area-resized, channels first.

Also runs inside backend environments: standard library, numpy and OpenCV only, Python 3.7.
"""

import cv2
import numpy as np

cv2.setNumThreads(1)  # an image is one thread's work: what reads them runs several at once


def read_image(path, shape):
    """Return the image as uint8 of `shape` (channels, height, width). Raises ValueError where it can't be decoded."""
    with open(path, "rb") as file:
        return decode(file.read(), shape)


def decode(content, shape):
    """Return the image in the bytes `content` as uint8 of `shape`. Raises ValueError where it can't be decoded."""
    channels, height, width = shape
    mode = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(content, np.uint8), mode) if content else None
    if image is None:
        raise ValueError("can't be decoded as an image")
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    image = image.reshape(height, width, channels)
    return np.ascontiguousarray(image.transpose(2, 0, 1))
