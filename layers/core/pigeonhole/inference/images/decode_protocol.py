"""What decode_pool.py and decode_process.py have in common. The service reads this without the decoders."""

from __future__ import annotations

import ctypes
from contextlib import suppress

PROCESS_MODULE = "pigeonhole.inference.images.decode_process"
READY = b"ready"
MEMORY_EXIT = 77
PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_memory() -> None:
    """Let no other process of this user read the memory and the environment of this one. Only Linux has a call for it.

    Core dumps and debuggers need root from then on. See prctl(2), PR_SET_DUMPABLE, and ptrace(2), "access mode checking".
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
