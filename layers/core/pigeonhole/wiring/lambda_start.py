"""What an environment of Lambda does at its start, before the imports that take long."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

INITIALIZATION_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"  # Lambda sets it: on-demand, provisioned-concurrency, snap-start


def start_decode_process() -> None:
    """Start a process that decodes images, whose imports then run beside those of the function. Elsewhere do nothing.

    A handler calls it at its import. Without Lambda's variable, an import starts no process.
    """
    if INITIALIZATION_TYPE in os.environ:
        from pigeonhole.inference.images import decode_pool

        with suppress(OSError):  # The first image starts a process, too, and raises the error.
            decode_pool.start_ahead()


def is_for_a_call(environ: Mapping[str, str]) -> bool:
    """Tell whether this environment is started for a call, which waits for it."""
    return environ.get(INITIALIZATION_TYPE) == "on-demand"


def is_ahead_of_calls(environ: Mapping[str, str]) -> bool:
    """Tell whether this environment is started before there is a call for it: by provisioned concurrency.

    Lambda then allows the start as long as the function's timeout, and 130 s at least.
    """
    return environ.get(INITIALIZATION_TYPE) == "provisioned-concurrency"
