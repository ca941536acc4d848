"""The structure of the code: what runs in old Pythons, and what must not import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

IN_THE_WORKER = ("backend", "events", "forms", "images", "job", "meter", "pagecache", "worker")
ALLOWED = {"numpy", "cv2", "bench", *sys.stdlib_module_names}
FRAMEWORKS = {"torch", "tensorflow", "tensorflow_federated", "syft", "jax", "opacus"}


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


def test_help_does_not_wait_for_heavy_libraries():
    code = "import sys, bench.cli; bench.cli._mount(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "cv2", "pydantic", "pandas", "uv"} & set(loaded)
