"""The structure of the code: what runs in old Pythons, and what must not import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench import shipped, spec
from tests.conftest import ROOT

IN_THE_WORKER = ("backend", "events", "forms", "images", "job", "meter", "pagecache", "worker")
ALLOWED = {"numpy", "cv2", "bench", *sys.stdlib_module_names}
FRAMEWORKS = {
    "torch",
    "numba",
    "llvmlite",
    "tensorflow",
    "tensorflow_federated",
    "syft",
    "jax",
    "fedjax",
    "opacus",
    "pfl",
    "flwr",
    "ray",
}


def imports(path: Path, language: tuple[int, int] | None = None) -> set[str]:
    tree = ast.parse(path.read_text(), feature_version=language)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" if node.module == "bench" else node.module for alias in node.names}
    return found


@pytest.mark.parametrize("name", IN_THE_WORKER)
def test_what_runs_in_a_backends_process_is_python_3_7_with_numpy_only(name):
    found = imports(ROOT / "bench" / f"{name}.py", language=(3, 7))
    assert {module.partition(".")[0] for module in found} <= ALLOWED
    own = {module.split(".")[1] for module in found if module.startswith("bench.")}
    assert own <= set(IN_THE_WORKER)


def test_what_the_sklearn_backend_shares_with_the_harness_needs_no_other_library():
    found = imports(ROOT / "bench" / "pca_svm.py", language=(3, 11))
    assert {module.partition(".")[0] for module in found} <= {"numpy", "sklearn", *sys.stdlib_module_names}


def test_the_harness_imports_no_framework():
    for path in (ROOT / "bench").rglob("*.py"):
        assert not {module.partition(".")[0] for module in imports(path)} & FRAMEWORKS, path


HEAVY = {"numpy", "cv2", "matplotlib", "scipy", "sklearn", "dp_accounting", "uv"}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    code = (
        "import atexit, sys, bench.cli; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); bench.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("command", ["run", "list", "check", "data", "duet", "env", "gesture", "history", "privacy"])
def test_help_imports_nothing_but_its_own_module(command):
    loaded = loaded_by(command, "--help")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.endswith("_commands")} <= {
        f"bench.{command}_commands",
        "bench.audit_commands",
    }
    assert "bench.spec" not in loaded  # typer itself may use pydantic


def test_the_list_of_commands_waits_for_no_library():
    assert not loaded_by("--help") & {*HEAVY, "pydantic"}


def test_the_list_of_experiments_and_backends_validates_none():
    loaded = loaded_by("list")
    assert not loaded & {*HEAVY, "bench.spec"}
    assert "bench.plugins" in loaded


def test_the_list_has_what_ships_as_its_files_tell_it():
    assert shipped.descriptions() == {path.stem: spec.load(path).description for path in shipped.paths()}
