"""`bench doctor`: what is installed, what is missing, what conflicts with what, and the command that mends it."""

import itertools
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

from bench import environments, machine, plugins, uvtool

NEEDED_BYTES = 6 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` is the command that puts it right."""

    state: Literal["ok", "note", "problem"]
    subject: str
    text: str
    mend: str = ""


def examine() -> list[Finding]:
    """Look at the harness, uv, the disk, every backend's environment, and why they are apart."""
    return [*_harness(), *_backends(), *_conflicts(plugins.every("backends"))]


def _harness() -> list[Finding]:
    facts = machine.facts()
    home = environments.home()
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    found = [
        Finding("ok", "fedbench", f"{facts['fedbench']}, Python {facts['python']}, {facts['system']}"),
        Finding(
            "ok",
            "machine",
            f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_bytes'] / 2**30:.0f} GiB",
        ),
        Finding(
            "ok",
            "uv",
            subprocess.run(uvtool.command("--version"), capture_output=True, text=True, check=True).stdout.strip(),
        ),
        Finding("ok", "GPU", "an NVIDIA driver is here" if shutil.which("nvidia-smi") else "none: CPU builds"),
        Finding("ok", "pip's settings", f"passed on to uv: {', '.join(sorted(uvtool.pip_settings())) or 'none'}"),
    ]
    state: Literal["ok", "problem"] = "ok" if free > NEEDED_BYTES else "problem"
    mend = "" if state == "ok" else "bench env remove all, or set FEDBENCH_HOME to a folder on a larger disk"
    found.append(Finding(state, "disk", f"{free / 2**30:.0f} GiB free for {home}", mend))
    return found


def _backends() -> list[Finding]:
    found = []
    for plugin in plugins.every("backends"):
        ready = environments.built(plugin)
        if ready is None:
            text = f"not built; Python {plugin.header.requires_python or platform.python_version()}"
            found.append(Finding("note", plugin.name, text, f"bench env build {plugin.name}"))
            continue
        released = f", released {ready.released}" if ready.released else ""
        text = f"{ready.framework} {ready.framework_version}{released}, Python {ready.python_version}"
        if ready.folder is not None and not ready.python.exists():
            found.append(Finding("problem", plugin.name, f"{text}: its Python is gone", _rebuild(plugin.name)))
        else:
            found.append(Finding("ok", plugin.name, text))
    return found


def _rebuild(name: str) -> str:
    return f"bench env remove {name} && bench env build {name}"


def _conflicts(backends: Sequence[plugins.Plugin]) -> list[Finding]:
    """Packages that two locks pin to different versions: why they can't share an environment."""
    locks = {plugin.name: environments.locked_versions(plugin.lock.read_text()) for plugin in backends if plugin.lock}
    found = []
    for one, other in itertools.combinations(locks, 2):
        differing = conflicts(locks[one], locks[other])
        if differing:
            shown = "; ".join(f"{name} {mine} / {theirs}" for name, mine, theirs in differing[:4])
            text = f"{len(differing)} packages in different versions: {shown}"
            found.append(Finding("note", f"{one} and {other} apart", text))
    return found


def conflicts(one: Mapping[str, str], other: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return name and both versions of packages pinned differently, the ones that matter most first."""
    telling = ("numpy", "typing-extensions", "torch", "protobuf")
    names = sorted(one.keys() & other.keys(), key=lambda name: (name not in telling, name))
    return [(name, one[name], other[name]) for name in names if one[name] != other[name]]


def render(findings: Sequence[Finding], console: Console) -> None:
    """Print the findings as a table."""
    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    table = Table("", "what", "found", "mend with")
    for one in findings:
        table.add_row(f"[{styles[one.state]}]{one.state}[/]", one.subject, one.text, one.mend)
    console.print(table)
