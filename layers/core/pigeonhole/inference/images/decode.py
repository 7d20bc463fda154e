"""Bytes to RGB pixels, within limits. What is odd in a file is made plain here, so that nothing behind knows of it.

in                                      out
──────────────────────────────────────  ──────────────────────────────────────────────────────────────────────
animation, several pages                the first frame; the others are never decoded
EXIF orientation                        applied
alpha, transparent colour or palette    flattened on white
1 bit, grey, palette, YCbCr, LAB        RGB
CMYK, Adobe's inverted kind, too        RGB, without colour management, as Pillow and the models' own processors do
16 bits a channel                       the upper 8 (Pillow would clip grey at 255)
32 bits a channel, floating point       refused: nothing says which value is white
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np

# Named, so that Image.open finds them registered: else the first file imports all of Pillow's forty formats.
from PIL import AvifImagePlugin, ExifTags, Image, ImageFile, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from pigeonhole.errors import SampleError, TooLarge, UnreadableImage, UnsupportedMedia
from pigeonhole.inference.images.decompression_bombs import check_segments, check_tile
from pigeonhole.inference.images.formats import identify

# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that leaves so many times the model's input side. The model's input
# then differs from that of a full decode by at most 0.8 grey levels in the mean (tests/unit/test_images_draft.py measures it,
# over the photos and textures of scikit-image, at inputs of 16 to 224 pixels); with 3 sides by 1.0, with 2 by 1.7.
DRAFT_SIDES = 4

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOWS_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

MAX_SQUARES = 4  # of a long picture


@dataclass(frozen=True)
class ImageLimits:
    """`max_bytes`: of the file; `max_pixels`: width times height, by the header."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000


def open_image(data: bytes, limits: ImageLimits, *, side: int) -> Image.Image:
    """Decode a file to RGB, upright, without alpha. Memory at the peak: 8 bytes per pixel for JPEG, 12 with alpha, 20 for WebP.

    `side`: pixels of the model's square input; a JPEG that is much larger may come out at 1/2, 1/4 or 1/8 of its size.

    Raises TooLarge, UnsupportedMedia (another kind of file) or UnreadableImage (broken).
    """
    if len(data) > limits.max_bytes:
        raise TooLarge(f"the image is larger than {limits.max_bytes / 1e6:g} MB; send a smaller one")
    kind = identify(data)
    check_segments(data, kind)
    _silence_pillow()
    try:
        image = Image.open(BytesIO(data), formats=[kind])
        _check_pixels(image, limits.max_pixels)
        check_tile(image, limits.max_pixels)
        whole = _draft(image, side) if kind == "JPEG" else image.size
        image.load()
        turn = _ORIENTATIONS.get(_orientation(image))
        rgb = _straightened(_to_rgb(image), whole)
        return rgb if turn is None else rgb.transpose(turn)
    except SampleError:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise _too_many_pixels(limits.max_pixels) from None
    except Exception as error:  # a decoder may raise anything on hostile bytes; whatever it is, the file can't be read
        raise UnreadableImage(f"the {kind} is broken or cut off; open it in an image editor and save it anew") from error


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_many_pixels(max_pixels)
    if not image.width * image.height:
        raise UnreadableImage("the image has no pixels")


def _too_many_pixels(max_pixels: int) -> TooLarge:
    return TooLarge(f"the image has more than {max_pixels / 1e6:g} megapixels; send a smaller one")


def _draft(image: ImageFile.ImageFile, side: int) -> tuple[float, float]:
    """Have libjpeg decode at the smallest size that serves the model's input. Gives that size, before rounding up."""
    width, height = image.size
    factor = next((f for f in (8, 4, 2) if min(width, height) >= DRAFT_SIDES * side * f), 1)
    if factor > 1:
        image.draft(None, (width // factor, height // factor))
    return width / factor, height / factor


def _straightened(image: Image.Image, whole: tuple[float, float]) -> Image.Image:
    """Undo libjpeg's rounding up: a side that the factor doesn't divide ends in a pixel that is not all picture.

    `whole`: width and height without the rest of that pixel, which would move the picture's middle: up to 5 grey levels.
    """
    if image.size == whole:
        return image
    scale = int(min(whole)) / min(whole)
    return image.resize((round(whole[0] * scale), round(whole[1] * scale)), Image.Resampling.BICUBIC, box=(0, 0, *whole))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none. TIFF's is applied already, by Pillow."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF is anybody's bytes, too, and a broken one says nothing of the picture
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnsupportedMedia("the image has 32 bits or floating point numbers per channel; save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        image = _to_grey(image)
    if image.mode == "La":
        image = image.convert("LA")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image)
    return flat


def _to_grey(image: Image.Image) -> Image.Image:
    """16 bits of grey to 8. A TIFF may use 12 of them only, and may count from white."""
    values = np.asarray(image)
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    grey = (values >> (4 if tags.get(TiffImagePlugin.BITSPERSAMPLE) == (12,) else 8)).astype(np.uint8)
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:
        grey = 255 - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey)


def _silence_pillow() -> None:
    """Keep Pillow's remarks on odd metadata, and on pixel counts that we refuse ourselves, out of the log.

    warnings.catch_warnings would do it per call, but swaps a list that all threads share.
    """
    if _PILLOWS_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def squares(image: Image.Image) -> Iterator[Image.Image]:
    """Cut a long picture into squares side by side, evenly spaced from end to end; of one that isn't long there are none.

    A picture counts as long from 2 : 1 on, and gives MAX_SQUARES at most. For questions about everything that it shows: a
    model's centre crop loses what stands at its ends.
    """
    long, short = max(image.size), min(image.size)
    count = min(MAX_SQUARES, long // short)
    for position in range(count if count > 1 else 0):
        start = round(position * (long - short) / (count - 1))
        wide = image.width > image.height
        yield image.crop((start, 0, start + short, short) if wide else (0, start, short, start + short))
