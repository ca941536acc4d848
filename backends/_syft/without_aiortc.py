"""Imports PySyft 0.2 without aiortc, whose release of that time can't be built any more.

PySyft imports it for its WebRTC workers, whether they are used or not; virtual workers never touch it.
"""

import sys
import types


class _StandIn(types.ModuleType):
    """A module that has every name, so that `from aiortc import ...` succeeds."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return object


def import_syft():
    """Return the module `syft`."""
    for name in ("aiortc", "aiortc.contrib", "aiortc.contrib.signaling"):
        sys.modules.setdefault(name, _StandIn(name))
    import syft

    return syft
