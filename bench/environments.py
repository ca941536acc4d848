"""One locked environment a backend, made by uv: key, health check, atomic ready mark.

An environment counts only once `ready.json` lies in it, which is written last, after every package is
installed and the framework imports. A folder without it is an interrupted build and is made anew.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import platformdirs

from bench import store, uvtool
from bench.plugins import Plugin

SCHEMA = 1
Report = Callable[[str], None]


class EnvironmentFailed(Exception):
    """An environment that can't be built: the reason in one line, with the log's path."""


class NoInterpreter(EnvironmentFailed):
    """The Python that it needs is not on this machine, nor to be had: what would mend it is told."""


@dataclass(frozen=True)
class Environment:
    """A backend's environment. `released` is the framework's release date, ISO, or None where unknown."""

    name: str
    python: Path
    folder: Path | None
    locked: bool
    framework: str | None
    framework_version: str | None
    released: str | None
    packages: dict[str, str]
    python_version: str


def home() -> Path:
    """Return the folder for environments and prepared data: $FEDBENCH_HOME, or the user's cache folder."""
    return Path(os.environ.get("FEDBENCH_HOME") or platformdirs.user_cache_dir("fedbench"))


def ensure(plugin: Plugin, version: str | None = None, report: Report = print) -> Environment:
    """Return the plugin's environment, built now if it isn't there. Raises EnvironmentFailed."""
    ready = built(plugin, version)
    if ready is not None:
        return ready
    folder = _folder(plugin, version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder, lambda: report(f"{plugin.name}: waiting for another build of it")):
        return built(plugin, version) or _build(plugin, version, folder, report)


def built(plugin: Plugin, version: str | None = None) -> Environment | None:
    """Return the plugin's environment if it is ready."""
    if plugin.header.environment == "harness":
        return _harness(plugin)
    told = store.read_json(_folder(plugin, version) / "ready.json")
    if told is None:
        return None
    folder = Path(told["folder"])
    return Environment(**(told | {"folder": folder, "python": folder / "bin" / "python"}))


def listing() -> list[dict[str, Any]]:
    """Return a row for every environment folder: name, state, framework, python, bytes on disk."""
    rows = []
    for folder in sorted(path for path in (home() / "environments").glob("*") if path.is_dir()):
        told = store.read_json(folder / "ready.json") or {}
        size = sum(file.lstat().st_blocks * 512 for file in folder.rglob("*") if not file.is_dir())
        rows.append(
            {
                "name": folder.name,
                "state": "ready" if told else "incomplete",
                "framework": f"{told['framework']} {told['framework_version']}" if told.get("framework") else "",
                "python": told.get("python_version", ""),
                "locked": told.get("locked"),
                "bytes": size,
                "folder": str(folder),
            }
        )
    return rows


def remove(name: str) -> list[str]:
    """Remove the environments of backend `name` ("all": every one); return the removed folders' names."""
    gone = []
    for row in listing():
        if name in ("all", row["name"], row["name"].rpartition("-")[0].partition("@")[0]):
            folder = Path(row["folder"])
            with _exclusive(folder, lambda: None):
                (folder / "ready.json").unlink(missing_ok=True)
                shutil.rmtree(folder)
            gone.append(row["name"])
    return gone


def requirements(plugin: Plugin, version: str | None) -> list[str]:
    """Return the requirements of an unlocked environment: the header's, the framework's version replaced.

    With another version of the framework the other pins go, because it may need others.
    """
    if version is None:
        return list(plugin.header.dependencies)
    own = re.sub(r"[-_.]+", "-", plugin.header.framework or "").lower()
    loosened = []
    for requirement in plugin.header.dependencies:
        name = re.split(r"[\s\[<>=!~;@]", requirement, maxsplit=1)[0]
        is_framework = re.sub(r"[-_.]+", "-", name).lower() == own
        loosened.append(f"{name}=={version}" if is_framework else name)
    return loosened


def _folder(plugin: Plugin, version: str | None) -> Path:
    header = plugin.header
    parts = [
        SCHEMA,
        plugin.lock.read_text() if plugin.lock and not version else None,
        [header.requires_python, header.dependencies, header.overrides, header.imports],
        version,
        uvtool.torch_backend() if _has_torch(plugin) else None,
        [platform.system(), platform.machine()],
    ]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    label = plugin.name + (f"@{version}" if version else "")
    return home() / "environments" / f"{label}-{key}"


def _has_torch(plugin: Plugin) -> bool:
    return any(re.match(r"torch\b", requirement) for requirement in plugin.header.dependencies)


def _harness(plugin: Plugin) -> Environment:
    packages = _installed()
    framework = plugin.header.framework
    return Environment(
        name=plugin.name,
        python=Path(sys.executable),
        folder=None,
        locked=False,
        framework=framework,
        framework_version=packages.get(framework or ""),
        released=None,
        packages=packages,
        python_version=platform.python_version(),
    )


@cache
def _installed() -> dict[str, str]:
    """Name -> version of what the harness' own environment holds."""
    return {one.metadata["Name"]: one.version for one in metadata.distributions()}


def _build(plugin: Plugin, version: str | None, folder: Path, report: Report) -> Environment:
    started = time.monotonic()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    log = folder / "build.log"
    header, label = plugin.header, folder.name.rpartition("-")[0]
    python = folder / "bin" / "python"
    report(f"{label}: making an environment with Python {header.requires_python or platform.python_version()}")
    chosen = header.requires_python or platform.python_version()
    try:
        _uv(["venv", "--allow-existing", "--no-project", "--python", chosen, str(folder)], log, label)
    except EnvironmentFailed as error:
        wanted = chosen.strip("=.* ")
        mend = f"pyenv install {wanted} or uv python install {wanted}, then bench env build {label}"
        raise NoInterpreter(f"{label} needs Python {wanted}, which is not to be had: {mend} ({error})") from error
    lock = None if version else plugin.lock
    install = ["pip", "install", "--python", str(python)]
    if lock:
        install += ["-r", str(lock)]
    else:
        (folder / "requirements.txt").write_text("\n".join(requirements(plugin, version)) + "\n")
        install += ["-r", str(folder / "requirements.txt")]
    if header.overrides:
        (folder / "overrides.txt").write_text("\n".join(header.overrides) + "\n")
        install += ["--override", str(folder / "overrides.txt")]
    backend = uvtool.torch_backend() if _has_torch(plugin) else None
    if backend:
        install += ["--torch-backend", backend]
    report(f"{label}: installing {_count(lock)} (log: {log})")
    _uv(install, log, label, python)
    report(f"{label}: checking that {', '.join(header.imports) or 'Python'} imports")
    _health_check(python, header.imports, log, label)
    environment = _describe(plugin, folder, python, lock)
    told = asdict(environment) | {"folder": str(folder), "python": str(python)}
    store.write_json(folder / "ready.json", told)
    report(f"{label}: ready after {time.monotonic() - started:.0f} s")
    return environment


def _count(lock: Path | None) -> str:
    if lock is None:
        return "packages, resolved now (unlocked)"
    return f"{len(locked_versions(lock.read_text()))} locked packages"


def _describe(plugin: Plugin, folder: Path, python: Path, lock: Path | None) -> Environment:
    listed = subprocess.run(
        uvtool.command("pip", "list", "--format", "json", "--python", str(python)),
        env=uvtool.environ(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    packages = {one["name"]: one["version"] for one in json.loads(listed.stdout)}
    version = subprocess.run(
        [str(python), "-I", "-c", "import platform; print(platform.python_version())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    framework = plugin.header.framework
    return Environment(
        name=plugin.name,
        python=python,
        folder=folder,
        locked=lock is not None,
        framework=framework,
        framework_version=packages.get(framework) if framework else None,
        released=release_date(lock.read_text(), framework) if lock and framework else None,
        packages=packages,
        python_version=version.stdout.strip(),
    )


def _health_check(python: Path, imports: Sequence[str], log: Path, label: str) -> None:
    code = "; ".join(f"import {module}" for module in imports) or "pass"
    with log.open("ab") as file:
        checked = subprocess.run([str(python), "-I", "-c", code], stdout=file, stderr=file, check=False)
    if checked.returncode:
        raise EnvironmentFailed(f"{label} does not import after installation: {_reason(log)} (log: {log})")


def _uv(arguments: Sequence[str], log: Path, label: str, python: Path | None = None) -> None:
    with log.open("ab") as file:
        file.write(f"$ uv {' '.join(arguments)}\n".encode())
        file.flush()
        done = subprocess.run(
            uvtool.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=uvtool.environ(),
            check=False,
        )
    if done.returncode:
        raise EnvironmentFailed(f"{label} can't be built: {_reason(log)} (log: {log})")


def _reason(log: Path) -> str:
    """What the log says of the failure, in one line: all from uv's last "error:" on, else the last line."""
    lines = [" ".join(line.split()) for line in log.read_text(errors="replace").splitlines() if line.strip()]
    starts = [index for index, line in enumerate(lines) if line.startswith("error:")]
    return " ".join(lines[starts[-1] if starts else -1 :])[:400] or "it said nothing"


@contextmanager
def _exclusive(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    with folder.with_name(folder.name + ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def locked_versions(lock: str) -> dict[str, str]:
    """Return name -> version of every package that a lock's text pins."""
    return dict(re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock))


def release_date(lock: str, framework: str) -> str | None:
    """Return the release date that was written into the lock when it was made, or None."""
    found = re.search(rf"(?m)^# released: {re.escape(framework)}==\S+ (\d{{4}}-\d\d-\d\d)$", lock)
    return found[1] if found else None
