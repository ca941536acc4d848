"""Makes the system forget files that it keeps in memory, so that reading them means reading the disk.

Also runs inside backend environments: standard library only, Python 3.7. No privilege is needed: a file's own
reader may ask for it (posix_fadvise, POSIX.1-2001). What stays are the names and places of files.
"""

import mmap
import os
import time

PAGE = mmap.PAGESIZE
ATTEMPTS, BETWEEN_S = 5, 0.05  # a page that is just being used is kept
LOOKED_AT = 512  # pages, spread over all files


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
        resident = _resident(paths)
        if not resident:
            break
    return resident


def _ask(paths):
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # a page that isn't on the disk yet can't be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _resident(paths):
    """Read a byte of some pages with the wish not to wait for the disk (Linux 4.14, RWF_NOWAIT)."""
    if not hasattr(os, "RWF_NOWAIT"):
        return None
    kept = looked = 0
    for path in paths[:: max(1, len(paths) // LOOKED_AT)]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            pages = -(-os.fstat(descriptor).st_size // PAGE)
            share = max(1, LOOKED_AT // len(paths))
            for page in range(0, pages, max(1, pages // share)):
                looked += 1
                try:
                    os.preadv(descriptor, [bytearray(1)], page * PAGE, os.RWF_NOWAIT)
                    kept += 1
                except BlockingIOError:
                    pass
        except OSError:
            return None  # a file system that doesn't know the wish
        finally:
            os.close(descriptor)
    return kept / looked if looked else None
