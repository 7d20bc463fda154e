"""Files sent to S3 by forms that the API makes, a few at a time: images for requests to name, or files for a label set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pigeonhole.contract.uploads import MAX_FILENAME, UPLOADS, Upload, UploadResponse
from pigeonhole_cli.console import say
from pigeonhole_cli.http_client import Api, ApiError
from pigeonhole_cli.request_input import InputError, media_type

AT_ONCE = 4
TIMEOUT_S = 120.0  # of one file
TEXT_TYPES = {".txt": "text/plain", ".jsonl": "application/jsonl"}  # which a label set is needed for
OF_A_FILE = frozenset({"content_type", "filename", "size"})  # where faults of a form's request are the file's own

Tell = Callable[[int, Upload | InputError], None]


def upload_with(api: Api) -> Callable[[Sequence[Path]], list[str]]:
    """Give what uploads image files and gives their s3:// addresses, in order. That raises ApiError and InputError."""

    def upload(files: Sequence[Path]) -> list[str]:
        say(f"Uploading {len(files)} images, which are too large together for a request.")
        sent: dict[int, str] = {}

        def tell(number: int, outcome: Upload | InputError) -> None:
            if isinstance(outcome, InputError):
                raise outcome
            sent[number] = outcome.s3_uri

        send_files(api, files, tell)
        return [sent[number] for number in range(len(files))]

    return upload


def send_files(api: Api, files: Sequence[Path], tell: Tell, label_set: str | None = None) -> None:
    """Send files, a few at a time. `tell`: is told what became of each, by its number; an InputError is of that file alone.

    Raises ApiError for what would meet the others, too. However this ends early, what is under way is sent to its end and told.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        left = {pool.submit(_send, api, file, label_set): number for number, file in enumerate(files)}
        try:
            for done in as_completed(list(left)):
                tell(left.pop(done), done.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            for done, number in left.items():
                if not done.cancelled() and not done.exception() and isinstance(sent := done.result(), Upload):
                    tell(number, sent)
            raise


def _send(api: Api, file: Path, label_set: str | None) -> Upload | InputError:
    try:
        size = file.stat().st_size
        if not size:
            return InputError(f"{file} is empty.")
        # The form first: a file that is too large is refused before it is read.
        form = _form(api, file, size, label_set)
        return form if isinstance(form, InputError) else _posted(api, file, form)
    except OSError as error:
        return InputError(f"{file} can't be read: {error.strerror}.")


def _form(api: Api, file: Path, size: int, label_set: str | None) -> Upload | InputError:
    asked = {"content_type": media_type(file), "size": size, "filename": _name(file)[:MAX_FILENAME]}
    if label_set is not None:
        asked |= {"content_type": TEXT_TYPES.get(file.suffix.lower(), asked["content_type"]), "label_set": label_set}
    try:
        return api.call(UploadResponse, "POST", UPLOADS, json=asked).answer.upload
    except ApiError as error:
        if error.paths and OF_A_FILE.issuperset(error.paths):
            return InputError(f"{file}: {error}")
        raise


def _posted(api: Api, file: Path, form: Upload) -> Upload | InputError:
    parts = {"file": (_name(file), file.read_bytes())}
    try:
        answer = api.ask("POST", form.url, data=form.fields, files=parts, timeout=TIMEOUT_S)
    except ApiError as error:
        return InputError(f"{file}: {error}")
    return form if answer.is_success else InputError(f"{file}: S3 did not take it (HTTP {answer.status_code}). Try again.")


def _name(file: Path) -> str:
    """A file's name as JSON can have it: one that isn't UTF-8 has halves of surrogate pairs in Python."""
    return file.name.encode("utf-8", "replace").decode()
