"""The serial ports of this machine: which there are, and opening one."""

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    from serial import SerialBase

BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 250000, 500000, 1000000)
_BUSY = (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK)
_BOARDS = {
    0x2341: "Arduino",
    0x2A03: "Arduino",
    0x1A86: "CH340 bridge, as on many Arduino Nanos",
    0x0403: "FTDI bridge",
    0x10C4: "CP210x bridge",
    0x1366: "SEGGER J-Link, as on Dialog's DA14580 kits",
    0x2E8A: "Raspberry Pi Pico",
}


@dataclass(frozen=True)
class Port:
    """A serial port: `board` is what its USB vendor suggests, `obstacle` what keeps you from opening it."""

    device: str
    description: str
    usb: str | None
    board: str | None
    obstacle: str | None


def ports() -> list[Port]:
    """The serial ports of this machine, USB first; a disk's worth of legacy ttyS without hardware is left out."""
    from serial.tools import list_ports

    found = []
    for port in list_ports.comports():
        usb = None if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
        board = _BOARDS.get(port.vid) if port.vid is not None else None
        description = port.description if port.description not in (None, "n/a") else ""
        found.append(Port(port.device, description, usb, board, obstacle(port.device)))
    return sorted(found, key=lambda port: (port.usb is None, port.device))


def obstacle(device: str) -> str | None:
    """What keeps you from opening a port, as far as that can be told without opening it."""
    if os.access(device, os.R_OK | os.W_OK):
        return None
    return f"permission denied: {_remedy(device)}"


def open_port(port: str, baud: int) -> "SerialBase":
    """A port opened for this program alone, its reads waiting for at most 0.1 s; UserError says why it can't be."""
    import serial

    try:
        return serial.serial_for_url(port, baudrate=baud, timeout=0.1, exclusive=True)
    except serial.SerialException as error:
        raise UserError(f"--port {port}: {_why(port, error)}") from None
    except (ValueError, OverflowError) as error:
        if "://" in port:
            raise UserError(f"--port {port}: {error}; a port is a device such as /dev/ttyUSB0") from None
        raise UserError(f"--baud {baud}: this port can't do that rate; usual are {told(BAUDS)}") from None


def told(names: Iterable[object]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(str(name) for name in names)


def _why(port: str, error: "OSError") -> str:
    number = error.errno
    if number == errno.ENOENT:
        there = told(found.device for found in ports()) or "none; plug the sensor in, or try bench gesture simulate"
        return f"there is no such port; there are: {there}"
    if number in (errno.EACCES, errno.EPERM):
        return f"permission denied: {_remedy(port)}"
    if number in _BUSY:
        return "it is busy: another program has it open (a serial monitor, another bench gesture?); close that first"
    if number in (errno.EISDIR, errno.ENXIO, errno.ENODEV, errno.EIO):
        return f"it is no serial port that works: {os.strerror(number)}; bench gesture ports lists those there are"
    if number is None and "configure" in str(error):
        return "it is no serial port; bench gesture ports lists those there are"
    return str(error)


def _remedy(device: str) -> str:
    """Which group to join: the one that owns the device, where the group may read and write."""
    try:
        status = Path(device).stat()
    except OSError:
        return "your user may not look at it"
    if status.st_mode & (stat.S_IRGRP | stat.S_IWGRP) != stat.S_IRGRP | stat.S_IWGRP:
        return f"not even its group may read and write it; an administrator can: sudo chmod g+rw {device}"
    group = _group(status.st_gid)
    return f"join the group {group} that owns it: sudo usermod -aG {group} $USER, then log in again"


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
