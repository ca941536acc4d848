"""pip's own settings, read from its files: to ask pip itself takes longer than all else that `bench list` does.

Which files there are and which wins: pip's documentation, "Configuration". Sections (global, install, ...) are put
together, the last by name wins; PIP_* variables win over files.
"""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import platformdirs

from bench.errors import UserError


def read(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the effective settings by option, several values of one with spaces between.

    Raises UserError for a file that is none of pip's.
    """
    found: dict[tuple[str, str], str] = {}
    for path in _files(environ):
        found |= _settings(path)
    own = {option: value for (_, option), value in sorted(found.items())}
    own |= {_option(name[4:]): value for name, value in environ.items() if name.startswith("PIP_")}
    return {option: " ".join(value.split()) for option, value in own.items()}


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The machine's, the user's, the environment's and the one that PIP_CONFIG_FILE names; a later one wins."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    shared = platformdirs.site_config_dir("pip", appauthor=False, multipath=True).split(os.pathsep)
    yield from (Path(folder, "pip.conf") for folder in [*shared, "/etc"])
    if not (named and Path(named).exists()):
        yield Path.home() / ".pip" / "pip.conf"
        yield Path(platformdirs.user_config_dir("pip", appauthor=False), "pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if named:
        yield Path(named)


def _settings(path: Path) -> dict[tuple[str, str], str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: pip's settings can't be read: {' '.join(str(error).split())}") from error
    return {(name, _option(key)): value for name in parser.sections() for key, value in parser.items(name)}


def _option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")
