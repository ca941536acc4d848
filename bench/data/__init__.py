"""Data sets: from image files to the same samples in every form."""

from bench.data.prepared import Prepared
from bench.data.preparing import prepare
from bench.data.split import split

__all__ = ["Prepared", "prepare", "split"]
