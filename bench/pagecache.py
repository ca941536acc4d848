"""Makes the system forget files that it keeps in memory, so that reading them means reading the disk.

Also runs inside backend environments: standard library and numpy only, Python 3.7. No privilege is needed: a file's own
reader may ask for it (posix_fadvise, POSIX.1-2001). What stays are the names and places of files.
"""

import ctypes
import mmap
import os
import time

import numpy as np

ATTEMPTS, BETWEEN_S = 5, 0.05  # a page that is just being used is kept
LOOKED_AT = 1000  # files, at most


def drop(paths):
    """Drop the files' pages; return the share that the system kept all the same, None where it can't tell.

    Raises OSError where the system has no such wish to ask.
    """
    if not hasattr(os, "posix_fadvise"):
        raise OSError("this system has no posix_fadvise")
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BETWEEN_S)
        _ask(paths)
        kept = resident(paths)
        if not kept:
            break
    return kept


def _ask(paths):
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # a page that isn't on the disk yet can't be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def resident(paths):
    """Return the share of the files' pages that are in memory, None where the system doesn't tell.

    By mincore(2), which reads nothing: a read that must not wait (RWF_NOWAIT) would start reading ahead. It
    tells the truth only to who may write the file (Linux 5.2).
    """
    kept = looked = 0
    for path in paths[:: -(-len(paths) // LOOKED_AT)]:
        pages = _pages(path)
        if pages is None:
            return None
        kept += int(pages.sum())
        looked += len(pages)
    return kept / looked if looked else 0.0


def _pages(path):
    """Return whether each page of the file is in memory, bool (pages,), or None."""
    if not os.access(path, os.W_OK) and os.stat(path).st_uid != os.geteuid():
        return None
    size = os.path.getsize(path)
    if not size:
        return np.zeros(0, bool)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
        bytes_mapped = np.frombuffer(mapped, np.uint8)
        failed = _mincore(bytes_mapped, size, found)
        del bytes_mapped  # or the map can't be closed
    return None if failed else found & 1 == 1


def _mincore(mapped, size, found):
    try:
        call = ctypes.CDLL(None).mincore
    except AttributeError:
        return True
    address, vector = (ctypes.c_void_p(array.ctypes.data) for array in (mapped, found))
    return call(address, ctypes.c_size_t(size), vector) != 0
