"""Image files for tests: valid files of every format, unusual files, and decompression bombs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pi_heif
import pillow_heif
import skimage.data
from PIL import Image

# The encoder of one package, and the decoder that the package under test has.
pillow_heif.register_heif_opener()
pi_heif.register_heif_opener()

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
TEXTURES = ("brick.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "page.png", "retina.jpg", "text.png")


def photo(name: str) -> Image.Image:
    """Return a photo or texture of the scikit-image wheel, in RGB."""
    return Image.open(Path(skimage.data.data_dir) / name).convert("RGB")


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an image as a file of Pillow's format `kind`."""
    file = BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def stripes(width: int = 48, height: int = 32) -> Image.Image:
    """Return an image of red, green, blue and white quarters from left to right. Its corners show how it is turned."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for quarter, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))):
        pixels[:, quarter * width // 4 : (quarter + 1) * width // 4] = colour
    return Image.fromarray(pixels)


def four_corners(width: int, height: int) -> Image.Image:
    """Return an image of four colours: red and green above, blue and white below."""
    image = Image.new("RGB", (width, height))
    for (column, row), colour in (((0, 0), "red"), ((1, 0), "lime"), ((0, 1), "blue"), ((1, 1), "white")):
        box = (column * width // 2, row * height // 2, (column + 1) * width // 2, (row + 1) * height // 2)
        image.paste(colour, box)
    return image


TURNS = (
    None,
    *(Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE),
    *(Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90),
)


def exif_turn(orientation: int) -> bytes:
    """Return EXIF that names this orientation, 1 to 8."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Return the upright image of one that is stored with this orientation, 1 to 8."""
    turn = TURNS[orientation - 1]
    return image if turn is None else image.transpose(turn)


def difference(first: Image.Image, second: Image.Image) -> float:
    """Return the mean difference in grey levels of two images of the same size."""
    assert first.size == second.size
    return float(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean())


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Return a chunk of a PNG, with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: tuple[int, int], depth: int, colour: int, rows: Iterable[bytes], extra: bytes = b"") -> bytes:
    """Build a PNG.

    Args:
        size: Width and height.
        depth: The bits per channel.
        colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        rows: The bytes of each row of pixels.
        extra: Chunks before the pixels.
    """
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND")


def tiff(tags: dict[int, Sequence[int]], pixels: bytes = b"", *, order: str = "<") -> bytes:
    """Build a TIFF.

    Args:
        tags: The values of each tag. The offsets of the pixels (273 and 324) are filled in.
        pixels: The bytes after the tags.
        order: "<" for little-endian, ">" for big-endian.
    """
    short = {258, 259, 262, 274, 277, 338, 339}
    tags = dict(sorted(tags.items()))
    start = 8 + 2 + 12 * len(tags) + 4
    extra = b""
    for tag in (273, 324):
        if tag in tags:
            tags[tag] = (start + sum(2 * len(v) for t, v in tags.items() if t in short and len(v) > 2),)
    entries = b""
    for tag, values in tags.items():
        code = "H" if tag in short else "I"
        packed = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(packed) > 4:
            packed, extra = struct.pack(f"{order}I", start + len(extra)), extra + packed
        entries += struct.pack(f"{order}HHI", tag, 3 if code == "H" else 4, len(values)) + packed.ljust(4, b"\0")
    magic = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return magic + struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0) + extra + pixels


def grey_tiff(values: npt.NDArray[np.uint16], *, bits: int = 16, photometric: int = 1, order: str = "<") -> bytes:
    """Build a TIFF of one row of grey.

    Args:
        values: The values of the pixels.
        bits: 12 or 16 bits per pixel.
        photometric: 0 counts from white, 1 from black.
        order: "<" for little-endian, ">" for big-endian.
    """
    if bits == 12:
        packed = int("".join(f"{v:012b}" for v in values.tolist()), 2).to_bytes(len(values) * 12 // 8, "big")
    else:
        packed = values.astype(f"{order}u2").tobytes()
    tags = {256: [len(values)], 257: [1], 258: [bits], 259: [1], 262: [photometric], 273: [0], 277: [1], 278: [1]}
    return tiff(tags | {279: [len(packed)]}, packed, order=order)


def tiff_of_one_tile(side: int) -> bytes:
    """Build a TIFF of 10 x 10 pixels in one compressed tile of `side` x `side` pixels."""
    pixels = zlib.compress(bytes(side * side), 9)
    tags = {
        256: [10],
        257: [10],
        258: [8],
        259: [8],
        262: [1],
        277: [1],
        322: [side],
        323: [side],
        324: [0],
        325: [len(pixels)],
    }
    return tiff(tags, pixels)


def jpeg_of_scans(extra: int, side: int = 16) -> bytes:
    """Build a progressive JPEG whose last scan is repeated `extra` times."""
    file = save(Image.new("RGB", (side, side), (90, 120, 150)), "JPEG", progressive=True)
    end = file.rindex(b"\xff\xd9")
    table = file.rindex(b"\xff\xc4", 0, file.rindex(b"\xff\xda"))
    return file[:end] + file[table:end] * extra + file[end:]


def animation(kind: str, count: int = 3, size: tuple[int, int] = (64, 64)) -> bytes:
    """Build a red image whose further frames or pages are shades of blue."""
    frames = [Image.new("RGB", size, "red"), *(Image.new("RGB", size, (0, n % 250, 255)) for n in range(count - 1))]
    return save(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)


def bmp_header(width: int, height: int) -> bytes:
    """Build a BMP whose header states this size, without pixels."""
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
