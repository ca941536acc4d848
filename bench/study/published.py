"""What the study published, as data: reports/_study/published.toml."""

import tomllib
from typing import Any

from bench import plugins


def published(section: str) -> Any:
    """Return the settings and results of one part of the study: loading, privacy, time, accuracy."""
    path = plugins.root("reports") / "_study" / "published.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))[section]
