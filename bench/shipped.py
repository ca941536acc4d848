"""The experiments that ship. Only the standard library: `bench list` tells of them without validating any."""

import tomllib
from pathlib import Path
from typing import Any

from bench.errors import UserError

FOLDER = Path(__file__).with_name("experiments")


def paths() -> list[Path]:
    """Return their files, by name."""
    return sorted(FOLDER.glob("*.toml"))


def descriptions() -> dict[str, str]:
    """Return what each is in a line, by name."""
    return {path.stem: read(path)["description"] for path in paths()}


def find(name: str) -> Path:
    """Return the file of an experiment that ships, or the path `name`. Raises UserError where it is neither."""
    shipped = FOLDER / f"{name}.toml"
    if shipped.is_file():
        return shipped
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    known = ", ".join(path.stem for path in paths())
    raise UserError(f"unknown experiment {name!r}; there are: {known} (or the path of a .toml file)")


def read(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file. Raises UserError where it can't be read or isn't TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from error
