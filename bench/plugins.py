"""Finds a backend, dataset or report by name or by path, and reads its header without importing it.

A plugin is one file in a folder of its own: `backends/NAME/adapter.py`, `datasets/NAME/dataset.py`,
`reports/NAME/report.py`. A checkout's own folders win over the copies that the wheel ships. The header is a
PEP 723 block; `[tool.bench]` in it says what only fedbench needs to know.
"""

import ast
import difflib
import importlib.util
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from bench.errors import UserError

FILES = {"backends": "adapter.py", "datasets": "dataset.py", "reports": "report.py"}
_PACKAGE = Path(__file__).resolve().parent
_BLOCK = re.compile(r"(?m)^# /// script\s*$\s(?P<content>(^#(| .*)$\s)+)^# ///$")  # from PEP 723


@dataclass(frozen=True)
class Header:
    """What a plugin's file says about itself.

    framework: the distribution whose version NAME@VERSION replaces; imports: the modules whose import is the
    health check; needs: files it shares with others, relative to the folder above its own (with the harness:
    bench/FILE); computes_with: the distribution that does the arithmetic; transport: how models and samples reach a
    client; variants: what may follow the + in NAME+VARIANT; baseline: the variant without the framework, which its
    overhead is taken against; beside: the variants that always run beside it; trust: a script, relative like needs,
    that tells what its approval really opens; centralised: whether it is a method without federation, that learns in
    one round of all clients' samples together.
    """

    summary: str = ""
    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    framework: str | None = None
    imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    environment: Literal["own", "harness"] = "own"
    computes_with: str | None = None
    transport: str | None = None
    variants: tuple[str, ...] = ()
    baseline: str | None = None
    beside: tuple[str, ...] = ()
    trust: str | None = None
    loader: str | None = None
    decoder: str | None = None
    centralised: bool = False


@dataclass(frozen=True)
class Plugin:
    """A plugin: `path` is its file; `shipped` is False where it was given by path."""

    kind: str
    name: str
    path: Path
    header: Header
    shipped: bool = True

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.path.parent

    @property
    def needed(self) -> list[Path]:
        """The files that it shares with others."""
        return [
            (_PACKAGE.parent if need.startswith("bench/") else self.folder.parent) / need for need in self.header.needs
        ]

    @property
    def lock(self) -> Path | None:
        """The locked requirements beside it, if there are any."""
        path = self.folder / "requirements.lock"
        return path if self.shipped and path.is_file() else None


def root(kind: str) -> Path:
    """Return the folder that holds the plugins of `kind`: the checkout's own, or the wheel's."""
    own = _PACKAGE.parent / kind
    return own if own.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / "_plugins" / kind


def every(kind: str) -> list[Plugin]:
    """Return all plugins of `kind`, by name."""
    paths = sorted(root(kind).glob(f"*/{FILES[kind]}"))
    return [Plugin(kind, path.parent.name, path, read_header(path)) for path in paths if path.parent.name[0] != "_"]


def find(kind: str, name: str) -> Plugin:
    """Return the plugin called `name`, or the file at the path `name`. Raises UserError where there is none.

    A name whose generations are plugins, such as syft-0.5 and syft-0.9, is short for the newest.
    """
    if "/" in name or name.endswith(".py"):
        path = Path(name).absolute()  # links in it stay: at another commit they may lead elsewhere
        if not path.is_file():
            raise UserError(f"{name}: no such file; a {kind[:-1]} given by path must be a Python file")
        return Plugin(kind, path.stem, path, read_header(path), shipped=False)
    path = root(kind) / name / FILES[kind]
    if name and not name.startswith(("_", ".")) and path.is_file():
        return Plugin(kind, name, path, read_header(path))
    names = [plugin.name for plugin in every(kind)]
    generations = [own for own in names if re.fullmatch(rf"{re.escape(name)}-[0-9.]+", own)]
    if generations:
        return find(kind, max(generations, key=lambda own: [int(part) for part in re.findall(r"\d+", own)]))
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UserError(f"unknown {kind[:-1]} {name!r}: {hint}there are {', '.join(names)} (or the path of a .py file)")


def names(text: str) -> list[str]:
    """Return the backends of a comma-separated --backends. Raises UserError for none, and for one named twice."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise UserError("--backends: name at least one, such as --backends torch,tff")
    twice = {name for name in found if found.count(name) > 1}
    if twice:
        raise UserError(f"--backends: named twice: {', '.join(sorted(twice))}")
    return found


def parse_request(text: str) -> tuple[str, str | None, str | None]:
    """Split NAME@VERSION+VARIANT into its parts; a path has none."""
    if "/" in text or text.endswith(".py"):
        return text, None, None
    rest, _, variant = text.partition("+")
    name, _, version = rest.partition("@")
    return name, version or None, variant or None


def requested(text: str) -> tuple[Plugin, str | None, str | None]:
    """Return the backend, version and variant of a request. Raises UserError where there is no such thing."""
    name, version, variant = parse_request(text)
    plugin = find("backends", name)
    if variant and variant not in plugin.header.variants:
        allowed = ", ".join(plugin.header.variants) or "none"
        raise UserError(f"{text}: {name} has no variant {variant!r}; it has: {allowed}")
    if version and (plugin.header.framework is None or plugin.header.environment == "harness"):
        raise UserError(f"{text}: {name} has no framework version to choose")
    return plugin, version, variant


def read_header(path: Path) -> Header:
    """Return the header of a plugin file. Raises UserError where the file isn't Python, or the block not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(text)) or ""
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: not a Python file that can be read: {error}") from error
    summary = docstring.partition("\n")[0].strip()
    block = _BLOCK.search(text)
    if block is None:
        return Header(summary)
    lines = [line[2:] if line.startswith("# ") else line[1:] for line in block["content"].splitlines()]
    try:
        return _header(summary, tomllib.loads("\n".join(lines)))
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise UserError(f"{path}: the '# /// script' header is not valid: {error}") from error


def _header(summary: str, table: dict[str, Any]) -> Header:
    tool = table.get("tool", {})
    own = tool.get("bench", {})
    return Header(
        summary=summary,
        requires_python=table.get("requires-python"),
        dependencies=tuple(table.get("dependencies", ())),
        overrides=tuple(tool.get("uv", {}).get("override-dependencies", ())),
        framework=own.get("framework"),
        imports=tuple(own.get("imports", ())),
        needs=tuple(own.get("needs", ())),
        environment=own.get("environment", "own"),
        computes_with=own.get("computes_with"),
        transport=own.get("transport"),
        variants=tuple(own.get("variants", ())),
        baseline=own.get("baseline"),
        beside=tuple(own.get("beside", ())),
        trust=own.get("trust"),
        loader=own.get("loader"),
        decoder=own.get("decoder"),
        centralised=own.get("centralised", False),
    )


def load_module(plugin: Plugin) -> ModuleType:
    """Import a plugin that runs inside the harness (a dataset, a report), by path."""
    name = f"_bench_{plugin.kind}_{re.sub(r'[^a-zA-Z0-9]', '_', plugin.name)}"
    spec = importlib.util.spec_from_file_location(name, plugin.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
