"""Image files to addresses: sent to S3 by forms that the API makes, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pigeonhole.contract_uploads import MAX_FILENAME, UPLOADS, UploadResponse
from pigeonhole_cli.api import Api, ApiError
from pigeonhole_cli.inputs import InputError, media_type
from pigeonhole_cli.output import say

AT_ONCE = 4
TIMEOUT_S = 120.0  # of one file


def upload_with(api: Api) -> Callable[[Sequence[Path]], list[str]]:
    """Give what uploads files and gives their s3:// addresses, in order. That raises ApiError and InputError."""

    def upload(files: Sequence[Path]) -> list[str]:
        say(f"Uploading {len(files)} images, which are too large together for a request.")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = [pool.submit(_send, api, file) for file in files]
            try:
                return [each.result() for each in sent]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    return upload


def _send(api: Api, file: Path) -> str:
    try:
        # The form first: a file that is too large is refused before it is read.
        asked = {"content_type": media_type(file), "size": file.stat().st_size, "filename": file.name[:MAX_FILENAME]}
        form = api.call(UploadResponse, "POST", UPLOADS, json=asked).answer.upload
        parts = {"file": (file.name, file.read_bytes())}
        answer = api.ask("POST", form.url, data=form.fields, files=parts, timeout=TIMEOUT_S)
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from None
    except ApiError as error:
        raise ApiError(f"{file}: {error}", error.details, code=error.code) from None
    if not answer.is_success:
        raise ApiError(f"{file}: S3 did not take it (HTTP {answer.status_code}). Try again.")
    return form.s3_uri
