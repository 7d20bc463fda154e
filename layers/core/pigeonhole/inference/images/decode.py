"""Decode the bytes of an image to RGB pixels, within limits. Callers of this module needn't know the variants of file formats.

in                                      out
──────────────────────────────────────  ──────────────────────────────────────────────────────────────────────
animation, several pages                the first frame; the others are never decoded
orientation in EXIF, else in XMP        applied, as Pillow's exif_transpose does
turn in the container of AVIF, HEIF     applied; it counts in place of their metadata
alpha, transparent colour or palette    flattened on white
1 bit, grey, palette, YCbCr, LAB        RGB
CMYK, also Adobe's inverted kind        RGB, without colour management, as Pillow and the models' own processors do
16 bits a channel                       the upper 8 (Pillow would clip grey at 255)
32 bits a channel, floating point       refused: the file doesn't say which value is white
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from io import BytesIO

import pi_heif

# Pillow would import these when a picture needs them, and all of its forty formats at the first Image.open. A decode process
# can't open a file by then.
from PIL import (
    AvifImagePlugin,
    Image,
    ImageChops,
    ImageCms,  # noqa: F401 - for LAB
    ImageFile,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from pigeonhole.errors import SampleError, TooLarge, UnreadableImage, UnsupportedMedia
from pigeonhole.inference.images.containers.tiff import exif_orientation
from pigeonhole.inference.images.decoder import Fit
from pigeonhole.inference.images.decompression_bombs import strip
from pigeonhole.inference.images.formats import identify
from pigeonhole.inference.images.limits import MAX_SQUARES, ImageLimits, OutOfMemory

# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if the result still has so many times the side of the model's input. The
# model's input then differs from that of a full decode by at most 0.8 grey levels in the mean. With 3 sides the difference is
# 1.0, with 2 sides it is 1.7. tests/unit/inference/images/test_decode_draft.py measures it at inputs of 16 to 224 pixels, over
# the photos and textures of scikit-image.
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
# Only the picture itself is decoded. One thread per image: the service decodes several images at a time.
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
Image.preinit()


class _WebPFile(WebPImagePlugin.WebPImageFile):
    """A WebP whose decoder is freed once it has given the only frame. It holds two canvases, of 4 bytes per pixel each."""

    def load_prepare(self) -> None:
        self._decoder = None
        super().load_prepare()


Image.register_open("WEBP", _WebPFile, Image.OPEN["WEBP"][1])

_PILLOW_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def open_image(data: bytes, limits: ImageLimits, *, side: int) -> Image.Image:
    """Decode a file to RGB, upright, without alpha.

    The peak of memory is 8 bytes per pixel for most files, 12 for WebP and for those with alpha.

    Args:
        data: The bytes of the file.
        limits: The limits of the image.
        side: The side in pixels of the model's square input. A much larger JPEG is decoded at 1/2, 1/4 or 1/8 of its size.

    Raises:
        TooLarge: The file or the image is larger than the limits.
        OutOfMemory: There isn't enough memory.
        UnsupportedMedia: The file is no image, or an image of another format.
        UnreadableImage: The file is broken.
    """
    if len(data) > limits.max_bytes:
        raise TooLarge(f"the image is larger than {limits.max_bytes / 1e6:g} MB; send a smaller one")
    file_format = identify(data)
    _silence_pillow()
    try:
        stripped = strip(data, file_format, limits.max_pixels)
        image, full_size = _load(stripped.data, file_format, limits.max_pixels, side)
        if stripped.continued is not None:
            other, _ = _load(stripped.continued, file_format, limits.max_pixels, side)
            if ImageChops.difference(image, other).getbbox():
                raise _broken(file_format)
        exif = image.info.get("exif")  # of AVIF, made from the turn that the container names
        turn = _ORIENTATIONS.get(exif_orientation(exif) if exif else stripped.orientation)
        rgb = _trim_rounding(_to_rgb(image), full_size)
        return rgb if turn is None else rgb.transpose(turn)
    except SampleError:
        raise
    except Image.DecompressionBombError:
        raise _too_many_pixels(limits.max_pixels) from None
    except Exception as error:  # a decoder may raise any exception on hostile bytes
        if _is_out_of_memory(error):
            raise OutOfMemory(limits) from None
        if _is_unsupported(error, file_format):
            raise UnsupportedMedia(
                f"the {file_format} has a form that isn't supported; save it as PNG, or with 8 bits of grey or RGB"
            ) from error
        raise _broken(file_format) from error


def _broken(file_format: str) -> UnreadableImage:
    return UnreadableImage(f"the {file_format} is broken or cut off; open it in an image editor and save it again")


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an allocation failed. libheif also says "memory" of a frame above the size that its container claims."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or ("memory" in message and "limit" not in message)


def _is_unsupported(error: Exception, file_format: str) -> bool:
    """Return whether Pillow knows no decoder for a file whose structure is sound.

    Pillow doesn't recognise a TIFF whose channels it can't decode. Its directory has been read by then.
    """
    return "nsupported" in str(error) or (file_format == "TIFF" and isinstance(error, UnidentifiedImageError))


def _load(data: bytes, file_format: str, max_pixels: int, side: int) -> tuple[Image.Image, tuple[float, float]]:
    """Decode a stripped file.

    Returns:
        The image, and its width and height before libjpeg rounded them up.
    """
    image = Image.open(BytesIO(data), formats=[file_format])
    _check_pixels(image, max_pixels)
    full_size = _draft(image, side) if file_format == "JPEG" else image.size
    image.load()
    return image, full_size


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_many_pixels(max_pixels)
    if not image.width * image.height:
        raise UnreadableImage("the image has no pixels")


def _too_many_pixels(max_pixels: int) -> TooLarge:
    return TooLarge(f"the image has more than {max_pixels / 1e6:g} megapixels; send a smaller one")


def _draft(image: ImageFile.ImageFile, side: int) -> tuple[float, float]:
    """Let libjpeg decode at the smallest size that is enough for the model's input.

    Returns:
        Width and height at that size, before libjpeg rounds them up.
    """
    width, height = image.size
    factor = next((f for f in (8, 4, 2) if min(width, height) >= DRAFT_SIDES * side * f), 1)
    if factor > 1:
        image.draft(None, (width // factor, height // factor))
    return width / factor, height / factor


def _trim_rounding(image: Image.Image, size: tuple[float, float]) -> Image.Image:
    """Undo libjpeg's rounding up. If the factor doesn't divide a side, its last pixel is only partly filled.

    The rest of that pixel would move the centre of the image, by up to 5 grey levels.

    Args:
        image: The decoded image.
        size: Width and height before libjpeg rounded them up.
    """
    if image.size == size:
        return image
    scale = int(min(size)) / min(size)
    return image.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC, box=(0, 0, *size))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnsupportedMedia("the image has 32 bits or floating point numbers per channel; save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        image = _to_grey(image)
    if image.mode == "La":
        image = image.convert("LA")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image)
    return flat


def _to_grey(image: Image.Image) -> Image.Image:
    """Reduce 16 bits of grey to 8. A TIFF may use only 12 of them, and may count from white."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    bits = 12 if tags.get(TiffImagePlugin.BITSPERSAMPLE) == (12,) else 16
    levels = range(255, -1, -1) if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0 else range(256)
    table = [level for level in levels for _ in range(2 ** (bits - 8))] * 2 ** (16 - bits)
    if "transparency" in image.info:
        table[image.info["transparency"]] = 255
    grey = image.convert("I").point(table, "L")
    grey.info.pop("transparency", None)
    return grey


def _silence_pillow() -> None:
    """Keep Pillow's warnings about odd metadata and pixel counts out of the log. This module checks pixel counts itself.

    warnings.catch_warnings would do that per call, but it replaces a list that all threads share.
    """
    if _PILLOW_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def squares(image: Image.Image) -> Iterator[Image.Image]:
    """Cut a long image into squares, evenly spaced from end to end.

    The centre crop of a model loses what is at the ends of a long image. The squares show all of it.

    Yields:
        At most MAX_SQUARES squares; none if the long side is less than twice the short side.
    """
    long, short = max(image.size), min(image.size)
    count = min(MAX_SQUARES, long // short)
    is_wide = image.width > image.height
    for position in range(count if count > 1 else 0):
        start = round(position * (long - short) / (count - 1))
        yield image.crop((start, 0, start + short, short) if is_wide else (0, start, short, start + short))


def cut_views(fit: Fit, image: Image.Image, *, every_part: bool) -> list[Image.Image]:
    """Cut an image to the model's input, as ImageDecoder says."""
    return [fit(image), *(map(fit, squares(image)) if every_part else ())]
