"""Data sets: from image files to the same samples in every form."""

from bench.data.preparing import Prepared, prepare
from bench.data.split import split

__all__ = ["Prepared", "prepare", "split"]
