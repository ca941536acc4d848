"""Data sets: from image files to the same samples in every form."""

from bench.data.prepared import Prepared
from bench.data.preparing import prepare
from bench.data.split import split
from bench.data.wording import losses

__all__ = ["Prepared", "losses", "prepare", "split"]
