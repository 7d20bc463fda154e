"""Read what `pigeonhole bulk local` classifies: a manifest, or the photos of a folder.

A `.jsonl` file is read where it is. Anything else is first written as a manifest into the folder of the results, so that it can
be read by ranges, and so that a run that is continued sees the same lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from pigeonhole.bulk.inputs.gunzip import gunzip
from pigeonhole.bulk.inputs.parquet import ParquetRows
from pigeonhole.bulk.manifest import UnreadableManifest
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.validation import strip_address
from pigeonhole.errors import ForbiddenUrl, UnfetchableUrl
from pigeonhole.inference.images.fetch import ByteBudget, ImageFetcher
from pigeonhole_cli.request_input import BYTE_ORDER_MARKS, MEDIA_TYPES, InputError, is_address

STAGED_NAME = "_input.jsonl"
CHUNK_BYTES = 1_000_000
KINDS = ".jsonl, .ndjson, .jsonl.gz, .parquet, or a folder of photos"


@dataclass(frozen=True)
class FileSource:
    """A manifest in a file: a ManifestSource."""

    path: Path

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range in chunks."""
        left = (stop_byte if stop_byte is not None else self.path.stat().st_size) - start_byte
        with self.path.open("rb") as file:
            file.seek(start_byte)
            while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk


@dataclass(frozen=True)
class LocalInput:
    """What is classified.

    Attributes:
        path: The file or folder that the user named.
    """

    path: Path

    @property
    def is_folder(self) -> bool:
        """Whether the photos of a folder are classified."""
        return self.path.is_dir()

    @property
    def base(self) -> Path:
        """The folder to which relative paths of images refer."""
        return self.path if self.is_folder else self.path.parent

    @property
    def name(self) -> str:
        """The path as text, in which bytes that aren't UTF-8 are escaped."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")

    def identity(self) -> dict[str, str | int]:
        """Return what tells whether the input is the same as in an earlier run. The files of a folder were listed then."""
        if self.is_folder:
            return {"path": self.name}
        status = self.path.stat()
        return {"path": self.name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}

    def check(self) -> None:
        """Check that the input can be read, before the model is loaded.

        Raises:
            InputError: There is no such input, or it has another kind.
        """
        if self.is_folder:
            return
        try:
            with self.path.open("rb") as file:
                start = file.read(4)
        except OSError as error:
            raise InputError(f"{self.path} can't be read: {error.strerror}.") from None
        if self._is_kind(".parquet", ".jsonl.gz", ".ndjson.gz"):
            return
        if not self._is_kind(".jsonl", ".ndjson"):
            raise InputError(f"{self.path} is no manifest. Name one of these: {KINDS}.")
        if encoding := next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None):
            raise InputError(f"{self.path} is {encoding.upper()} text. Convert it first: iconv -f {encoding} -t utf-8")

    def open(self, folder: Path) -> FileSource:
        """Return the manifest, which is written into `folder` if the input is none that can be read by ranges.

        Raises:
            InputError: The input can't be read.
        """
        if self._is_kind(".jsonl", ".ndjson"):
            return FileSource(self.path)
        staged = folder / STAGED_NAME
        if not staged.exists():
            partial = staged.with_suffix(".partial")
            try:
                with partial.open("wb") as file:
                    file.writelines(self._lines(folder))
                    file.flush()
                    os.fsync(file.fileno())
            except UnreadableManifest as error:
                raise InputError(f"{self.path} can't be read: {error.message}.") from None
            except OSError as error:
                raise InputError(f"{self.path} can't be read: {error.strerror or error}.") from None
            partial.replace(staged)
        return FileSource(staged)

    def _lines(self, folder: Path) -> Iterable[bytes]:
        if self.is_folder:
            return _list_photos(self.path, folder)
        return _read_parquet(self.path) if self._is_kind(".parquet") else gunzip(FileSource(self.path).read())

    def _is_kind(self, *suffixes: str) -> bool:
        return self.path.name.lower().endswith(suffixes)


class LocalImageFetcher(ImageFetcher):
    """Reads images by their path or `file:` URL on this machine, and others as an ImageFetcher does."""

    def __init__(self, inner: ImageFetcher, base: Path) -> None:
        """Create a fetcher.

        Args:
            inner: Reads web addresses and `data:` URLs.
            base: The folder to which relative paths refer.
        """
        self._inner = inner
        self._base = base

    def fetch(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        """Read the bytes of an image.

        Raises:
            SampleError: The image can't be read.
        """
        if value[:5].lower() == "s3://":
            raise ForbiddenUrl("s3:// addresses can't be read without a stack; copy the files, or use a path or https://")
        if is_address(value):
            return self._inner.fetch(value, grants=grants, budget=budget)
        try:
            with (self._base / _to_path(value)).open("rb") as file:
                data = file.read(budget.per_item + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise UnfetchableUrl(f"the file can't be read: {getattr(error, 'strerror', None) or error}") from None
        budget.check_item(len(data))
        budget.spend(len(data))
        return data


def _to_path(value: str) -> str:
    return os.fsdecode(unquote_to_bytes(urlsplit(value).path)) if value[:5].lower() == "file:" else value


def _list_photos(folder: Path, results: Path) -> Iterator[bytes]:
    """Yield a line for each photo below a folder, in the order of their paths."""
    found = False

    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename} can't be read: {error.strerror}.")

    for directory, names, files in os.walk(folder, onerror=fail):
        # In place, so that os.walk visits the sub-folders in this order.
        names[:] = sorted(name for name in names if not name.startswith(".") and Path(directory, name) != results)
        for name in sorted(files):
            if Path(name).suffix.lower() in MEDIA_TYPES and not name.startswith("."):
                found = True
                yield _to_line(_to_sample(Path(directory, name), folder))
    if not found:
        raise InputError(f"{folder} has no photos ({', '.join(MEDIA_TYPES)}).")


def _to_sample(path: Path, folder: Path) -> dict[str, str]:
    name = path.relative_to(folder).as_posix()
    custom_id = os.fsencode(name).decode("utf-8", "backslashreplace")
    # A file: URL can hold the bytes of a name that isn't UTF-8, and a name that would be read as another one or as an address.
    is_plain = name == custom_id == strip_address(name) and not is_address(name) and name[:5].lower() != "file:"
    return {"custom_id": custom_id, "type": "image", "value": name if is_plain else path.as_uri()}


def _read_parquet(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from ParquetRows(file).lines()


def _to_line(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
