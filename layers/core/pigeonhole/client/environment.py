"""The two environment variables of the client. They are those of JigsawStack's own clients and of the command line."""

from __future__ import annotations

import os

from pigeonhole.client.errors import ClientError

URL_VARIABLE, KEY_VARIABLE = "JIGSAWSTACK_API_URL", "JIGSAWSTACK_API_KEY"


def read_environment() -> tuple[str, str]:
    """Return the URL and the API key of the environment.

    Raises:
        ClientError: A variable isn't set.
    """
    missing = [name for name in (URL_VARIABLE, KEY_VARIABLE) if not os.environ.get(name)]
    if missing:
        raise ClientError(f"Set {' and '.join(missing)}, as `make start` prints them.")
    return os.environ[URL_VARIABLE], os.environ[KEY_VARIABLE]
