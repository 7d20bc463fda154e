"""What `pigeonhole up` prints: a panel for a newcomer, and on request what differs from AWS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.local.process import REGION
from pigeonhole_cli.local.rewrites import REWRITES

DIFFERENCES = "differences-from-aws.txt"  # in the data folder

_PANEL = """\
Ready in {seconds:.1f} s.
page     {page}
URL      {url}
API key  {api_key}

export JIGSAWSTACK_API_URL={url} JIGSAWSTACK_API_KEY={api_key}

curl {url}/v1/classification -H 'x-api-key: {api_key}' \\
  -H 'content-type: application/json' -d '{{
  "dataset": [{{"type": "text", "value": "I love this product, it is wonderful!"}}],
  "labels": [{{"type": "text", "value": "positive"}}, {{"type": "text", "value": "negative"}}]}}'

Ctrl-C stops it and keeps its data. What differs from AWS: {command} up --explain"""


def page_address(url: str, api_key: str) -> str:
    """Return the address that opens the page with the key. A browser sends no part after `#`, and the page removes it."""
    return f"{url}/#key={quote(api_key, safe='')}"


def panel(url: str, api_key: str, seconds: float, command: str, notes: Sequence[str] = ()) -> str:
    """Return what a newcomer needs: the page, the URL, the API key, and two commands to paste.

    Args:
        url: The API's address.
        api_key: A valid API key.
        seconds: How long the start took.
        command: What the user types for `pigeonhole`.
        notes: Lines above the panel.
    """
    fields = {"page": page_address(url, api_key), "url": url, "api_key": api_key, "seconds": seconds, "command": command}
    return "\n".join([*notes, _PANEL.format(**fields)])


def port_notes(asked: tuple[int, int], addresses: Addresses) -> list[str]:
    """Return a line for each port that differs from the one that the user asked for, which was in use.

    Args:
        asked: The port of the API and that of the emulated AWS, 0 for any.
        addresses: Those that the stack has.
    """
    used = {"The API": addresses.api_url, "The emulated AWS": addresses.aws_url}
    return [
        f"Port {port} is in use. {what} has port {actual}."
        for port, (what, actual) in zip(asked, ((what, _port(url)) for what, url in used.items()), strict=True)
        if port not in (0, actual)
    ]


def explain(running: Addresses | None) -> str:
    """Return what differs from AWS, and how AWS tools reach the emulated AWS.

    Args:
        running: The addresses of the stack, None if none runs.
    """
    lines = ["What differs from AWS on this machine:", *(f"  - {row.name}: {row.why}" for row in REWRITES)]
    if running:
        lines += [
            "",
            "For `pigeonhole keys` and other AWS tools in another shell:",
            f"export AWS_ENDPOINT_URL={running.aws_url} AWS_REGION={REGION}",
            "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test",
        ]
    return "\n".join(lines)


def write_differences(data: Path, running: Addresses) -> None:
    """Write what differs from AWS to a file of the data folder."""
    (data / DIFFERENCES).write_text(explain(running) + "\n", encoding="utf-8")


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])
