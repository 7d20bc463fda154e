"""The input of a bulk job of a deployed API: a manifest or a prefix on S3, or a file that is uploaded first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeonhole_cli.file_upload import upload_manifest
from pigeonhole_cli.http_client import ApiClient, ApiError
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import InputError, is_address

MEGABYTE = 1_000_000
MEDIA_TYPES = {
    ".jsonl": "application/jsonl",
    ".ndjson": "application/x-ndjson",
    ".jsonl.gz": "application/gzip",
    ".ndjson.gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet",
    ".pq": "application/vnd.apache.parquet",
}

BulkInput = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A manifest (.jsonl, .jsonl.gz, .parquet), as a file or as s3://bucket/key. Or s3://bucket/prefix/, ending in a "
        "slash: each object below it is a sample. A file is uploaded first.",
        show_default=False,
    ),
]


def is_uploaded(argument: str) -> bool:
    """Return whether an input is a file on this machine."""
    return not is_address(argument)


def to_input(client: ApiClient, argument: str) -> dict[str, str]:
    """Return the field `input` of a request. A file is uploaded.

    Raises:
        ApiError: The API failed.
        InputError: The argument is no input of a bulk job, or the file can't be uploaded.
    """
    if argument.startswith("s3://"):
        return {"s3_prefix" if argument.endswith("/") else "s3_uri": argument}
    if is_address(argument):
        raise InputError("the input must be a file, or an address that begins with s3://")
    path = Path(argument)
    if path.is_dir():
        raise InputError(
            f"{path} is a folder. Copy it to S3 and name its prefix: aws s3 cp --recursive {path} s3://BUCKET/PREFIX/. "
            "Or classify it on this machine: pigeonhole bulk local"
        )
    return {"upload_id": _upload(client, path)}


def _upload(client: ApiClient, path: Path) -> str:
    media_type = next((type_ for suffix, type_ in MEDIA_TYPES.items() if path.name.lower().endswith(suffix)), None)
    if media_type is None:
        raise InputError(f"{path} is no manifest. Name one of these: {', '.join(MEDIA_TYPES)}.")
    try:
        total_mb = -(-path.stat().st_size // MEGABYTE)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None
    with progress_bar() as bar:
        upload = upload_manifest(
            client, path, media_type, lambda read_bytes: bar.show("uploading MB", -(-read_bytes // MEGABYTE), total_mb, 0)
        )
    if upload.id is None:
        raise ApiError("The API takes no manifests as uploads. Put the file on S3, and name its s3:// address.")
    return upload.id
