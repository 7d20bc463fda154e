"""A process that decodes images, one after another. `decode_pool.py` starts it and talks to it over a socket.

A decoder can't be interrupted from its own process. So the kernel limits this one:

- ITIMER_PROF ends the process by SIGPROF when an image takes more CPU time than its limit.
- RLIMIT_DATA makes allocations fail beyond the limit. The process then ends with MEMORY_EXIT, because a decoder that failed
  this way may not have freed what it has. Only Linux counts all memory.

A message is bytes, and never a pickle from this process: a decoder that a caller's file has taken over must not take over the
service. The process gets no environment, so there are no credentials in it. Before the first image it gives up the right to
open files and connections.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from pigeonhole.errors import SampleError
from pigeonhole.inference.images.decode import cut_views, open_image
from pigeonhole.inference.images.decode_protocol import MEMORY_EXIT, READY, hide_memory
from pigeonhole.inference.images.decoder import Fit
from pigeonhole.inference.images.limits import ImageLimits, OutOfMemory


def main(descriptor: int) -> None:
    """Decode the images that arrive on a socket, until it is closed.

    Args:
        descriptor: The socket. First come the `fit` and the limits, pickled; then two messages for each image: whether to cut
            it in parts (one byte), and the file. The answer to an image is JSON, and the pixels if there are any.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which closes the socket
    with Connection(descriptor) as connection, suppress(EOFError, ConnectionError):
        fit, limits, side = pickle.loads(connection.recv_bytes())  # noqa: S301 - from the service
        _limit_memory(limits.max_memory_bytes)
        connection.send_bytes(READY)
        _silence()
        _open_no_more()
        hide_memory()
        while True:
            every_part = connection.recv_bytes() == b"\1"
            _answer(connection, fit, limits, side, connection.recv_bytes(), every_part)


def _answer(connection: Connection, fit: Fit, limits: ImageLimits, side: int, data: bytes, every_part: bool) -> None:
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s(data))
    try:
        views = cut_views(fit, open_image(data, limits, side=side), every_part=every_part)
        pixels = b"".join(view.tobytes() for view in views)
    except (OutOfMemory, MemoryError):
        os._exit(MEMORY_EXIT)
    except SampleError as error:
        connection.send_bytes(json.dumps({"code": error.code, "message": error.message}).encode())
    else:
        connection.send_bytes(json.dumps({"shape": [len(views), side, side, 3]}).encode())
        connection.send_bytes(pixels)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit_memory(max_bytes: int) -> None:
    """Allow this much beyond what the process has now."""
    with suppress(OSError, ValueError):  # macOS has neither the file nor the limit
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        limit = pages * resource.getpagesize() + max_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _open_no_more() -> None:
    """Let no file and no connection be opened. Those that are open stay."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _silence() -> None:
    """Discard what decoders print. It may quote a caller's image."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


if __name__ == "__main__":
    main(int(sys.argv[1]))
