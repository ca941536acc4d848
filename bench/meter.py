"""CPU seconds and peak memory of the worker's whole process group, living children included.

Also runs inside backend environments: standard library only, Python 3.7. Where there is no /proc, the
children that have ended are counted and the living ones are not.
"""

import os
import resource
import sys
import time

_TICK = os.sysconf("SC_CLK_TCK")


def reading():
    """Return (wall seconds, CPU seconds, peak resident bytes) now; only differences of the first mean anything."""
    return (time.perf_counter(),) + (_from_proc() if sys.platform == "linux" else _from_usage())


def _from_proc():
    """Sum over the group. Peaks of several processes need not coincide, so their sum is an upper bound."""
    group = os.getpgrp()
    ticks = 0
    peak = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/{}/stat".format(entry), "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
            if int(fields[2]) != group:
                continue
            ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
            with open("/proc/{}/status".format(entry), "rb") as file:
                for line in file:
                    if line.startswith(b"VmHWM:"):
                        peak += int(line.split()[1]) * 1024
        except (OSError, IndexError):
            continue  # it ended while we looked
    return ticks / _TICK, peak


def _from_usage():
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    return cpu, (own.ru_maxrss + ended.ru_maxrss) * unit
