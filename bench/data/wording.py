"""How files and counts are told: whatever a file is called, a message stays one printable line."""

from collections.abc import Sequence

NAMED = 5  # how many files a message names


def quoted(name: object) -> str:
    """Return a path or name as it is where all of it can be printed; else in quotes, the rest escaped."""
    text = str(name)
    return text if text.isprintable() else repr(text)


def shortened(text: str, length: int = 60) -> str:
    """Return a piece of a file in quotes, on one line, not all of it where it is long."""
    return repr(text if len(text) <= length else text[: length - 3] + "...")


def some(items: Sequence[str], named: int = NAMED) -> str:
    """Return the first few items and how many more there are."""
    more = f" and {len(items) - named} more" if len(items) > named else ""
    return "; ".join(items[:named]) + more


def counted(count: int, one: str, many: str = "") -> str:
    """Return the count with its noun: 1 file, 2 files."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def losses(notes: Sequence[tuple[str, str]]) -> str | None:
    """Return one line about the files that lose something by decoding, `notes` (name, what); None without any."""
    if not notes:
        return None
    told = [f"{quoted(name)} ({what})" for name, what in notes]
    return f"{counted(len(notes), 'file')} {'loses' if len(notes) == 1 else 'lose'} something by decoding: {some(told)}"
