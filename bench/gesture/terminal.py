"""A pseudo-terminal that a program opens like a serial port."""

import os
import pty
import select
import tty
from pathlib import Path

from bench.errors import UserError


class Terminal:
    """A virtual serial port at `path`, and at `link` where one is wanted; can be unplugged and plugged in again."""

    def __init__(self, link: Path | None = None) -> None:
        self.link = link
        self.master = -1
        self.path = ""
        self._unsent = b""
        self._poll = select.poll()
        if link is not None:
            _refuse_taken(link)
        self.plug()

    @property
    def name(self) -> str:
        """What to give as --port."""
        return self.path if self.link is None else str(self.link)

    def plug(self) -> None:
        """Appear, perhaps under another path; the link follows."""
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)  # so that it is told when somebody else has it open
        os.set_blocking(self.master, False)
        self._poll.register(self.master, select.POLLHUP)
        if self.link is not None:
            fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
            try:
                fresh.symlink_to(self.path)
                fresh.replace(self.link)
            except OSError as error:
                raise UserError(f"--link {self.link}: can't be made: {error.strerror}") from None

    def unplug(self) -> None:
        """Vanish: whoever has it open is told by its next read."""
        self._poll.unregister(self.master)
        os.close(self.master)
        self.master, self._unsent = -1, b""

    def is_heard(self) -> bool:
        """Whether anybody has it open."""
        return self.master >= 0 and not self._poll.poll(0)

    def send(self, data: bytes) -> bool:
        """Send it, or drop it where the reader has let the line fill up; False then. Never sends half of it."""
        if self._unsent:
            self._unsent = self._unsent[self._written(self._unsent) :]
            if self._unsent:
                return False
        written = self._written(data)
        self._unsent = data[written:] if written else b""
        return written > 0

    def close(self) -> None:
        """Vanish for good, and take the link along."""
        if self.master >= 0:
            self.unplug()
        if self.link is not None and self.link.is_symlink() and str(self.link.readlink()) == self.path:
            self.link.unlink()

    def _written(self, data: bytes) -> int:
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0


def _refuse_taken(link: Path) -> None:
    if not link.parent.is_dir():
        raise UserError(f"--link {link}: there is no folder {link.parent}")
    if link.is_symlink() and str(link.readlink()).startswith("/dev/pts/"):
        if link.exists():
            raise UserError(f"--link {link}: another simulator seems to have it; if none runs, remove it")
    elif link.is_symlink() or link.exists():
        raise UserError(f"--link {link}: it exists already, and is no simulator's; choose another name")
