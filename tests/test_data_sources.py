"""Where samples come from: folders, the radiography archive's layouts, lists, ZIP archives, and what is refused."""

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import archive
from bench.data.wording import quoted
from bench.errors import UserError
from tests import pictures
from tests.conftest import refused
from tests.test_data import prepare


def names(prepared) -> list[str]:
    return [row[0] for row in json.loads((prepared.folder / "manifest.json").read_text())["samples"]]


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for own in sorted(folder.rglob("*")):
            file.write(own, own.relative_to(folder))
    return path


def radiography_2020(folder: Path) -> Path:
    inner = folder / "COVID-19 Radiography Database"
    for place, label in enumerate(("COVID", "NORMAL", "Viral Pneumonia")):
        (inner / label).mkdir(parents=True)
        for number in range(1, 4):
            (inner / label / f"{label} ({number}).png").write_bytes(pictures.film(10 * place + number))
        (inner / f"{label}.metadata.xlsx").write_bytes(b"PK")
    (inner / "README.md.txt").write_text("about")
    return folder


def radiography_2022(folder: Path) -> Path:
    inner = folder / "COVID-19_Radiography_Dataset"
    for place, label in enumerate(("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")):
        for kind in ("images", "masks"):
            (inner / label / kind).mkdir(parents=True)
            for number in range(1, 4):
                (inner / label / kind / f"{label}-{number}.png").write_bytes(pictures.film(10 * place + number))
        (inner / f"{label}.metadata.xlsx").write_bytes(b"PK")
    (inner / "README.md.txt").write_text("about")
    return folder


@pytest.mark.parametrize("layout", [radiography_2020, radiography_2022, pictures.class_folders])
def test_every_layout_is_the_same_as_a_folder_and_as_a_zip(home, tmp_path, layout):
    folder = layout(tmp_path / "as folder")
    inner = next(folder.iterdir()) if "radiography" in layout.__name__ else folder
    as_folder, as_inner = (prepare("xray", f"data.source={path}", "data.image_size=8") for path in (folder, inner))
    archived = zipped(folder, tmp_path / "archive.zip")
    as_zip = prepare("xray", f"data.source={archived}", "data.image_size=8")
    assert as_folder.digest == as_inner.digest == as_zip.digest
    assert names(as_folder) == names(as_zip)
    assert not any("masks" in name for name in names(as_folder))
    assert len(as_folder.labels) == 3 * len(as_folder.classes)


def test_lists_in_a_folder_by_themselves_and_in_a_zip(home, tmp_path):
    folder = pictures.class_folders(tmp_path / "films")
    files = [f"{label}/{number}.png,{label}" for number in range(3) for label in ("dark", "light")]
    (folder / "train.csv").write_text("\ufeff" + "\n".join(files[:4]) + "\n", encoding="utf-8")
    (folder / "test.csv").write_text("\r\n".join(files[4:]))
    sources = (folder, folder / "train.csv", zipped(folder, tmp_path / "films.zip"))
    found = [prepare("xray", f"data.source={source}", "data.image_size=8") for source in sources]
    assert len({one.digest for one in found}) == 1
    assert len(found[0].test) == 2


def test_a_list_may_name_files_anywhere_but_not_in_a_zip(bench_data, tmp_path):
    folder = pictures.class_folders(tmp_path / "films")
    (tmp_path / "lists").mkdir()
    lines = [f"../films/{label}/{number}.png,{label}" for number in range(2) for label in ("dark", "light")]
    (tmp_path / "lists" / "train.csv").write_text("\n".join([*lines, f"{folder / 'dark' / '2.png'},dark"]))
    assert bench_data("prepare", tmp_path / "lists").code == 0
    outside = zipped(tmp_path / "lists", tmp_path / "lists.zip")
    refused(bench_data("prepare", outside), "train.csv:1: no such image")
    (tmp_path / "lists" / "train.csv").write_text(f"{folder / 'dark' / '2.png'},dark\n")
    refused(bench_data("prepare", zipped(tmp_path / "lists", outside)), "train.csv:1: ", "leads out of the archive")


STRANGE = ["with 'quotes' and \"more\".png", "new\nline.png", "ünïcödé 肺.png", os.fsdecode(b"caf\xe9.png")]


def test_strange_names_work_from_end_to_end(bench_data, tmp_path):
    folder = pictures.class_folders(tmp_path / os.fsdecode(b"a \n \xff folder"), STRANGE)
    done = bench_data("prepare", folder)
    assert done.code == 0, done.err
    paths = json.loads((bench_data.folder(done) / "images.json").read_text())
    assert all(Path(path).is_file() for path in paths)
    (folder / "dark" / STRANGE[1]).write_bytes(pictures.film(7))
    found = bench_data("verify", folder)
    assert found.code == 1
    assert "changed: 1 (changed since it was prepared): 'dark/new\\nline.png'" in found.out
    (folder / "dark" / STRANGE[3]).write_bytes(b"")
    refused(bench_data("prepare", folder), "caf\\udce9.png' is empty")


@given(st.text())
def test_whatever_a_file_is_called_it_is_told_in_one_printable_line(name):
    assert quoted(name).isprintable()
    if name.isprintable():
        assert quoted(name) == name


def test_links_that_leave_the_folder_are_bad_files(bench_data, tmp_path):
    folder = pictures.class_folders(tmp_path / "films")
    outside = pictures.class_folders(tmp_path / "elsewhere")
    (folder / "dark" / "inside.png").symlink_to("../light/0.png")
    assert bench_data("prepare", folder).code == 0
    (folder / "dark" / "out.png").symlink_to(outside / "dark" / "0.png")
    (folder / "dark" / "gone.png").symlink_to("nowhere.png")
    (folder / "dark" / "loop.png").symlink_to("loop.png")
    (folder / "linked class").symlink_to(outside / "dark")
    refused(
        bench_data("prepare", folder),
        "4 of 11 files can't be used",
        "out.png is a symbolic link that leaves the folder",
        "gone.png is a broken symbolic link",
        "loop.png is a broken symbolic link",
        "linked class is a symbolic link that leaves the folder",
    )
    refused(bench_data("prepare", folder, "--skip-bad"), "no file of class 'linked class' can be used")


def test_a_folder_that_may_not_be_read(bench_data, films):
    (films / "dark").chmod(0)
    try:
        if os.access(films / "dark", os.R_OK):
            pytest.skip("this user may read everything")
        refused(bench_data("prepare", films), "dark: can't be read: Permission denied")
    finally:
        (films / "dark").chmod(0o755)


def test_images_that_nobody_would_look_at_are_told(bench_data, films):
    (films / "dark" / "more").mkdir()
    (films / "dark" / "more" / "x.png").write_bytes(pictures.film(1))
    refused(bench_data("prepare", films), "images in folders inside of a class aren't read: more")


def test_sources_that_are_none(bench_data, tmp_path):
    (tmp_path / "picture.png").write_bytes(pictures.film(0))
    refused(bench_data("prepare", tmp_path / "picture.png"), "picture.png:1: ", "must be path,label")
    refused(bench_data("prepare", tmp_path / "absent\n"), "absent\\n': no such file or folder")
    refused(bench_data("prepare", "~nobody-of-that-name/x"), "no such file or folder")
    refused(bench_data("prepare", tmp_path, name="xay"), "unknown dataset 'xay': did you mean xray?")


def test_two_samples_of_one_name(bench_data, films):
    (films / "train.csv").write_text("dark/film 0.png,dark\nlight/film 0.png,light\ndark/film 0.png,dark\n")
    refused(bench_data("prepare", films), "two samples of one name: dark/film 0.png")


def entry(name: str, mode: int = 0o644 | stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def evil(tmp_path: Path, *extra: tuple[zipfile.ZipInfo, bytes]) -> Path:
    """A good archive with more entries."""
    path = zipped(pictures.class_folders(tmp_path / "good"), tmp_path / "evil.zip")
    with zipfile.ZipFile(path, "a") as file:
        for info, content in extra:
            file.writestr(info, content)
    return path


FILM = pictures.film(3)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ((entry("dark/../../out.png"), FILM), "entry dark/../../out.png climbs out of the archive"),
        ((entry("/tmp/out.png"), FILM), "entry /tmp/out.png climbs out"),
        ((entry("C:/out.png"), FILM), "entry C:/out.png climbs out"),
        ((entry("dark\\out.png"), FILM), "has a backslash"),
        ((entry("dark/link.png", 0o777 | stat.S_IFLNK), b"/etc/passwd"), "entry dark/link.png is a symbolic link"),
        ((entry("dark/pipe.png", 0o644 | stat.S_IFIFO), b""), "is neither a file nor a folder"),
        ((entry("dark/0.png"), FILM), "two entries of one name: dark/0.png"),
        ((entry("dark/./0.png"), FILM), "two entries of one name: dark/0.png"),
        ((entry("dark/0.png/x.png"), FILM), "a file is also the folder of others: dark/0.png/x.png"),
        ((entry("light/zeros.png"), bytes(150_000_000)), "would grow from 0 MB to 150 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_evil_archive_is_refused_before_anything_is_written(tmp_path, extra, told):
    with pytest.raises(UserError, match=r"^data.source = .*evil.zip: ") as caught:
        archive.unpack(evil(tmp_path, extra), tmp_path / "into", lambda *progress: None)
    assert told in str(caught.value)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "into").exists()
    assert not (tmp_path / "out.png").exists()


def test_archives_that_are_refused_as_a_user_sees_it(bench_data, tmp_path):
    path = evil(tmp_path, (entry("../out\n.png"), FILM))
    refused(bench_data("prepare", path), "evil.zip: entry '../out\\n.png' climbs out of the archive")
    whole = zipped(tmp_path / "good", tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    refused(bench_data("prepare", tmp_path / "cut.zip"), "cut.zip: is no ZIP archive, or a truncated one")
    place = whole.index(b"dark/0.png") + 30  # in what is packed of it
    (tmp_path / "flipped.zip").write_bytes(whole[:place] + bytes(30) + whole[place + 30 :])
    refused(bench_data("prepare", tmp_path / "flipped.zip"), "flipped.zip: entry dark/", "is damaged")
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as file:
        file.writestr(entry("dark/0.png"), FILM)
    content = bytearray((tmp_path / "locked.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    refused(bench_data("prepare", tmp_path / "locked.zip"), "entry dark/0.png is encrypted")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as file:
        file.writestr("README.md", "none")
    refused(bench_data("prepare", tmp_path / "empty.zip"), "empty.zip: holds no images and no CSV list")
    assert not [path for path in bench_data.home.rglob("*") if path.is_file()]


def test_an_archive_that_says_less_than_it_holds_writes_no_more_than_it_says(tmp_path):
    path = zipped(pictures.class_folders(tmp_path / "good"), tmp_path / "liar.zip")
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        archive.unpack(path, tmp_path / "into", lambda *progress: None)


def test_a_full_disk_is_told_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = zipped(pictures.class_folders(tmp_path / "good"), tmp_path / "good.zip")
    usage = archive.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="the disk has 0 MB left"):
        archive.unpack(path, tmp_path / "into", lambda *progress: None)


def test_names_in_an_archive_that_dont_say_they_are_utf_8(tmp_path):
    path = tmp_path / "names.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("dark/Ünï.png", "dark/b.png", "light/c.png"):
            file.writestr(entry(name), FILM)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + offset + 1] &= ~0x08
    path.write_bytes(content)
    folder = archive.unpack(path, tmp_path / "into", lambda *progress: None)
    assert (folder / "dark" / "Ünï.png").read_bytes() == FILM


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.sampled_from(["gone", "torn", "altered"]))
def test_an_interrupted_unpacking_goes_on_to_the_same_files(tmp_path_factory, number, how):
    tmp_path = tmp_path_factory.mktemp("unpack")
    path = zipped(pictures.class_folders(tmp_path / "good"), tmp_path / "good.zip")
    folder = archive.unpack(path, tmp_path / "into", lambda *progress: None)
    expected = {own.name: own.read_bytes() for own in folder.rglob("*.png")}
    (tmp_path / "into" / ".whole").unlink()
    victim = sorted(folder.rglob("*.png"))[number]
    if how == "gone":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-1] + (b"" if how == "torn" else b"x"))
    again = archive.unpack(path, tmp_path / "into", lambda *progress: None)
    assert {own.name: own.read_bytes() for own in again.rglob("*.png")} == expected
