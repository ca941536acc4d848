"""What a new user gets wrong: one line that helps, exit code 2, nothing left half-written."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, refused


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--backends=torhc"],
            [
                "unknown backend 'torhc': did you mean torch?",
                "fedjax, flower, pfl, reference, sklearn, syft-0.2, syft-0.5, syft-0.9, tff, torch",
            ],
        ),
        (["--backends=./absent.py"], ["./absent.py: no such file"]),
        (["--backends="], ["name at least one"]),
        (["--backends=torch,torch"], ["named twice: torch"]),
        (["--backends=reference@1.0"], ["no framework version to choose"]),
        (["absent"], ["unknown experiment 'absent'; there are:", "quick"]),
        (["absent.toml"], ["absent.toml: can't be read"]),
        (["--set=data.dataset=cats"], ["unknown dataset 'cats'", "synthetic-xray"]),
        (["--set=federation.clientz=3"], ["federation.clientz: no such setting; did you mean federation.clients"]),
        (["--set=federation.clients=many"], ["--set federation.clients = 'many': must be a valid integer"]),
        (["--set=federation.clients=0"], ["must be greater than or equal to 1"]),
        (["--set=federation.clients=25"], ["there are only 24 training samples"]),
        (["--set=data.dataset=xray"], ["needs a folder or a CSV"]),
        (["--set=data.dataset=xray", "--set=data.source=nowhere"], ["data.source = nowhere: no such file or folder"]),
        (["--set=data.dataset=mnist", "--set=data.source=nowhere"], ["data.source = nowhere: no such folder"]),
        (["--set=privacy.noise_multiplier=-1"], ["--set privacy.noise_multiplier = -1: must be greater than or equal"]),
        (["--set=privacy.noise_multiplier=nan"], ["privacy.noise_multiplier = nan: must be a finite number"]),
        (["--set=privacy.delta=1e-5"], ["privacy: give either noise_multiplier (0 or more) or target_epsilon"]),
        (
            ["--set=privacy.noise_multiplier=1", "--set=privacy.target_epsilon=3"],
            ["privacy: give either noise_multiplier (0 or more) or target_epsilon"],
        ),
        (["--set=privacy.noise_multiplier=1", "--set=privacy.delta=0"], ["privacy.delta = 0: must be greater than 0"]),
        (["--set=privacy.noise_multiplier=1", "--set=privacy.delta=1"], ["privacy.delta = 1: must be less than 1"]),
        (
            ["--set=privacy.noise_multiplier=1", "--set=model.batch_norm=true"],
            ["model.batch_norm can't be private: its statistics mix", "model.group_norm = true"],
        ),
        (
            ["--set=privacy.noise_multiplier=1", "--set=privacy.unit=client", "--set=privacy.engine=fused"],
            ["engine fused is for unit example"],
        ),
        (
            ["--set=privacy.target_epsilon=1e-12", "--set=privacy.delta=1e-15"],
            ["target epsilon 1e-12 can't be met", "allow a larger epsilon"],
        ),
        (["--out=/dev/null/runs"], ["--out /dev/null/runs: can't be written"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0].startswith("-") else None,
)
def test_a_wrong_argument_is_refused_in_one_line(bench, tmp_path, arguments, told):
    if not any(one.startswith("--backends") for one in arguments):
        arguments = [*arguments, "--backends=reference"]
    refused(bench("run", *arguments, tiny=True), *told)
    assert not list(tmp_path.glob("runs/*/task-1/*/result.json"))


def test_no_repeats_at_all_are_refused(bench):
    told = "timing.repeats = 0: must be greater than or equal to 1"
    refused(bench("run", "--repeats=0", "--backends=reference"), told)


def test_two_backend_files_of_one_name_are_refused(bench, tmp_path):
    text = (ROOT / "tests" / "fakes" / "crash.py").read_text()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(text)
    told = "one/mine.py and two/mine.py are both called mine: rename one file"
    refused(bench("run", "--backends=one/mine.py,two/mine.py", tiny=True), told)
    (tmp_path / "reference.py").write_text(text)
    refused(bench("run", "--backends=reference,./reference.py", tiny=True), "both called reference: rename one file")
    assert not list(tmp_path.glob("runs/*"))


def xray(bench, source: Path, *more: str):
    settings = [f"--set={one}" for one in ("data.dataset=xray", f"data.source={source}", "data.samples=12", *more)]
    return bench("run", "--backends=reference", "--json", *settings, tiny=True)


def test_real_files_are_learned_from(bench, films):
    finished = xray(bench, films)
    assert finished.code == 0
    assert finished.document["cells"][0]["train_samples"] == 10


def test_a_class_folder_with_one_image(bench, films):
    for path in sorted((films / "dark").iterdir())[1:]:
        path.unlink()
    refused(xray(bench, films), "class folder 'dark' holds 1 PNG or JPEG image; at least two are needed")


def test_one_class_only(bench, films):
    for path in (films / "dark").iterdir():
        path.unlink()
    (films / "dark").rmdir()
    refused(xray(bench, films), "1 class(es) only; at least two are needed")


def test_a_truncated_png_and_a_text_file_are_named_and_can_be_skipped(bench, films):
    truncated = films / "dark" / "film 0.png"
    truncated.write_bytes(truncated.read_bytes()[:-20])
    (films / "light" / "film 1.png").write_text("not a picture")
    (films / "light" / "film 2.png").write_bytes(b"")
    refused(
        xray(bench, films),
        "3 of 12 files can't be used",
        "film 0.png is a truncated PNG",
        "film 1.png is neither PNG nor JPEG",
        "film 2.png is empty",
        "data.skip_bad=true",
    )
    finished = xray(bench, films, "data.skip_bad=true")
    assert finished.code == 0
    assert finished.document["cells"][0]["train_samples"] == 7


def test_csv_lists(bench, films):
    lines = [f"{path.relative_to(films)},{path.parent.name}" for path in sorted(films.rglob("*.png"))]
    (films / "train.csv").write_text("\n".join(lines[::2]) + "\n")
    (films / "test.csv").write_text("\n".join(lines[1::2]) + "\n")
    finished = xray(bench, films)
    assert finished.code == 0
    assert finished.document["cells"][0]["test_samples"] == 6
    (films / "train.csv").write_text("\n".join([*lines[:3], "dark/film 3.png"]) + "\n")
    refused(xray(bench, films), "train.csv:4: 'dark/film 3.png': must be path,label")
    (films / "train.csv").write_text("\n".join([lines[0], "dark/absent.png,dark"]) + "\n")
    refused(xray(bench, films), "train.csv:2: no such image")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a small file system of its own")
def test_a_full_disk_is_told_in_one_line(tmp_path):
    """The process may write no file larger than 2 kB, as if the disk were full."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        f"sys.argv = ['bench', 'run', '--backends=reference', {', '.join(repr('--set=' + one) for one in TINY)}];"
        "from bench.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
