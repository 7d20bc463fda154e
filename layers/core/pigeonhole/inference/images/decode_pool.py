"""Decode images in processes of their own, so that an expensive or hostile file ends its process and nothing else.

docs/decisions/0003-decode-in-processes.md has the reasons and the measured cost.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import weakref
from collections import deque
from multiprocessing.connection import Pipe

import numpy as np
import numpy.typing as npt

from pigeonhole.errors import SampleError, TooLarge, UnreadableImage, from_code
from pigeonhole.inference.images import decode_process
from pigeonhole.inference.images.decode import ImageLimits, OutOfMemory
from pigeonhole.inference.images.decoder import Fit

Pixels = npt.NDArray[np.uint8]

# All that a process has beside the path of its modules. glibc keeps up to 64 MB for the next photo: to get them from the kernel
# again, zeroed, would take a quarter of the time of a WebP.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}
START_S = 60.0  # within which a process imports its libraries, on a machine that is busy


class DecodePool:
    """An ImageDecoder that decodes in other processes, as many as there are images at once.

    A process is started when an image finds none idle. It stays, until an image ends it or this pool is gone.
    """

    def __init__(self, fit: Fit, limits: ImageLimits, *, side: int, answer_s: float = 60.0) -> None:
        """Create a pool without processes.

        Args:
            fit: Cuts an image to the model's input. It is pickled.
            limits: The limits of one image.
            side: The side in pixels of the model's input.
            answer_s: How long to wait for an image. A decoder that waits for ever takes no CPU time.
        """
        self._limits = limits
        self._answer_s = answer_s
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
            raise self._reason(process.stop()) from None
        except BaseException:
            process.stop()
            raise
        self._idle.append(process)
        return pixels

    def _take(self) -> _DecodeProcess:
        """Return an idle process, or a new one. The system may have ended an idle process."""
        while self._idle:
            try:
                process = self._idle.pop()
            except IndexError:  # another thread took it
                break
            if process.is_alive():
                return process
            process.stop()
        return _DecodeProcess(self._settings)

    def _reason(self, exit_code: int) -> SampleError:
        if exit_code in (-signal.SIGPROF, -signal.SIGKILL):  # SIGKILL: it didn't answer, or the machine had no memory left
            return TooLarge(
                f"the image takes more than {self._limits.max_cpu_s:g} s to decode; save it again or send a smaller one"
            )
        if exit_code == decode_process.MEMORY_EXIT:
            return OutOfMemory(self._limits)
        return UnreadableImage("the image makes its decoder fail; open it in an image editor and save it again")


class _DecodeProcess:
    """One process of decode_process.py."""

    def __init__(self, settings: bytes) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
                [sys.executable, "-m", decode_process.__name__, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(sys.path), **_ENVIRONMENT},
            )
        try:
            self._connection.send_bytes(settings)
            is_ready = self._connection.poll(START_S) and self._connection.recv_bytes() == decode_process.READY
        except (EOFError, OSError):
            is_ready = False
        if not is_ready:
            raise RuntimeError(f"the decode process doesn't start: exit code {self.stop()}")

    def decode(self, data: bytes, every_part: bool, answer_s: float) -> Pixels:
        """Decode one file.

        Raises:
            SampleError: The process refused the file.
            EOFError: The process ended.
            OSError: The process ended, or doesn't answer.
        """
        self._connection.send_bytes(bytes([every_part]))
        self._connection.send_bytes(data)
        if not self._connection.poll(answer_s):
            raise TimeoutError
        answer = json.loads(self._connection.recv_bytes())
        if "code" in answer:
            raise from_code(answer["code"], answer["message"])
        return np.frombuffer(self._connection.recv_bytes(), np.uint8).reshape(answer["shape"])

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


def _stop_all(processes: deque[_DecodeProcess]) -> None:
    while processes:
        processes.pop().stop()
