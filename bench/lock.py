"""Makes a backend's lock: exact versions, hashes where the package is the same everywhere, no index address."""

import json
import re
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from bench import uvtool
from bench.environments import EnvironmentFailed
from bench.plugins import Plugin


def write(plugin: Plugin) -> Path:
    """Resolve the plugin's header and write requirements.lock beside it. Raises EnvironmentFailed."""
    header = plugin.header
    with tempfile.TemporaryDirectory() as folder:
        wanted, overrides = Path(folder, "requirements.in"), Path(folder, "overrides.txt")
        wanted.write_text("\n".join(header.dependencies) + "\n")
        overrides.write_text("\n".join(header.overrides) + "\n")
        python = (header.requires_python or "3.11").strip("=.* ")
        compiled = subprocess.run(
            uvtool.command(
                "pip", "compile", str(wanted), "--override", str(overrides), "--python-version", python,
                "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
            ),
            env=uvtool.environ(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if compiled.returncode:
        raise EnvironmentFailed(f"{plugin.name} can't be resolved: {compiled.stderr.strip().splitlines()[-1]}")
    text = without_local_builds(compiled.stdout)
    lines = [f"# made by: bench env lock {plugin.name}"]
    version = re.search(rf"(?m)^{re.escape(header.framework or '-')}==([^\s;\\]+)", text)
    released = upload_date(header.framework or "", version[1]) if version else None
    if version and released:
        lines.append(f"# released: {header.framework}=={version[1]} {released}")
    path = plugin.folder / "requirements.lock"
    path.write_text("\n".join(lines) + "\n" + text)
    return path


def without_local_builds(lock: str) -> str:
    """Take local versions such as +cpu out of a lock, and the hashes of such packages: each build has its own."""
    return re.sub(
        r"(?m)^(?P<pin>[A-Za-z0-9._-]+==[^\s+;\\]+)\+[a-z0-9.]+(?P<marker>[^\\\n]*?) ?\\?\n"
        r"(?:    --hash=\S+(?: \\)?\n)*",
        r"\g<pin>\g<marker>\n",
        lock,
    )


def upload_date(name: str, version: str) -> str | None:
    """Return the day a version was first uploaded, from the index's own answer (PEP 700); None if it can't say."""
    from pip._internal.models.index import PyPI  # the one place that says where pip looks by default

    index = uvtool.environ().get("UV_DEFAULT_INDEX") or PyPI.simple_url
    request = urllib.request.Request(
        f"{index.rstrip('/')}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            files = json.load(answer)["files"]
    except (OSError, ValueError, KeyError):
        return None
    stem = re.sub(r"[-_.]+", "[-_.]+", name)
    own = re.compile(rf"(?i){stem}-{re.escape(version)}(-|\.tar|\.zip)")
    days = [str(file["upload-time"])[:10] for file in files if file.get("upload-time") and own.match(file["filename"])]
    return min(days, default=None)
