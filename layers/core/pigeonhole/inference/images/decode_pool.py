"""Decode images in processes of their own, so that an expensive or hostile file ends its process and nothing else.

docs/decisions/0003-decode-in-processes.md has the reasons and the measured cost.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING

from pigeonhole.errors import SampleError, TooLarge, UnreadableImage, from_code
from pigeonhole.inference.images.decode_protocol import MEMORY_EXIT, PROCESS_MODULE, READY, hide_memory
from pigeonhole.inference.images.limits import MAX_SQUARES, ImageLimits, OutOfMemory

if TYPE_CHECKING:  # a start imports numpy when the first process has been started
    from pigeonhole.inference.images.decoder import Fit, Pixels

# All that a process has beside the path of its modules. glibc keeps up to 64 MB for the next photo: to get them from the kernel
# again, zeroed, would take a quarter of the time of a WebP.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}
START_S = 60.0  # within which a process imports its libraries, on a machine that is busy
MAX_JSON_BYTES = 2**18  # the message of an error may list the codecs of a HEIF


def start_ahead() -> None:
    """Start a process for the first image of the next pool. Its imports then run beside those of this process."""
    _STARTED.append(_DecodeProcess())


class DecodePool:
    """An ImageDecoder that decodes in other processes, as many as there are images at once.

    A process is started when an image finds none idle, unless `start_ahead` has started one. It stays, until an image ends it
    or this pool is gone.
    """

    def __init__(self, fit: Fit, limits: ImageLimits, *, side: int, answer_s: float = 60.0) -> None:
        """Create a pool without processes. They won't be able to read the memory of this process.

        Args:
            fit: Cuts an image to the model's input. It is pickled.
            limits: The limits of one image.
            side: The side in pixels of the model's input.
            answer_s: How long to wait for an image. A decoder that waits for ever takes no CPU time.
        """
        hide_memory()
        self._limits = limits
        self._answer_s = answer_s
        self._side = side
        self._settings = pickle.dumps((fit, limits, side))
        self._idle: deque[_DecodeProcess] = deque()
        weakref.finalize(self, _stop_all, self._idle)

    def decode(self, data: bytes, *, every_part: bool = False) -> Pixels:
        """Decode one file, as ImageDecoder says.

        Raises:
            SampleError: The file is no image, is broken, or is more expensive than the limits allow.
            RuntimeError: The processes don't start.
        """
        process = self._take()
        try:
            pixels = process.decode(data, every_part, self._answer_s)
        except SampleError:
            self._idle.append(process)
            raise
        except (EOFError, OSError):
            raise self._reason(process.stop(), self._limits.cpu_s(data)) from None
        except _WrongAnswer:
            process.stop()
            raise _decoder_failed() from None
        except BaseException:
            process.stop()
            raise
        self._idle.append(process)
        return pixels

    def _take(self) -> _DecodeProcess:
        """Return an idle process, or a new one."""
        if process := _pop_alive(self._idle):
            return process
        process = _pop_alive(_STARTED) or _DecodeProcess()
        process.prepare(self._settings, self._side)
        return process

    def _reason(self, exit_code: int, cpu_s: float) -> SampleError:
        if exit_code in (-signal.SIGPROF, -signal.SIGKILL):  # SIGKILL: it didn't answer, or the machine had no memory left
            return TooLarge(f"the image takes more than {cpu_s:g} s to decode; save it again or send a smaller one")
        if exit_code == MEMORY_EXIT:
            return OutOfMemory(self._limits)
        return _decoder_failed()


def _decoder_failed() -> UnreadableImage:
    return UnreadableImage("the image makes its decoder fail; open it in an image editor and save it again")


class _WrongAnswer(Exception):
    """A process answered with something else than an image or an error. A file may have taken over its decoder."""


class _DecodeProcess:
    """One process of decode_process.py. It imports its libraries, and then waits for `prepare`."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
                [sys.executable, "-P", "-m", PROCESS_MODULE, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(sys.path), **_ENVIRONMENT},
            )

    def prepare(self, settings: bytes, side: int) -> None:
        """Wait until the process can decode for a pool.

        Raises:
            RuntimeError: The process doesn't start.
        """
        self._side = side
        try:
            self._connection.send_bytes(settings)
            is_ready = self._connection.poll(START_S) and self._receive(len(READY)) == READY
        except (EOFError, OSError):
            is_ready = False
        if not is_ready:
            raise RuntimeError(f"the decode process doesn't start: exit code {self.stop()}")

    def decode(self, data: bytes, every_part: bool, answer_s: float) -> Pixels:
        """Decode one file.

        Raises:
            SampleError: The process refused the file.
            EOFError: The process ended.
            OSError: The process ended, was ended because it took too long, or its answer is too long.
            _WrongAnswer: The answer is neither an image nor an error.
        """
        import numpy as np

        end = threading.Timer(answer_s, self._process.kill)  # which ends each of the calls below, wherever they wait
        end.daemon = True
        end.start()
        try:
            self._connection.send_bytes(bytes([every_part]))
            self._connection.send_bytes(data)
            shape = _read_shape(self._receive(MAX_JSON_BYTES))
            max_views = 1 + MAX_SQUARES if every_part else 1
            pixels = self._receive(max_views * self._side**2 * 3)
        finally:
            end.cancel()
        shapes = [[views, self._side, self._side, 3] for views in range(1, max_views + 1)]
        if shape not in shapes or len(pixels) != math.prod(shape):
            raise _WrongAnswer
        return np.frombuffer(pixels, np.uint8).reshape(-1, self._side, self._side, 3)

    def _receive(self, max_bytes: int) -> bytes:
        try:
            return self._connection.recv_bytes(max_bytes)
        except (ValueError, TypeError):  # a length below zero
            raise _WrongAnswer from None

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """End the process. Returns its exit code, which is that of its own end if it has ended already."""
        self._connection.close()
        try:
            return self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _read_shape(answer: bytes) -> list[int]:
    """Return the shape that an answer names.

    Raises:
        SampleError: The answer is an error.
        _WrongAnswer: It is neither.
    """
    try:
        match json.loads(answer):
            case {"code": str(code), "message": str(message)}:
                error = from_code(code, message)
                if isinstance(error, SampleError):
                    raise error
            case {"shape": [*shape]}:
                return shape
    except (ValueError, RecursionError):
        pass
    raise _WrongAnswer


def _pop_alive(processes: deque[_DecodeProcess]) -> _DecodeProcess | None:
    """Take a process out of those that wait, None if there is none. The system may have ended some."""
    while processes:
        try:
            process = processes.pop()
        except IndexError:  # another thread took it
            break
        if process.is_alive():
            return process
        process.stop()
    return None


def _stop_all(processes: deque[_DecodeProcess]) -> None:
    while processes:
        processes.pop().stop()


_STARTED: deque[_DecodeProcess] = deque()  # by start_ahead, and not yet taken by a pool
atexit.register(_stop_all, _STARTED)
