"""The playground: the page at /, and the files that it loads from /playground/{file}.

The folder `static` has their sources. A browser gets the modules as one script, and two style sheets as one.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from pigeonhole import __version__
from pigeonhole.api.modules import join_modules
from pigeonhole.api.page import Page
from pigeonhole.errors import NotFound

INDEX, SCRIPT, STYLE = "index.html", "playground.js", "style.css"
VERSION = b"{{version}}"  # in index.html; the page shows this package's version
MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Everything comes from the page's own address, and requests go only there. A photo is shown from memory (blob:, data:).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def find_page(name: str) -> Page:
    """Return a file of the playground.

    Raises:
        NotFound: There is no such file.
    """
    found = _pages().get(name)
    if found is None:
        raise NotFound("The playground has no such file. GET / has the names of all.")
    return found


def list_files() -> list[str]:
    """Return the name of each file."""
    return sorted(_pages())


@cache
def _pages() -> dict[str, Page]:
    """Read every file, by its name. The first call reads them, so a function that serves no page reads none."""
    contents = {file.name: file.read_bytes() for file in _files(files("pigeonhole.api") / "static")}
    modules = {name.removesuffix(".js"): contents.pop(name).decode() for name in sorted(contents) if name.endswith(".js")}
    contents[STYLE] = contents["base.css"] + contents.pop("playground.css")
    contents[SCRIPT] = join_modules(modules).encode()
    contents[INDEX] = contents[INDEX].replace(VERSION, __version__.encode())
    return {name: Page(content, MEDIA_TYPES[name.rpartition(".")[2]], POLICY) for name, content in contents.items()}


def _files(folder: Traversable) -> list[Traversable]:
    """Return the files of a folder and of the folders in it."""
    return [file for item in folder.iterdir() for file in (_files(item) if item.is_dir() else [item])]
