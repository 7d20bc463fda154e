"""Upload files to S3 with forms that the API creates, a few files at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pigeonhole.contract.uploads import MAX_FILENAME_CHARS, UPLOADS, Upload, UploadResponse
from pigeonhole_cli.console import say
from pigeonhole_cli.http_client import ApiClient, ApiError
from pigeonhole_cli.request_input import InputError, media_type

MAX_CONCURRENT = 4
TIMEOUT_S = 120.0  # without progress of one file
# accepted only with a label set
TEXT_TYPES = {".txt": "text/plain", ".jsonl": "application/jsonl", ".ndjson": "application/jsonl"}
# A fault of the form request at one of these paths is a fault of the file. Other faults would meet every file.
FILE_PATHS = frozenset({"content_type", "filename", "size"})

OnUpload = Callable[[int, Upload | InputError], None]
OnRead = Callable[[int], None]  # gets the number of bytes of a file that were read so far


@dataclass(frozen=True)
class _ReadFile:
    """An open file that reports how much of it was read. It is sent without being held in memory."""

    file: BinaryIO
    on_read: OnRead

    def fileno(self) -> int:  # by which httpx finds the size
        return self.file.fileno()

    def seek(self, offset: int) -> int:  # httpx begins again if it retries
        return self.file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.on_read(self.file.tell())
        return data


def upload_images(client: ApiClient, paths: Sequence[Path]) -> list[str]:
    """Upload image files and return their s3:// addresses, in order.

    Raises:
        ApiError: The API failed.
        InputError: A file could not be uploaded.
    """
    say(f"Uploading {len(paths)} images, which are too large together for a request.")
    addresses: dict[int, str] = {}

    def on_upload(index: int, upload: Upload | InputError) -> None:
        if isinstance(upload, InputError):
            raise upload
        addresses[index] = upload.s3_uri

    upload_files(client, paths, on_upload)
    return [addresses[index] for index in range(len(paths))]


def upload_files(client: ApiClient, paths: Sequence[Path], on_upload: OnUpload, label_set: str | None = None) -> None:
    """Upload files, a few at a time. If this ends early, the uploads in progress are finished and reported first.

    Args:
        client: The API.
        paths: The files.
        on_upload: Called for each file with its index and the upload, or with an InputError of that file only.
        label_set: The label set that shall classify the files, None for images that a request will name.

    Raises:
        ApiError: A failure that would meet the other files as well.
    """
    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        pending = {
            pool.submit(_upload_file, client, path, _to_fields(path, label_set)): index for index, path in enumerate(paths)
        }
        try:
            for future in as_completed(list(pending)):
                on_upload(pending.pop(future), future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            for future, index in pending.items():
                if not future.cancelled() and not future.exception() and isinstance(upload := future.result(), Upload):
                    on_upload(index, upload)
            raise


def upload_manifest(client: ApiClient, path: Path, content_type: str, on_read: OnRead) -> Upload:
    """Upload the manifest of a bulk job, which is read as it is sent.

    Args:
        client: The API.
        path: The file.
        content_type: Its media type.
        on_read: Called with the number of bytes that were read so far.

    Raises:
        ApiError: The API failed.
        InputError: The file could not be uploaded.
    """
    upload = _upload_file(client, path, {"content_type": content_type}, on_read)
    if isinstance(upload, InputError):
        raise upload
    return upload


def _to_fields(path: Path, label_set: str | None) -> dict[str, str]:
    if label_set is None:
        return {"content_type": media_type(path)}
    return {"content_type": TEXT_TYPES.get(path.suffix.lower(), media_type(path)), "label_set": label_set}


def _upload_file(
    client: ApiClient, path: Path, fields: dict[str, str], on_read: OnRead = lambda read_bytes: None
) -> Upload | InputError:
    try:
        size_bytes = path.stat().st_size
        if not size_bytes:
            return InputError(f"{path} is empty.")
        # The form comes first, so that the API refuses a file that is too large before the file is read.
        form = _create_form(client, path, size_bytes, fields)
        return form if isinstance(form, InputError) else _post_file(client, path, form, on_read)
    except OSError as error:
        return InputError(f"{path} can't be read: {error.strerror}.")


def _create_form(client: ApiClient, path: Path, size_bytes: int, fields: dict[str, str]) -> Upload | InputError:
    body = {**fields, "size": size_bytes, "filename": _utf8_name(path)[:MAX_FILENAME_CHARS]}
    try:
        return client.call(UploadResponse, "POST", UPLOADS, json=body).body.upload
    except ApiError as error:
        if error.paths and FILE_PATHS.issuperset(error.paths):
            return InputError(f"{path}: {error}")
        raise


def _post_file(client: ApiClient, path: Path, form: Upload, on_read: OnRead) -> Upload | InputError:
    try:
        with path.open("rb") as file:  # not read at once: a .jsonl file may be larger than the memory
            parts = {"file": (_utf8_name(path), _ReadFile(file, on_read))}
            response = client.request("POST", form.url, data=form.fields, files=parts, timeout=TIMEOUT_S)
    except ApiError as error:
        return InputError(f"{path}: {error}")
    return (
        form if response.is_success else InputError(f"{path}: S3 refused the upload (HTTP {response.status_code}). Try again.")
    )


def _utf8_name(path: Path) -> str:
    """Return a file's name as valid UTF-8. Python represents other bytes as lone surrogates, which JSON can't hold."""
    return path.name.encode("utf-8", "replace").decode()
