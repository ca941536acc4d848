"""Calls uv the way pip is set up on this machine: uv reads none of pip's settings by itself."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bench import pipconfig

Settings = Mapping[str, str]

_TRANSLATED = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


@cache
def pip_settings() -> Settings:
    """Return pip's effective settings, from its files and PIP_* variables, by option name."""
    return pipconfig.read()


def translated(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that pass pip's `settings` on to uv. What the user set for uv stays."""
    own = {
        variable: " ".join(settings[option].split())
        for option, variable in _TRANSLATED.items()
        if settings.get(option) and variable not in environ
    }
    if "UV_FIND_LINKS" in own:
        own["UV_FIND_LINKS"] = ",".join(own["UV_FIND_LINKS"].split())
    if "UV_INDEX" in own:  # pip takes the best version of all indexes
        own.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return {"UV_SYSTEM_CERTS": "1"} | own


def environ(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return uv's environment: ours, pip's settings, and pyenv's Pythons at the end of PATH."""
    own = {key: value for key, value in base.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    pyenv = Path(base.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    pythons = [str(folder) for folder in sorted(pyenv.glob("*/bin"), reverse=True)]
    own["PATH"] = os.pathsep.join([base.get("PATH", os.defpath), *pythons])
    return own | translated(pip_settings(), base)


def torch_backend(base: Mapping[str, str] = os.environ, settings: Settings | None = None) -> str | None:
    """Return uv's --torch-backend: FEDBENCH_TORCH_BACKEND, or auto (the GPU's build where there is one).

    None where the user set up a source of packages: that arrangement decides.
    """
    chosen = base.get("FEDBENCH_TORCH_BACKEND")
    if chosen:
        return None if chosen == "none" else chosen
    settings = pip_settings() if settings is None else settings
    arranged = {"UV_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX"} & base.keys()
    return None if arranged or {"find-links", "index-url", "extra-index-url"} & settings.keys() else "auto"


def command(*arguments: str) -> list[str]:
    """Return the command line of uv with these arguments."""
    import uv

    return [uv.find_uv_bin(), "--no-config", "--color", "never", *arguments]
