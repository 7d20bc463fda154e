"""The files that the tools may read: those in the folders that the server was started with, and no others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pigeonhole.client.images import is_address
from pigeonhole.contract.jobs import MAX_JOB_SAMPLES
from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole_cli.request_input import MEDIA_TYPES

MAX_FILE_BYTES = DEFAULT_LIMITS.max_upload_bytes
MAX_CALL_BYTES = 1_000_000_000  # of all files of a call, because all are in memory at once
MAX_PATH_CHARS = 4_096  # Linux's longest path
MAX_QUOTED_CHARS = 200  # of a value, in a message or as a name
NO_FOLDERS = (
    "This server reads no files, because it was started without --folder. Give an https:// address or a data: URL, or ask the "
    "user to start it with --folder"
)

ENCODED = "Give a path or an address. Put data:image/jpeg;base64, before base64"


class FileRefused(ValueError):
    """A file that the tools may not or can't read. The message says what to give instead."""


@dataclass(frozen=True)
class Image:
    """An image of a call.

    Attributes:
        name: What the caller called it. Of a data: URL it is only the beginning.
        source: Its address, or the bytes of its file.
    """

    name: str
    source: str | bytes


class Folders:
    """Reads files in some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Allow files in `folders`. With none of them, no file is read.

        Raises:
            FileNotFoundError: A folder doesn't exist.
            NotADirectoryError: It is no folder.
        """
        self.folders = tuple(folder.expanduser().resolve(strict=True) for folder in folders)
        for folder in self.folders:
            if not folder.is_dir():
                raise NotADirectoryError(f"{folder} is no folder")

    def read_images(self, images: Sequence[str], max_count: int = MAX_JOB_SAMPLES) -> list[Image]:
        """Return the images of addresses and paths. A folder stands for its image files, sorted by name.

        Args:
            images: The addresses and paths.
            max_count: The most images. They are counted before any file is read.

        Raises:
            FileRefused: A path leads out of the folders, or can't be read as an image, or there are too many images.
        """
        sources = [source for value in images for source in self._expand(value.strip())]
        if len(sources) > max_count:
            raise FileRefused(
                f"images: must be at most {max_count}, got {len(sources)}. Use submit_job for up to {MAX_JOB_SAMPLES:,}"
            )
        found, total = list[Image](), 0
        for name, source in sources:
            image = Image(name, self._read_file(source, name) if isinstance(source, Path) else source)
            total += len(image.source) if isinstance(image.source, bytes) else 0
            if total > MAX_CALL_BYTES:
                raise FileRefused(f"{name}: the files of a call must not have more than {MAX_CALL_BYTES / 1e9:g} GB")
            found.append(image)
        return found

    def _expand(self, value: str) -> Iterator[tuple[str, str | Path]]:
        """Yield the name of each image that a value stands for, and its address or the path of its file."""
        if is_address(value):
            yield _quote(value), value
            return
        path = self._find(value)
        if not os.path.isdir(path):
            yield value, path
            return
        files = _list_images(path, value)
        if not files:
            raise FileRefused(f"{value}: has no image files ({', '.join(MEDIA_TYPES)}). Sub-folders are not searched")
        for file in files:
            name = str(Path(value) / file.name)
            yield name, self._find(name)

    def _read_file(self, path: Path, name: str) -> bytes:
        """Read a file whose path has no links left."""
        try:
            descriptor = self._open(path)
        except OSError as error:
            raise FileRefused(f"{name}: can't be read: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise FileRefused(f"{name}: is no file")
            if facts.st_size > MAX_FILE_BYTES:
                raise FileRefused(f"{name}: must not be larger than {MAX_FILE_BYTES / 1e6:g} MB")
            return file.read(MAX_FILE_BYTES)

    def _open(self, path: Path) -> int:
        """Open a file, folder by folder from an allowed one. A link that has just been put on the way is not followed."""
        start = next(folder for folder in self.folders if path.is_relative_to(folder))
        *parents, name = path.relative_to(start).parts
        with ExitStack() as opened:
            parent = _open_folder(start, opened)
            for part in parents:
                parent = _open_folder(part, opened, parent)
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)  # a pipe must not block

    def _find(self, value: str) -> Path:
        """Return where a path leads, with all links followed. Nothing is said of files outside of the folders."""
        if not self.folders:
            raise FileRefused(f"{_quote(value)}: is a path. {NO_FOLDERS}")
        if len(value) > MAX_PATH_CHARS:
            raise FileRefused(f"{_quote(value)}: must have at most {MAX_PATH_CHARS} characters. {ENCODED}")
        try:
            return self._search(value)
        except FileRefused:
            raise
        except OSError as error:  # a name that is too long, or a folder that can't be searched
            raise FileRefused(f"{_quote(value)}: can't be read: {error.strerror}. {ENCODED}") from None
        except (ValueError, RuntimeError):  # a NUL, or the home of an unknown user
            raise FileRefused(f"{_quote(value)}: is no path. {ENCODED}") from None

    def _search(self, value: str) -> Path:
        # Joining an absolute path gives that path.
        candidates = [Path(os.path.realpath(folder / Path(value).expanduser())) for folder in self.folders]
        allowed = [path for path in candidates if any(path.is_relative_to(folder) for folder in self.folders)]
        names = ", ".join(map(str, self.folders))
        if not allowed:
            raise FileRefused(f"{_quote(value)}: is outside of the folders that this server may read. Give a path in {names}")
        for path in allowed:
            if path.exists():
                return path
        raise FileRefused(f"{_quote(value)}: doesn't exist in {names}")


def _quote(value: str) -> str:
    """Return a value for messages, or its beginning if it is long."""
    return value if len(value) <= MAX_QUOTED_CHARS else f"{value[:60]}..."


def _list_images(folder: Path, name: str) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if _is_image_file(entry))
    except OSError as error:
        raise FileRefused(f"{name}: can't be read: {error.strerror}") from None


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in MEDIA_TYPES and not path.name.startswith(".") and os.path.isfile(path)


def _open_folder(path: str | Path, opened: ExitStack, parent: int | None = None) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor
