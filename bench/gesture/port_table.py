"""How the serial ports of this machine are shown."""

import dataclasses
import json
import sys

from rich.console import Console
from rich.table import Table

from bench.gesture.ports import Port

NONE = """There is no serial port on this machine. If a board is plugged in:
  is its cable one that carries data, and does its light go on?
  sudo dmesg | tail tells what the kernel made of it; in a virtual machine or container the port must be passed on
Without a sensor:  bench gesture simulate --link /tmp/sensor  makes a virtual one."""


def show(found: list[Port], as_json: bool) -> None:
    """Print the ports as a table or as JSON; how to get one, where there is none."""
    if as_json:
        print(json.dumps([dataclasses.asdict(port) for port in found], indent=1))
    elif found:
        table = Table("port", "what it is", "USB", "to open it")
        for port in found:
            what = port.board or port.description or "a serial port of the machine itself, probably without a sensor"
            table.add_row(port.device, what, port.usb or "", port.obstacle or "ready")
        Console(highlight=False).print(table)
    if not found:
        print(NONE, file=sys.stderr)
