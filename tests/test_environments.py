"""Environments count only when they are whole: locks, health check, atomic mark, one build at a time."""

import ast
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from bench import doctor, environments, lock, pipconfig, plugins, uvtool
from bench.errors import UserError

ADAPTER = '''# /// script
# requires-python = ">=3.11"
# dependencies = [{dependencies}]
#
# [tool.bench]
# framework = "nothing"
# imports = ["{module}"]
# ///
"""A backend of nothing."""
'''


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "environments"


def backend(tmp_path, module="json", dependencies="") -> plugins.Plugin:
    path = tmp_path / "nothing.py"
    path.write_text(ADAPTER.format(module=module, dependencies=dependencies))
    return plugins.find("backends", str(path))


def test_an_environment_is_built_once_and_recorded(home, tmp_path):
    told: list[str] = []
    first = environments.ensure(backend(tmp_path), report=told.append)
    assert first.python.exists()
    assert not first.locked
    assert told[-1].startswith("nothing: ready after")
    assert environments.ensure(backend(tmp_path), report=told.append) == first
    assert [row["state"] for row in environments.listing()] == ["ready"]
    assert environments.remove("nothing") == [first.folder.name]
    assert environments.built(backend(tmp_path)) is None


def test_what_does_not_import_is_not_ready_and_says_why(home, tmp_path):
    with pytest.raises(environments.EnvironmentFailed, match="No module named 'a_module_that_is_not_there'") as failed:
        environments.ensure(backend(tmp_path, "a_module_that_is_not_there"), report=lambda text: None)
    assert "\n" not in str(failed.value)
    assert [row["state"] for row in environments.listing()] == ["incomplete"]


def test_what_cannot_be_resolved_says_why(home, tmp_path):
    impossible = backend(tmp_path, dependencies='"a-package-that-nobody-will-publish==1.0"')
    with pytest.raises(environments.EnvironmentFailed, match=r"can't be built: .*a-package-that-nobody-will-publish"):
        environments.ensure(impossible, report=lambda text: None)


def test_a_python_that_is_not_to_be_had_is_a_skip_and_says_what_mends_it(bench, tmp_path):
    old = tmp_path / "old.py"
    old.write_text(ADAPTER.format(module="json", dependencies="").replace(">=3.11", "==3.4.*"))
    mine = {"FEDBENCH_HOME": str(tmp_path / "home"), "UV_PYTHON_DOWNLOADS": "never"}
    finished = bench("run", "--backends=reference,./old.py", "--json", tiny=True, env=mine)
    assert finished.code == 1
    run = finished.document["cells"][0]["runs"][1]
    assert (run["backend"], run["status"]) == ("old", "skipped")
    assert "needs Python 3.4, which is not to be had: pyenv install 3.4 or uv python install 3.4" in run["reason"]
    assert bench("run", "--backends=reference,./old.py", "--allow-skips", tiny=True, env=mine).code == 0


def build(path: str) -> None:
    environments.ensure(plugins.find("backends", path), report=lambda text: None)


def test_a_build_that_was_killed_is_made_anew(home, tmp_path):
    (tmp_path / "slow").mkdir()
    plugin = backend(tmp_path, "time as t; t.sleep(60)")
    process = multiprocessing.get_context("spawn").Process(target=build, args=(str(plugin.path),))
    process.start()
    until(lambda: list(home.glob("nothing-*/bin/python")))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (folder,) = home.glob("nothing-*/")
    assert environments.built(plugin) is None
    (folder / "left over").touch()
    plugin = backend(tmp_path)
    environments.ensure(plugin, report=lambda text: None)
    assert environments.built(plugin) is not None


def test_two_builds_at_once_do_not_collide(home, tmp_path):
    plugin = backend(tmp_path)
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=build, args=(str(plugin.path),)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert [row["state"] for row in environments.listing()] == ["ready"]


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_another_version_replaces_the_frameworks_and_loosens_the_rest():
    tff = plugins.find("backends", "tff")
    wanted = environments.requirements(tff, "0.86.0")
    assert "tensorflow-federated==0.86.0" in wanted
    assert not any("==" in one for one in wanted if not one.startswith("tensorflow-federated"))
    assert environments.requirements(tff, None) == list(tff.header.dependencies)
    with pytest.raises(UserError, match="has no framework version to choose"):
        plugins.requested("reference@1.0")
    with pytest.raises(UserError, match=r"torch has no variant 'plain'; it has: fast, lean, crew, sparse"):
        plugins.requested("torch+plain")


def as_pip_tells_them(environ) -> dict[str, str]:
    """What `pip config list` says: lines of section.option='value'; the environment's section wins."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout.splitlines()
    found = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        found[name.rpartition(".")[2]] = " ".join(ast.literal_eval(value).split())
    found.pop("config-file", None)  # that is where settings are, not one of them
    return found


PIP_FILES = {
    "shared/pip/pip.conf": "[global]\nindex-url = https://shared.example/simple\nfind-links =\n    /one\n    /two\n",
    "home/.pip/pip.conf": "[global]\nextra_index_url = https://old.example/simple\ncert = /old.pem\n",
    "home/.config/pip/pip.conf": "[install]\nfind-links = /three\n[global]\ncert = /user.pem\n",
    "named.conf": "[global]\nindex-url = https://named.example/simple\n",
}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PIP_CERT": "/own.pem", "PIP_EXTRA_INDEX_URL": "https://a.example https://b.example"},
        {"PIP_CONFIG_FILE": "named.conf"},
        {"PIP_CONFIG_FILE": "missing.conf"},
        {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "/four"},
    ],
    ids=["files", "variables", "named", "missing", "none"],
)
def test_pips_settings_are_read_as_pip_reads_them(tmp_path, monkeypatch, variables):
    for name, text in PIP_FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIP_", "XDG_"))]:
        monkeypatch.delenv(name)
    told = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "shared"), **variables}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = pipconfig.read()
    assert {option: value for option, value in found.items() if option != "config-file"} == as_pip_tells_them(
        os.environ
    )


def test_settings_that_pip_cannot_read_are_told(tmp_path, monkeypatch):
    (tmp_path / "bad.conf").write_text("index-url = https://mirror.example\n")
    with pytest.raises(UserError, match=r"bad\.conf: pip's settings can't be read: .*no section headers"):
        pipconfig.read({"PIP_CONFIG_FILE": str(tmp_path / "bad.conf")})


def test_pips_settings_reach_uv_and_the_users_own_stay():
    settings = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "find-links": "/one /two",
        "cert": "/etc/own.pem",
    }
    own = uvtool.translated(settings, {"UV_FIND_LINKS": "/mine"})
    assert own["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert own["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert own["SSL_CERT_FILE"] == "/etc/own.pem"
    assert "UV_FIND_LINKS" not in own


@pytest.mark.parametrize(
    ("environ", "settings", "chosen"),
    [
        ({}, {}, "auto"),
        ({"FEDBENCH_TORCH_BACKEND": "cpu"}, {"find-links": "/wheels"}, "cpu"),
        ({"FEDBENCH_TORCH_BACKEND": "none"}, {}, None),
        ({}, {"find-links": "/wheels"}, None),
        ({"UV_DEFAULT_INDEX": "https://mirror.example"}, {}, None),
    ],
)
def test_the_build_of_torch_is_chosen_for_the_machine(environ, settings, chosen):
    assert uvtool.torch_backend(environ, settings) == chosen


def test_a_lock_has_no_local_builds_and_no_index():
    text = (
        "a==1.0 \\\n    --hash=sha256:11\ntorch==2.13.0+cpu \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\nz==2\n"
    )
    assert lock.without_local_builds(text) == "a==1.0 \\\n    --hash=sha256:11\ntorch==2.13.0\nz==2\n"


@pytest.mark.parametrize("name", ["torch", "tff"])
def test_the_locks_that_ship_are_whole(name):
    plugin = plugins.find("backends", name)
    assert plugin.lock is not None
    text = plugin.lock.read_text()
    assert not re.search(r"https?://|file:|\+cpu|--index|--find-links", text)
    versions = environments.locked_versions(text)
    for requirement in plugin.header.dependencies:
        wanted, version = requirement.split("==")
        assert versions[wanted] == version
    assert environments.release_date(text, plugin.header.framework)
    assert text.count("--hash=sha256:") > len(versions)


def test_doctor_tells_why_frameworks_are_apart():
    found = doctor.conflicts({"a": "1", "numpy": "1.25.2", "same": "3"}, {"a": "2", "numpy": "2.4.6", "same": "3"})
    assert found == [("numpy", "1.25.2", "2.4.6"), ("a", "1", "2")]


def test_plugins_by_name_and_by_path(tmp_path):
    assert {plugin.name for plugin in plugins.every("backends")} >= {"reference", "torch", "tff"}
    assert plugins.parse_request("syft-0.2@1.0+plain") == ("syft-0.2", "1.0", "plain")
    assert plugins.parse_request("./a@b.py") == ("./a@b.py", None, None)
    with pytest.raises(UserError, match="did you mean torch"):
        plugins.find("backends", "torhc")
    with pytest.raises(UserError, match="unknown backend '_torch'"):
        plugins.find("backends", "_torch")
    broken = tmp_path / "broken.py"
    broken.write_text("def (")
    with pytest.raises(UserError, match="not a Python file"):
        plugins.find("backends", str(broken))
    broken.write_text("# /// script\n# dependencies = [\n# ///\n")
    with pytest.raises(UserError, match="header is not valid"):
        plugins.find("backends", str(broken))


def test_a_name_without_its_generation_is_short_for_the_newest():
    assert plugins.find("backends", "syft").name == "syft-0.9"
    assert plugins.requested("syft+plain")[2] == "plain"
    with pytest.raises(UserError, match=r"did you mean syft-0\.\d"):
        plugins.find("backends", "syft-0.6")
