"""Functions that a decode process calls in place of an encoder's `fit`. It finds them by their names."""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def shrink(image: Image.Image, side: int = 4) -> Pixels:
    return np.asarray(image.resize((side, side)), dtype=np.uint8)


def shape(data: bytes, side: int = 4) -> Pixels:
    """Return a view that begins with these bytes."""
    return np.frombuffer(data.ljust(side * side * 3, b"\0"), np.uint8).reshape(side, side, 3)


def spin_on_red(image: Image.Image) -> Pixels:
    """Never end, with the processor busy."""
    while image.getpixel((0, 0)) == (255, 0, 0):
        pass
    return shrink(image)


def spin(image: Image.Image) -> Pixels:
    """Never end, with the processor busy."""
    while True:
        pass


def allocate_on_red(image: Image.Image) -> Pixels:
    """Take 400 MB."""
    if image.getpixel((0, 0)) == (255, 0, 0):
        return np.ones(400_000_000, np.uint8)
    return shrink(image)


def crash_on_red(image: Image.Image) -> Pixels:
    if image.getpixel((0, 0)) == (255, 0, 0):
        os.kill(os.getpid(), signal.SIGSEGV)
    return shrink(image)


def sleep(image: Image.Image) -> Pixels:
    """Never end, without taking CPU time."""
    time.sleep(3_600)
    return shrink(image)


def process_id(image: Image.Image) -> Pixels:
    return shape(struct.pack("<Q", os.getpid()))


def process_id_when_all_wait(image: Image.Image, *, folder: str, count: int) -> Pixels:
    """Return the id of this process, once `count` processes are here at the same time."""
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < count:
        time.sleep(0.01)
    return process_id(image)


def cpu_limit(image: Image.Image) -> Pixels:
    """Return the seconds of CPU time that this process still has."""
    return shape(struct.pack("<d", signal.getitimer(signal.ITIMER_PROF)[0]))


def environment(image: Image.Image) -> Pixels:
    return shape(" ".join(sorted(os.environ)).encode(), side=16)


def write_on_red(image: Image.Image, *, answer: bytes, pause_s: float = 0) -> Pixels:
    """Write to the socket of the service, as a decoder that a file has taken over could."""
    if image.getpixel((0, 0)) == (255, 0, 0):
        os.write(int(sys.argv[1]), answer)
        time.sleep(pause_s)
    return shrink(image)


def wrong_shape_on_red(image: Image.Image) -> Pixels:
    return shrink(image, 6 if image.getpixel((0, 0)) == (255, 0, 0) else 4)


class Unpicklable:
    """A fit that another process can't load."""

    def __call__(self, image: Image.Image) -> Pixels:
        return shrink(image)

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)
