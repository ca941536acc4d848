"""What libjpeg and libpng write to standard error while they decode: heard for each file, rather than shown.

libjpeg fills in what it can't read of a damaged file with grey and only says so there. Linux lets a thread have
file descriptors of its own, so each decoding thread hears itself only. Where that isn't allowed (some containers),
such files pass, and what is written is shown.
"""

import ctypes
import os
import re
import threading

_CLONE_FILES = 0x400
_STDERR = 2
# Not what libjpeg says of extraneous bytes: many cameras write some, and nothing is lost.
_DAMAGE = re.compile(r"(?:Corrupt JPEG data|libpng error): (?!\d+ extraneous)([^\n]+)|(Premature end of JPEG file)")
_here = threading.local()


def listen() -> None:
    """Give the calling thread a standard error of its own; only threads that open and close their own files."""
    libc = ctypes.CDLL(None)
    if not hasattr(os, "memfd_create") or libc.unshare(_CLONE_FILES):
        return
    _here.file = os.memfd_create("complaints")
    os.dup2(_here.file, _STDERR)


def hears() -> bool:
    """Whether the calling thread listens."""
    return hasattr(_here, "file")


def heard() -> str | None:
    """Return what was said of damage in this thread since the last call, None where nothing was."""
    if not hears():
        return None
    size = os.lseek(_here.file, 0, os.SEEK_CUR)
    if not size:
        return None
    text = os.pread(_here.file, size, 0).decode("utf-8", "replace")
    os.ftruncate(_here.file, 0)
    os.lseek(_here.file, 0, os.SEEK_SET)
    found = _DAMAGE.search(text)
    return (found[1] or found[2]).strip().lower() if found else None
