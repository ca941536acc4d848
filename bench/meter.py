"""Times what happens between two marks: wall and CPU seconds, and peak memory, of the whole process group.

Living children are included. Also runs inside backend environments: standard library only, Python 3.7. Where
there is no /proc, the children that have ended are counted and the living ones are not.
"""

import os
import resource
import sys
import time
from collections import namedtuple

_TICK = os.sysconf("SC_CLK_TCK")

Reading = namedtuple("Reading", "seconds cpu_seconds peak_rss_bytes")


class Meter:
    """Begins to measure when it is made. Looking at the group takes time, so it is outside the clock."""

    def __init__(self):
        self._cpu, _ = _usage()
        self._start = time.perf_counter()

    def elapsed(self):
        """Return the wall seconds so far."""
        return time.perf_counter() - self._start

    def read(self):
        """Return the `Reading` since the beginning; the peak is the process group's, ever."""
        seconds = self.elapsed()
        cpu, peak = _usage()
        return Reading(seconds, cpu - self._cpu, peak)


def _usage():
    return _from_proc() if sys.platform == "linux" else _from_rusage()


def _from_proc():
    """Sum over the group. Peaks of several processes need not coincide, so their sum is an upper bound."""
    group = os.getpgrp()
    ticks = 0
    peak = 0
    for entry in os.listdir("/proc"):
        try:
            if not entry.isdigit() or os.getpgid(int(entry)) != group:
                continue
            with open("/proc/{}/stat".format(entry), "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
            ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
            with open("/proc/{}/status".format(entry), "rb") as file:
                for line in file:
                    if line.startswith(b"VmHWM:"):
                        peak += int(line.split()[1]) * 1024
        except (OSError, IndexError):
            continue  # it ended while we looked
    return ticks / _TICK, peak


def _from_rusage():
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    return cpu, (own.ru_maxrss + ended.ru_maxrss) * unit
