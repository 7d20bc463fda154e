"""Every variant of a format is decoded to upright RGB."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from pigeonhole.errors import UnreadableImage, UnsupportedMedia
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.limits import ImageLimits
from support.pictures import (
    animation,
    difference,
    grey_tiff,
    photo,
    png,
    png_chunk,
    save,
    stripes,
    tiff,
)

LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "GIF": {}, "WEBP": {"lossless": True}}
LOSSY = {"JPEG": {"quality": 95, "subsampling": 0}, "AVIF": {"quality": 95}, "HEIF": {"quality": 95}, "WEBP": {"quality": 95}}


def opened(data: bytes) -> Image.Image:
    """Decode at full size, because no photo is as large as this input side."""
    return open_image(data, ImageLimits(), side=10_000)


def colours(data: bytes) -> list[tuple[int, ...]]:
    """Return the pixels of the first row."""
    image = opened(data)
    return [tuple(pixel) for pixel in np.asarray(image)[0].tolist()]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_file_keeps_its_pixels(kind: str) -> None:
    image = opened(save(stripes(), kind, **LOSSLESS[kind]))

    assert image.mode == "RGB"
    assert difference(image, stripes()) == 0


@pytest.mark.parametrize("kind", LOSSY)
def test_a_lossy_file_nearly_keeps_its_pixels(kind: str) -> None:
    image = opened(save(photo("chelsea.png"), kind, **LOSSY[kind]))

    assert image.mode == "RGB"
    assert difference(image, photo("chelsea.png")) < 3


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_tiff_is_read_in_its_usual_compressions(compression: str) -> None:
    assert difference(opened(save(stripes(), "TIFF", compression=compression)), stripes()) < 15


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_first_frame_of_an_animation_is_decoded(kind: str) -> None:
    image = opened(animation(kind))

    assert image.size == (64, 64)
    assert np.allclose(image.getpixel((30, 30)), (255, 0, 0), atol=2)


def test_frames_after_the_first_may_be_broken() -> None:
    file = animation("GIF", 50)

    assert opened(file[: len(file) // 2]).getpixel((5, 5)) == (255, 0, 0)


def transparency(data: bytes) -> bytes:
    return png_chunk(b"tRNS", data)


def palette(*entries: tuple[int, int, int]) -> bytes:
    return png_chunk(b"PLTE", b"".join(map(bytes, entries)))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (png((4, 1), 16, 0, [struct.pack(">4H", 0, 0x0180, 0x8000, 0xFFFF)]), [0, 1, 128, 255]),
        (png((3, 1), 16, 0, [struct.pack(">3H", 0, 77, 0x8000)], transparency(struct.pack(">H", 77))), [0, 255, 128]),
        (grey_tiff(np.array([0, 0x0180, 0x8000, 0xFFFF], np.uint16)), [0, 1, 128, 255]),
        (grey_tiff(np.array([0, 0x0180, 0x8000, 0xFFFF], np.uint16), order=">"), [0, 1, 128, 255]),
        (grey_tiff(np.array([0, 0x0180, 0x8000, 0xFFFF], np.uint16), photometric=0), [255, 254, 127, 0]),
        (grey_tiff(np.array([0, 0x018, 0x800, 0xFFF], np.uint16), bits=12), [0, 1, 128, 255]),
        (png((3, 1), 1, 0, [bytes([0b10100000])]), [255, 0, 255]),
        (png((3, 1), 2, 0, [bytes([0b00011000])]), [0, 85, 170]),
        (png((2, 1), 8, 0, [bytes([7, 9])], transparency(struct.pack(">H", 7))), [255, 9]),
        (png((2, 1), 1, 0, [bytes([0b01000000])], transparency(struct.pack(">H", 0))), [255, 255]),
        (png((3, 1), 8, 4, [bytes([0, 255, 0, 128, 0, 0])]), [0, 127, 255]),
        (png((2, 1), 16, 4, [struct.pack(">4H", 0, 0xFFFF, 0, 0)]), [0, 255]),
    ],
    ids=[
        "16 bit",
        "16 bit with a transparent grey",
        "TIFF 16 bit",
        "TIFF 16 bit, big-endian",
        "TIFF 16 bit from white",
        "TIFF 12 bit",
        "1 bit",
        "2 bit",
        "a transparent grey",
        "1 bit, transparent",
        "grey and alpha",
        "16 bit grey and alpha",
    ],
)
def test_every_depth_of_grey_keeps_its_range(file: bytes, expected: list[int]) -> None:
    assert colours(file) == [(grey, grey, grey) for grey in expected]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (png((1, 1), 16, 2, [struct.pack(">3H", 0x0180, 0x8000, 0xFFFF)]), [(1, 128, 255)]),
        (
            png((2, 1), 8, 2, [bytes([1, 2, 3, 4, 5, 6])], transparency(struct.pack(">3H", 1, 2, 3))),
            [(255, 255, 255), (4, 5, 6)],
        ),
        (png((2, 1), 8, 6, [bytes([255, 0, 0, 255, 0, 0, 0, 128])]), [(255, 0, 0), (127, 127, 127)]),
        (png((1, 1), 16, 6, [struct.pack(">4H", 0, 0, 0, 0)]), [(255, 255, 255)]),
        (png((2, 1), 8, 3, [b"\0\1"], palette((255, 0, 0), (0, 0, 255))), [(255, 0, 0), (0, 0, 255)]),
        (png((2, 1), 8, 3, [b"\0\1"], palette((255, 0, 0), (0, 0, 255)) + transparency(b"\0")), [(255, 255, 255), (0, 0, 255)]),
        (
            png((2, 1), 8, 3, [b"\0\1"], palette((0, 0, 0), (0, 0, 255)) + transparency(b"\x80\0")),
            [(127, 127, 127), (255, 255, 255)],
        ),
        (png((2, 1), 1, 3, [bytes([0b01000000])], palette((9, 8, 7), (1, 2, 3))), [(9, 8, 7), (1, 2, 3)]),
    ],
    ids=[
        "16 bit",
        "a transparent colour",
        "alpha",
        "16 bit alpha",
        "palette",
        "palette, one transparent",
        "palette, alpha each",
        "palette, 1 bit",
    ],
)
def test_every_kind_of_colour_is_flattened_to_rgb_on_white(file: bytes, expected: list[tuple[int, int, int]]) -> None:
    assert colours(file) == expected


@pytest.mark.parametrize(("bits", "photometric"), [([8, 8], 1), ([8, 8, 8, 8], 2)], ids=["grey", "colour"])
def test_premultiplied_alpha_is_not_applied_twice(bits: list[int], photometric: int) -> None:
    samples = len(bits)
    tags = {256: [1], 257: [1], 258: bits, 259: [1], 262: [photometric], 273: [0], 277: [samples], 278: [1], 279: [samples]}

    (grey, _, _), *_ = colours(tiff(tags | {338: [1]}, bytes([*[64] * (samples - 1), 128])))

    assert abs(grey - (64 + 127)) <= 1


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "TIFF", "GIF"])
def test_alpha_is_flattened_on_white_in_every_format(kind: str) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 8, 16))

    flat = opened(save(image, kind, lossless=True))

    assert np.allclose([flat.getpixel((2, 8)), flat.getpixel((13, 8))], [(255, 0, 0), (255, 255, 255)], atol=6)


@pytest.mark.parametrize("mode", ["LA", "PA", "YCbCr", "1", "L", "P"])
def test_every_mode_of_tiff_becomes_rgb(mode: str) -> None:
    source = stripes().convert(mode)
    assert source.mode == mode

    assert difference(opened(save(source, "TIFF")), source.convert("RGB")) < 0.5


def test_lab_becomes_rgb() -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    picture = photo("chelsea.png").resize((40, 30))
    source = ImageCms.profileToProfile(picture, *profiles, outputMode="LAB")

    assert source is not None
    assert difference(opened(save(source, "TIFF")), picture) < 3


def test_a_cmyk_jpeg_of_adobes_inverted_kind_has_its_colours() -> None:
    file = save(stripes().convert("CMYK"), "JPEG", quality=100)
    assert b"Adobe" in file

    assert difference(opened(file), stripes()) < 3


def test_a_cmyk_tiff_has_its_colours() -> None:
    assert difference(opened(save(stripes().convert("CMYK"), "TIFF")), stripes()) == 0


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_known_white_are_refused(mode: str) -> None:
    with pytest.raises(UnsupportedMedia, match="8 or 16 bits"):
        opened(save(Image.new(mode, (4, 4)), "TIFF"))


JPEGS = {
    "baseline": save(photo("chelsea.png"), "JPEG"),
    "progressive": save(photo("chelsea.png"), "JPEG", progressive=True),
    "fine": save(photo("rocket.jpg"), "JPEG", quality=100),
    "CMYK": save(photo("rocket.jpg").convert("CMYK"), "JPEG"),
    "grey, which libjpeg fills up with grey": save(Image.new("RGB", (640, 480), (128, 128, 128)), "JPEG"),
}


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_may_lack_the_marker_of_its_end(kind: str, cut: int) -> None:
    assert difference(opened(JPEGS[kind][:-cut]), opened(JPEGS[kind])) == 0


@pytest.mark.parametrize("cut", [3, 4, 8, 20, 100, 2_000])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_pixels_is_broken(kind: str, cut: int) -> None:
    with pytest.raises(UnreadableImage, match="cut off"):
        opened(JPEGS[kind][:-cut])


def float_tiff(channels: int) -> bytes:
    pixels = struct.pack("<f", 0.5) * 16 * channels
    tags = {256: [4], 257: [4], 258: [32] * channels, 259: [1], 262: [2 if channels == 3 else 1], 273: [0], 277: [channels]}
    return tiff(tags | {278: [4], 279: [len(pixels)], 339: [3] * channels}, pixels)


def tiff_of(**tags: int) -> bytes:
    """Build a TIFF of 4 x 4 pixels, with other values for some tags."""
    numbers = {"bits": 258, "compression": 259, "photometric": 262, "channels": 277, "sample_format": 339}
    plain = {256: [4], 257: [4], 258: [8], 259: [1], 262: [1], 273: [0], 277: [1], 278: [4], 279: [64]}
    return tiff(plain | {numbers[name]: [value] for name, value in tags.items()}, bytes(256))


def bmp_of(bits: int, compression: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, bits, compression, 64, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1_200, 0, 0, 54) + header + b"\1" * 1_200  # no usual bit fields


def jpeg_frame(**changes: int) -> bytes:
    """Return a JPEG with another marker, depth or number of channels in its frame."""
    file = bytearray(save(stripes(), "JPEG"))
    at = file.index(b"\xff\xc0")
    for name, value in changes.items():
        file[at + {"marker": 1, "bits": 4, "channels": 9}[name]] = value
    return bytes(file)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (float_tiff(1), "floating point"),
        (float_tiff(3), "floating point"),
        (tiff_of(sample_format=2), "signed"),
        (tiff_of(bits=32), "16 bits per channel"),
        (tiff_of(bits=64), "16 bits per channel"),
        (tiff_of(compression=999), "compression 999"),
        (tiff_of(compression=34_712), "compression 34712"),
        (tiff_of(bits=3), "form that isn't supported"),
        (tiff_of(photometric=32_803), "form that isn't supported"),
        (bmp_of(8, 1), "RLE"),
        (bmp_of(4, 2), "RLE"),
        (bmp_of(24, 4), "JPEG"),
        (bmp_of(24, 5), "PNG"),
        (bmp_of(64, 0), "64 bits"),
        (bmp_of(32, 3), "form that isn't supported"),
        (jpeg_frame(bits=12), "12 bits"),
        (jpeg_frame(channels=2), "2 channels"),
        (jpeg_frame(marker=0xC5), "hierarchical"),
        (save(stripes(), "PNG")[:8] + png_chunk(b"CgBI", bytes(4)) + save(stripes(), "PNG")[8:], "iOS"),
        (save(stripes(), "HEIF").replace(b"hvc1", b"vvc1"), "vvc1"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0hevc" + struct.pack(">I", 8) + b"moov", "sequence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_variant_that_is_not_accepted_is_named(file: bytes, message: str) -> None:
    with pytest.raises(UnsupportedMedia, match=message):
        opened(file)


def with_wrong_checksum(kind: bytes, body: bytes) -> bytes:
    file, chunk = save(stripes(), "PNG"), bytearray(png_chunk(kind, body))
    chunk[-1] ^= 1
    return file[:33] + bytes(chunk) + file[33:]


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"tEXt", b"gAMA", b"eXIf", b"pHYs", b"tRNS", b"acTL", b"prVt"])
def test_an_optional_chunk_of_a_png_may_have_a_wrong_checksum_or_content(kind: bytes) -> None:
    """Browsers ignore such a chunk."""
    file = save(stripes(), "PNG")
    without_content = file[:33] + png_chunk(kind) + file[33:]

    assert difference(opened(with_wrong_checksum(kind, b"a\0\0junk")), stripes()) == 0
    if kind != b"tRNS":
        assert difference(opened(without_content), stripes()) == 0


def test_a_png_header_with_a_wrong_checksum_is_broken() -> None:
    file = bytearray(save(stripes(), "PNG"))
    file[32] ^= 1

    with pytest.raises(UnreadableImage, match="broken"):
        opened(bytes(file))
