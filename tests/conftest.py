"""What several test modules share: the command line as a user calls it, and tiny specs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"

TINY = (
    "data.samples=30",
    "data.image_size=8",
    "model.name=mlp",
    "federation.rounds=3",
    "training.batch_size=5",
    "timing.repeats=1",
)


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Finished]:
    """Run the command line in an empty folder; `tiny` adds settings that make a run last seconds."""

    def call(*arguments: str, tiny: bool = False, env: dict[str, str] | None = None) -> Finished:
        settings = [f"--set={setting}" for setting in TINY] if tiny else []
        done = subprocess.run(
            [sys.executable, "-m", "bench.cli", *arguments[:1], *settings, *arguments[1:]],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert "Traceback" not in done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A source folder: two classes of six small PNG files."""
    folder = tmp_path / "films"
    stream = np.random.RandomState(0)
    for label in ("dark", "light"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            image = stream.randint(0, 120, (12, 12), np.uint8) + (100 if label == "light" else 0)
            cv2.imwrite(str(folder / label / f"film {number}.png"), image)
    return folder
