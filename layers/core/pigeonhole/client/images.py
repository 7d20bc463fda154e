"""Images as the caller has them: addresses, files, bytes, PIL images and numpy arrays.

A file and bytes are sent as they are, and the API finds out their format. A PIL image or an array is sent as PNG, without loss.
Pillow is imported only for these two.
"""

from __future__ import annotations

import io
import os
import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole.errors import TooLarge, UnreadableImage

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

# A string, because neither numpy nor Pillow has to be there.
ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[Any]"

MEDIA_TYPE = "application/octet-stream"  # the API looks at the bytes
MAX_FILE_BYTES = DEFAULT_LIMITS.max_upload_bytes
PNG_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})
ARRAY_SHAPE = "An array must be uint8 and have the shape (height, width), (height, width, 3) or (height, width, 4)"
_ADDRESS = re.compile(r"(?:https?|s3)://|data:", re.IGNORECASE)


def is_address(source: str) -> bool:
    """Whether a string is an address that the API reads. Other strings are paths."""
    return bool(_ADDRESS.match(source))


def read_image(source: ImageSource) -> str | bytes:
    """Return the address of an image, or the bytes of its file.

    Raises:
        UnreadableImage: The file can't be read, or the array is no image.
        TooLarge: The file is larger than the service takes. It isn't read.
        TypeError: The source is none of an image.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and is_address(source):
        return source
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    return _to_png(source)


def to_data_url(data: bytes) -> str:
    """Return an address that holds the file itself."""
    return f"data:{MEDIA_TYPE};base64,{b64encode(data).decode()}"


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # A device has no size, and no end.
            is_too_large = os.fstat(file.fileno()).st_size > MAX_FILE_BYTES
            data = b"" if is_too_large else file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UnreadableImage(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if is_too_large or len(data) > MAX_FILE_BYTES:
        raise TooLarge(f"{path} must not be larger than {MAX_FILE_BYTES / 1e6:g} MB. Make the image smaller")
    if not data:
        raise UnreadableImage(f"{path} is empty")
    return data


def _to_png(source: Image.Image | npt.NDArray[Any]) -> bytes:
    if not hasattr(type(source), "__array_interface__"):  # of an image, PIL would read the file now
        raise TypeError(
            f"an image must be an address, a path, bytes, a PIL image or a numpy array, and not {type(source).__name__}"
        )
    from PIL import Image, ImageOps

    image = source if isinstance(source, Image.Image) else _from_array(source)
    try:
        # PNG has no place for the orientation of a JPEG that PIL has opened.
        upright = ImageOps.exif_transpose(image)
        encoded = io.BytesIO()
        if upright.mode not in PNG_MODES:
            upright = upright.convert("I;16" if upright.mode == "I" else "RGB")
        upright.save(encoded, "PNG")
    except (OSError, ValueError) as error:
        raise UnreadableImage(f"the PIL image can't be encoded: {error}") from None
    return encoded.getvalue()


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    from PIL import Image

    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not is_image or not array.size or array.dtype.name != "uint8":
        raise UnreadableImage(f"{ARRAY_SHAPE}, and not {array.dtype.name} with {array.shape}")
    return Image.fromarray(array)
