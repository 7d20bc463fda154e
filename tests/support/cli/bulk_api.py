"""A fake API for the commands of `pigeonhole bulk` that call a deployed API."""

from __future__ import annotations

from support.cli.api_server import ApiServer


class BulkApi(ApiServer):
    command = "bulk"
