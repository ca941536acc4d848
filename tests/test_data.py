"""Data sets: the same samples in every form, split without leaks, identical everywhere."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import data, plugins, spec
from bench.data import preparing
from bench.data.image_files import examine, write_png
from bench.dataset import Sample
from bench.errors import UserError
from bench.job import Files
from tests.conftest import REAL_DATA


def prepare(name: str, *texts: str) -> data.Prepared:
    own = spec.build({}, texts).cells[0].spec
    module = plugins.load_module(plugins.find("datasets", name))
    return data.prepare(module, name, own.data, own.seed, lambda *progress: None)


def test_every_form_gives_the_same_samples(home):
    prepared = prepare("synthetic-xray", "data.samples=12", "data.image_size=20")
    folder = prepared.folder
    told = {
        "classes": prepared.classes,
        "shape": prepared.shape,
        "images": folder / "images.json",
        "packed": folder / "packed.npy",
        "npy": folder / "npy.json",
        "labels": folder / "labels.npy",
        "test": folder / "test.npy",
        "pixels": prepared.pixels,
    }
    files = Files(told)
    batch = np.array([3, 0, 7])
    for form in ("packed", "memory", "npy", "image"):
        reader = files.reader(form)
        files.check(batch, reader.batch(batch))
        (fed,) = reader.feed([batch])
        assert (fed[1] == reader.sample(0)).all()
    with pytest.raises(ValueError, match=r"what was read of .* differs from what was prepared"):
        files.check(batch, reader.batch(batch)[:, :, ::-1])
    with pytest.raises(ValueError, match=r"feeds float32 \(3, 3, 20, 20\), not uint8"):
        files.check(batch, reader.batch(batch).astype(np.float32))
    np.save(folder / "packed.npy", np.load(folder / "packed.npy")[::-1])
    with pytest.raises(ValueError, match="altered since it was prepared"):
        Files(told).check(batch, reader.batch(batch))


def test_made_up_films_are_the_same_on_every_machine(home):
    """Golden: another value means another data set, which needs a new VERSION in its plugin."""
    prepared = prepare("synthetic-xray", "data.samples=12", "data.image_size=96", "data.channels=1")
    assert prepared.pixels[:16] == "74fc7cf6785e12c3"
    assert prepared.classes == ("COVID", "NORMAL", "Viral Pneumonia")


def test_a_second_preparation_reuses_the_first_and_a_changed_file_does_not(home, films):
    first = prepare("xray", f"data.source={films}", "data.image_size=8")
    assert prepare("xray", f"data.source={films}", "data.image_size=8").folder == first.folder
    write_png(films / "dark" / "film 0.png", np.zeros((12, 12), np.uint8))
    assert prepare("xray", f"data.source={films}", "data.image_size=8").digest != first.digest


def test_an_interrupted_preparation_leaves_nothing_that_counts(home, films, monkeypatch):
    def stop(*anything):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparing.store, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare("xray", f"data.source={films}")
    assert not [path for path in (home / "data").iterdir() if (path / "manifest.json").exists()]
    assert prepare("xray", f"data.source={films}").labels.tolist() == [0] * 6 + [1] * 6


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.floats(0.05, 0.9), st.integers(0, 99), st.integers(1, 6))
def test_a_split_is_stratified_and_keeps_groups_whole(dark, light, holdout, seed, size):
    samples = [
        Sample(f"{label}/{number}", label, Path(), f"{label}{number // size}")
        for label, count in (("dark", dark * size), ("light", light * size))
        for number in range(count)
    ]
    is_test, _ = data.split(samples, spec.Data(holdout=holdout, groups="patient"), seed)
    sides: dict[str, set[bool]] = {}
    for sample, held in zip(samples, is_test, strict=True):
        sides.setdefault(sample.group, set()).add(bool(held))
    assert all(len(side) == 1 for side in sides.values())
    for label, count in (("dark", dark), ("light", light)):
        own = [held for sample, held in zip(samples, is_test, strict=True) if sample.label == label]
        assert 0 < sum(own) < len(own)
        assert abs(sum(own) - holdout * count * size) <= size + 1
    reverse, _ = data.split(samples[::-1], spec.Data(holdout=holdout, groups="patient"), seed)
    assert np.array_equal(reverse[::-1], is_test)


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    write_png(path, np.zeros((2, 2), np.uint8))
    content = bytearray(path.read_bytes())
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    path.write_bytes(content)
    with pytest.raises(ValueError, match="30000 x 30000 pixels; at most 100 million"):
        examine(path.read_bytes())


def test_mnist_from_idx_files(home, tmp_path):
    source = tmp_path / "idx"
    source.mkdir()
    for stem, count in (("train", 12), ("t10k", 4)):
        images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8)
        head = (0x803).to_bytes(4, "big") + b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        (source / f"{stem}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = bytes(number % 2 for number in range(count))
        (source / f"{stem}-labels-idx1-ubyte").write_bytes(
            (0x801).to_bytes(4, "big") + count.to_bytes(4, "big") + labels
        )
    prepared = prepare("mnist", f"data.source={source}", "data.channels=1", "data.image_size=28")
    assert (len(prepared.train), len(prepared.test), prepared.classes) == (12, 4, ("0", "1"))
    assert np.load(prepared.folder / "packed.npy")[prepared.test[0], 0, 0, :3].tolist() == [0, 1, 2]
    (source / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x0cxx")
    with pytest.raises(UserError, match="has 2 bytes of data, its header promises 12"):
        prepare("mnist", f"data.source={source}")
    whole = gzip.compress((source / "train-images-idx3-ubyte").read_bytes())
    (source / "train-images-idx3-ubyte").unlink()
    for broken in (whole[:-20], whole[:-60] + bytes(40) + whole[-20:], b"no gzip"):
        (source / "train-images-idx3-ubyte.gz").write_bytes(broken)
        with pytest.raises(UserError, match="not a whole gzip file"):
            prepare("mnist", f"data.source={source}")
    promising = b"\0\0\x08\x03" + b"\xff" * 12
    (source / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(promising))
    with pytest.raises(UserError, match=r"header promises .* at most"):
        prepare("mnist", f"data.source={source}")


@pytest.mark.skipif(not (REAL_DATA / "xray").is_dir(), reason="the real x-rays are not on this machine")
def test_the_real_x_rays_by_patient(home):
    prepared = prepare("xray", f"data.source={REAL_DATA / 'xray'}", "data.groups=patient")
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    sides: dict[str, set[str]] = {}
    for _, _, group, side, *_ in manifest["samples"]:
        sides.setdefault(group, set()).add(side)
    assert len(prepared.labels) == 962
    assert all(len(side) == 1 for side in sides.values())
