"""The composition root: builds each function's services from the settings.

Only this folder reads the environment, and knows which adapter is behind a port. The first call of a function builds its
services, and the process keeps them. Each builder imports only what it needs, so that functions/api works without numpy,
Pillow, httpx and a model engine. A function imports only the modules of its own builders: all modules together take 0.6 s of
a cold start.
"""

from __future__ import annotations

import os
from functools import cache

from pigeonhole.settings import Settings


@cache
def settings() -> Settings:
    """Read the settings of this process.

    Raises:
        ValueError: A variable can't be parsed. The message names it.
    """
    return Settings.from_environ(os.environ)
