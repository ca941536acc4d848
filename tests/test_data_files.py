"""Image files: which are read, what is lost, and what each one that can't be used is called."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import complaints, decoding, preparing
from bench.data.image_files import examine
from bench.errors import UserError
from tests import pictures
from tests.conftest import refused
from tests.test_data import prepare


def test_every_kind_of_png_and_jpeg_is_read_and_what_it_loses_is_told(bench_data, films):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    kinds = {
        "16 bit.png": pictures.png(grey.astype(np.uint16) * 257),
        "palette.png": pictures.palette_png(),
        "alpha.png": pictures.png(np.dstack([grey] * 4)),
        "grey.png": pictures.png(grey),
        "colour.png": pictures.png(np.dstack([grey, grey + 1, grey + 2])),
        "cmyk.jpg": pictures.cmyk_jpeg(),
        "grey.jpeg": cv2.imencode(".jpg", grey)[1].tobytes(),
    }
    for name, content in kinds.items():
        (films / "dark" / name).write_bytes(content)
    done = bench_data("prepare", films)
    assert done.code == 0
    assert "3 files lose something by decoding: dark/16 bit.png (16 bits become 8)" in done.err
    assert "dark/alpha.png (alpha is dropped); dark/cmyk.jpg (CMYK becomes RGB" in done.err
    manifest = json.loads((bench_data.folder(done) / "manifest.json").read_text())
    kind = {row[0]: row[manifest["columns"].index("kind")] for row in manifest["samples"]}
    assert kind["dark/palette.png"] == "palette PNG"
    assert kind["dark/cmyk.jpg"] == "CMYK JPEG"
    assert kind["dark/16 bit.png"] == "16-bit grey PNG"


BAD = {
    "zero.png": (b"", "is empty"),
    "truncated.png": (pictures.film(1)[:-20], "is a truncated PNG"),
    "corrupt.png": (pictures.film(1).replace(b"IDAT", b"IDBT"), "is a corrupt PNG: the checksum of its IDBT"),
    "bomb.png": (pictures.bomb(), "has 30000 x 30000 pixels; at most 100 million are read"),
    "text.jpg": (b"not a picture", "is neither PNG nor JPEG"),
    "truncated.jpg": (pictures.cmyk_jpeg()[:-2], "is a truncated JPEG"),
    "film.bmp": (b"BM" + bytes(60), "is neither PNG nor JPEG"),
    "scan.dcm": (bytes(128) + b"DICM", "is neither PNG nor JPEG"),
    "new\nline.png": (b"", "new\\nline.png' is empty"),
    os.fsdecode(b"\xff.png"): (b"", "\\udcff.png' is empty"),
}


@pytest.mark.parametrize("names", [list(BAD)[:5], list(BAD)[5:]], ids=["broken", "other"])
def test_bad_files_are_named_in_one_line_and_can_be_left_out(bench_data, films, names):
    for name in names:
        (films / "light" / name).write_bytes(BAD[name][0])
    told = [f"{name} {BAD[name][1]}" if name.isprintable() else BAD[name][1] for name in names]
    refused(bench_data("prepare", films), "5 of 17 files can't be used", *told, "leave them out with --skip-bad")
    assert not [path for path in bench_data.home.rglob("*") if path.is_file()]
    done = bench_data("prepare", films, "--skip-bad")
    assert done.code == 0
    assert "5 files left out: " in done.err
    manifest = json.loads((bench_data.folder(done) / "manifest.json").read_text())
    assert {name for name, _ in manifest["skipped"]} == {f"light/{name}" for name in names}
    assert len(manifest["samples"]) == 12


def hears() -> bool:
    with ThreadPoolExecutor(1, initializer=complaints.listen) as pool:
        return pool.submit(complaints.hears).result()


@pytest.mark.skipif(not hears(), reason="this machine gives no thread file descriptors of its own")
def test_damage_that_only_decoding_shows_is_noticed_and_nothing_is_written_around_the_message(bench_data, films):
    smooth = cv2.GaussianBlur(np.random.RandomState(0).randint(0, 255, (200, 200), np.uint8), (9, 9), 3)
    content = cv2.imencode(".jpg", smooth)[1].tobytes()
    middle = len(content) // 2
    (films / "dark" / "spoilt.jpg").write_bytes(content[:middle] + bytes(200) + content[middle + 200 :])
    (films / "dark" / "short.png").write_bytes(pictures.short_png())
    (films / "dark" / "whole.jpg").write_bytes(content[:-2] + b"extraneous" + content[-2:])
    done = bench_data("prepare", films)
    refused(
        done,
        "2 of 15 files",
        "spoilt.jpg is a corrupt JPEG: premature end of data",
        "short.png can't be decoded as an image",
    )
    assert len(done.err.splitlines()) == 3  # two of progress and the message


def test_a_class_of_bad_files_only(bench_data, films):
    for path in (films / "light").iterdir():
        path.write_bytes(b"")
    refused(bench_data("prepare", films, "--skip-bad"), "no file of class 'light' can be used", "film 0.png is empty")


def test_a_file_that_changes_while_it_is_prepared_is_bad(home, films, monkeypatch):
    def read_late(entry, shape):
        if entry.sample.name == "dark/film 3.png":
            entry.sample.path.write_bytes(pictures.film(50, side=20))
        return decoding.read(entry, shape)

    monkeypatch.setattr(preparing, "read", read_late)
    with pytest.raises(UserError, match=r"1 of 12 files can't be used: .*film 3.png changed while it was read"):
        prepare("xray", f"data.source={films}")


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([pictures.film(0), pictures.palette_png(), pictures.cmyk_jpeg()]))
def test_any_cut_is_noticed(data, content):
    end = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError, match=r"^(is|has) "):
        examine(content[:end])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(pictures.film(0)) - 1), st.integers(1, 255))
def test_any_flipped_byte_of_a_png_is_noticed(place, flip):
    content = bytearray(pictures.film(0))
    content[place] ^= flip
    with pytest.raises(ValueError, match=r"^(is|has) "):
        examine(bytes(content))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]))
def test_whatever_the_bytes_a_reason_is_given(content, start):
    with pytest.raises(ValueError, match=r"^(is|has) "):
        examine(start + content)
