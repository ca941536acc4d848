"""Frames of the live plot as a file: a film by ffmpeg, an animation by Pillow, or the last frame as a picture."""

import io
import itertools
import queue
import shutil
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench import store
from bench.errors import UserError

SUFFIXES = (".mp4", ".gif", ".png")
WAITING = 200  # frames that may wait to be written, until drawing waits too

Frame = npt.NDArray[np.uint8]  # (height, width, 3)


class Film(Protocol):
    """Takes frames with their times in seconds, and becomes a file when it is finished."""

    def add(self, frame: Frame, time_s: float) -> None: ...
    def finish(self, end_s: float) -> None: ...


def make(path: Path, frames_hz: float) -> Film:
    """The film that will be `path`. Raises UserError where its suffix, folder or program isn't there."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--save {path}: must end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir() or path.is_dir():
        raise UserError(f"--save {path}: must be a file in a folder that exists")
    if path.suffix.lower() == ".png":
        return Picture(path)
    if path.suffix.lower() == ".gif":
        return Written(Animation(path))
    return Written(Movie(path, frames_hz))


class Picture:
    """The last frame."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: Frame | None = None

    def add(self, frame: Frame, time_s: float) -> None:
        self._last = frame

    def finish(self, end_s: float) -> None:
        if self._last is None:
            raise UserError(f"--save {self._path}: no frame was drawn")
        content = io.BytesIO()
        Image.fromarray(self._last).save(content, "PNG")
        store.write_bytes(self._path, content.getvalue())


class Written:
    """Hands frames to another film in a thread of its own, so that drawing doesn't wait for it."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._frames: queue.Queue[tuple[Frame, float] | None] = queue.Queue(WAITING)
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="film", daemon=True)
        self._thread.start()

    def add(self, frame: Frame, time_s: float) -> None:
        if self._fault is not None:
            raise self._fault
        self._frames.put((frame, time_s))

    def finish(self, end_s: float) -> None:
        self._frames.put(None)
        self._thread.join()
        if self._fault is not None:
            raise self._fault
        self._film.finish(end_s)

    def _write(self) -> None:
        while (item := self._frames.get()) is not None:
            if self._fault is None:
                try:
                    self._film.add(*item)
                except Exception as error:
                    self._fault = error


class Animation:
    """A GIF that plays as fast as it was seen; kept compressed until the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._palette: Image.Image | None = None
        self._size = (0, 0)
        self._frames: list[tuple[bytes, float]] = []

    def add(self, frame: Frame, time_s: float) -> None:
        image = Image.fromarray(frame)
        if self._palette is None:
            self._palette, self._size = _palette(), image.size
        reduced = image.quantize(palette=self._palette, dither=Image.Dither.NONE)
        self._frames.append((zlib.compress(reduced.tobytes(), 1), time_s))

    def finish(self, end_s: float) -> None:
        if not self._frames:
            raise UserError(f"--save {self._path}: no frame was drawn")
        times = [time_s for _, time_s in self._frames] + [max(end_s, self._frames[-1][1])]
        ticks = [round(100 * (time_s - times[0])) for time_s in times]
        durations = [10 * max(2, after - before) for before, after in itertools.pairwise(ticks)]
        images = self._images()
        first = next(images)
        content = io.BytesIO()
        first.save(
            content, "GIF", save_all=True, append_images=images, duration=durations, loop=0, optimize=False
        )  # fmt: skip
        store.write_bytes(self._path, content.getvalue())

    def _images(self) -> Iterator[Image.Image]:
        assert self._palette is not None
        for packed, _ in self._frames:
            image = Image.frombytes("P", self._size, zlib.decompress(packed))
            image.putpalette(self._palette.getpalette() or [])
            yield image


class Movie:
    """An MP4 by ffmpeg; a frame that is late is made up for by showing the one before it longer."""

    def __init__(self, path: Path, frames_hz: float) -> None:
        self._path, self._frames_hz = path, frames_hz
        self._ffmpeg = ffmpeg(path)
        self._aside = path.with_name(f".{path.stem}.part{path.suffix}")
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None
        self._last: bytes = b""
        self._written = 0

    def add(self, frame: Frame, time_s: float) -> None:
        height, width = (size // 2 * 2 for size in frame.shape[:2])  # the codec's colours are of four pixels
        if self._process is None:
            self._process = self._start(width, height)
        self._fill(time_s)
        self._last = frame[:height, :width].tobytes()

    def finish(self, end_s: float) -> None:
        if self._process is None or self._process.stdin is None:
            raise UserError(f"--save {self._path}: no frame was drawn")
        self._fill(max(end_s, (self._written + 1) / self._frames_hz))
        self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._failed()
        self._aside.replace(self._path)

    def _fill(self, until_s: float) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            while self._last and self._written < round(until_s * self._frames_hz):
                self._process.stdin.write(self._last)
                self._written += 1
        except BrokenPipeError:
            self._process.wait()
            raise self._failed() from None

    def _start(self, width: int, height: int) -> "subprocess.Popen[bytes]":
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{self._frames_hz:g}"]
        coded = ["-an", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(self._aside)]
        command = [self._ffmpeg, "-y", "-loglevel", "error", *raw, "-i", "-", *coded]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._messages, start_new_session=True
        )

    def _failed(self) -> UserError:
        self._messages.seek(0)
        lines = self._messages.read().decode("utf-8", "replace").split("\n")
        why = next((line.strip() for line in lines if line.strip()), "it told no reason")
        self._aside.unlink(missing_ok=True)
        return UserError(f"--save {self._path}: ffmpeg could not write it: {why}")


def ffmpeg(path: Path, which: Callable[[str], str | None] = shutil.which) -> str:
    """Where ffmpeg is. Raises UserError where it isn't."""
    found = which("ffmpeg")
    if found is None:
        raise UserError(f"--save {path}: needs ffmpeg, which isn't here (sudo apt install ffmpeg); a .gif needs none")
    return found


def _palette() -> Image.Image:
    """The plot's few colours, each in steps towards white and, for what lies on a span, towards its shade."""
    from bench.palette import BLACK, BLUE, GREEN, ORANGE, RED, SKY

    def rgb(text: str) -> npt.NDArray[np.float64]:
        return np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)], float)

    white, sky = np.full(3, 255.0), rgb(SKY)
    grounds = (white, white + (sky - white) * 0.28)
    shades = [white + (sky - white) * share for share in (0.14, 0.28, 0.5)]
    for colour in (BLACK, BLUE, RED, GREEN, ORANGE):
        for ground in grounds:
            shades += [ground + (rgb(colour) - ground) * share for share in np.linspace(0, 1, 12)]
    flat = np.concatenate(shades).round().astype(int).tolist()
    image = Image.new("P", (1, 1))
    image.putpalette(flat)
    return image
