"""Functions that a decode process calls in place of an encoder's `fit`. It finds them by their names."""

from __future__ import annotations

import os
import signal
import struct
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def shrink(image: Image.Image) -> Pixels:
    return np.asarray(image.resize((4, 4)), dtype=np.uint8)


def spin_on_red(image: Image.Image) -> Pixels:
    """Never end, with the processor busy."""
    while image.getpixel((0, 0)) == (255, 0, 0):
        pass
    return shrink(image)


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
    return np.frombuffer(struct.pack("<Q", os.getpid()), np.uint8)


def process_id_when_all_wait(image: Image.Image, *, folder: str, count: int) -> Pixels:
    """Return the id of this process, once `count` processes are here at the same time."""
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < count:
        time.sleep(0.01)
    return process_id(image)


def environment(image: Image.Image) -> Pixels:
    return np.frombuffer(" ".join(sorted(os.environ)).encode(), np.uint8)


class Unpicklable:
    """A fit that another process can't load."""

    def __call__(self, image: Image.Image) -> Pixels:
        return shrink(image)

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)
