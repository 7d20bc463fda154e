"""Functions that a decode process calls in place of an encoder's `fit`. It finds them by their names."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4  # linux/prctl.h


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


def stop(image: Image.Image) -> Pixels:
    """Stop this process, until it gets SIGCONT, and return its id."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return process_id(image)


def reach(image: Image.Image) -> Pixels:
    """Return what this process can open, if there is anything, and whether others can read its memory."""
    os.close(0)  # a new file could take its place
    reached = []
    for name, attempt in {b"file": partial(os.open, "/dev/null", os.O_RDONLY), b"connection": socket.socket}.items():
        with suppress(OSError):
            attempt()
            reached.append(name)
    if is_memory_readable():
        reached.append(b"memory")
    return shape(b" ".join(reached), side=16)


def is_memory_readable() -> bool:
    """Return whether other processes of this user may read the memory of this one. See prctl(2)."""
    return bool(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))


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
