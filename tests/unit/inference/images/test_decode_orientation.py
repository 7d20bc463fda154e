"""An image is turned as its metadata says, wherever a program has written that."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageOps, TiffImagePlugin, TiffTags

from pigeonhole.inference.images.containers.png import MAX_TEXT_BYTES
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.limits import ImageLimits
from support.pictures import difference, exif_turn, four_corners, png_chunk, save, stripes, turned

PICTURE = four_corners(64, 48)
ATTRIBUTE = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
ELEMENT = b"<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>"
SINGLE_QUOTES = ATTRIBUTE.replace(b'"', b"'")


def opened(data: bytes) -> Image.Image:
    return open_image(data, ImageLimits(), side=10_000)


def exif_without_turn() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    return exif.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    image = opened(save(PICTURE, kind, exif=exif_turn(orientation), quality=95))

    assert difference(image, turned(PICTURE, orientation)) < 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF"])
def test_the_orientation_of_a_long_exif_is_applied(kind: str) -> None:
    """The file may have a preview or a description there. JPEG has no segment as long."""
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a" * 70_000, 6

    image = opened(save(PICTURE, kind, exif=exif.tobytes(), quality=95))

    assert difference(image, turned(PICTURE, 6)) < 3


def with_metadata(kind: str, exif: bytes | None, xmp: bytes) -> bytes:
    if kind != "TIFF":
        return save(PICTURE, kind, xmp=xmp, quality=95, **({"exif": exif} if exif else {}))
    names = Image.Exif()
    names.load(exif or b"")
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[TiffImagePlugin.XMP] = TiffTags.BYTE
    for tag, value in {**names, TiffImagePlugin.XMP: xmp}.items():
        tags[tag] = value
    return save(PICTURE, kind, tiffinfo=tags)


@pytest.mark.parametrize("xmp", [ATTRIBUTE, ELEMENT], ids=["attribute", "element"])
@pytest.mark.parametrize("exif", [None, exif_without_turn(), exif_turn(1), exif_turn(8)], ids=["none", "no turn", "1", "8"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
def test_xmp_counts_where_exif_names_no_orientation(kind: str, exif: bytes | None, xmp: bytes) -> None:
    file = with_metadata(kind, exif, xmp)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(file)))

    assert difference(opened(file), upright) < 3
    assert (opened(file).size == PICTURE.size) == (exif == exif_turn(1))


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_xmp_does_not_count_where_the_container_names_the_turn(kind: str) -> None:
    placeholder = b"<x>" + b"a" * (len(ATTRIBUTE) - 3)  # pillow-heif would turn the container, too
    file = save(PICTURE, kind, xmp=placeholder, quality=95)
    assert placeholder in file

    assert difference(opened(file.replace(placeholder, ATTRIBUTE)), PICTURE) < 3


def test_xmp_may_be_written_with_single_quotes() -> None:
    """exiftool does."""
    assert opened(save(PICTURE, "JPEG", xmp=SINGLE_QUOTES)).size == (48, 64)


def png_with(*chunks: bytes, after: bool = False) -> bytes:
    """Put chunks before or after the pixels of a PNG."""
    file = save(PICTURE, "PNG")
    at = len(file) - 12 if after else 33
    return file[:at] + b"".join(chunks) + file[at:]


def profile(name: bytes, content: bytes) -> bytes:
    """Return metadata as ImageMagick writes it."""
    digits = content.hex().encode()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return b"\n".join([b"", name, b"%8d" % len(content), *lines, b""])


def text(name: bytes, content: bytes) -> bytes:
    return png_chunk(b"tEXt", name + b"\0" + content)


def packed_text(name: bytes, content: bytes) -> bytes:
    return png_chunk(b"zTXt", name + b"\0\0" + zlib.compress(content))


def international_text(name: bytes, content: bytes, *, is_packed: bool = False) -> bytes:
    flag, body = (b"\1", zlib.compress(content)) if is_packed else (b"\0", content)
    return png_chunk(b"iTXt", name + b"\0" + flag + b"\0en\0its name\0" + body)


XMP_NAME, RAW = b"XML:com.adobe.xmp", b"Raw profile type "
LONG = exif_turn(6) + bytes(200_000)
TURNING = {
    "XMP": international_text(XMP_NAME, ATTRIBUTE),
    "packed XMP": international_text(XMP_NAME, ELEMENT, is_packed=True),
    "EXIF of ImageMagick": packed_text(RAW + b"exif", profile(b"exif", exif_turn(6))),
    "EXIF of ImageMagick, plain": text(RAW + b"exif", profile(b"exif", exif_turn(6))),
    "a long EXIF of ImageMagick": packed_text(RAW + b"exif", profile(b"exif", LONG)),
    "EXIF in APP1": packed_text(RAW + b"APP1", profile(b"generic", exif_turn(6))),
    "XMP in APP1": packed_text(RAW + b"APP1", profile(b"generic", b"http://ns.adobe.com/xap/1.0/\0" + ATTRIBUTE)),
    "XMP of ImageMagick": packed_text(RAW + b"xmp", profile(b"xmp", ELEMENT)),
}
NOT_TURNING = {
    "EXIF before XMP": png_chunk(b"eXIf", exif_turn(1)[6:]) + TURNING["XMP"],
    "EXIF before a profile": png_chunk(b"eXIf", exif_turn(1)[6:]) + TURNING["EXIF of ImageMagick"],
    "a profile before XMP": packed_text(RAW + b"exif", profile(b"exif", exif_turn(1))) + TURNING["XMP"],
    "no hexadecimal": packed_text(RAW + b"exif", b"\nexif\n 4\nzzzz\n"),
    "no lines": packed_text(RAW + b"exif", b"45"),
    "a broken text": png_chunk(b"zTXt", RAW + b"exif\0\0junk"),
    "no text": png_chunk(b"iTXt", XMP_NAME),
    "an orientation after the limit of a text": international_text(XMP_NAME, b" " * MAX_TEXT_BYTES + ATTRIBUTE, is_packed=True),
    "another name": international_text(b"Comment", ATTRIBUTE),
}


@pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "after them"])
@pytest.mark.parametrize("chunk", TURNING.values(), ids=TURNING)
def test_a_png_is_turned_by_metadata_in_its_texts(chunk: bytes, after: bool) -> None:
    assert difference(opened(png_with(chunk, after=after)), turned(PICTURE, 6)) == 0


@pytest.mark.parametrize("chunk", NOT_TURNING.values(), ids=NOT_TURNING)
def test_a_png_is_not_turned_by_other_texts(chunk: bytes) -> None:
    assert difference(opened(png_with(chunk)), PICTURE) == 0


@pytest.mark.parametrize("name", ["XMP", "packed XMP", "EXIF of ImageMagick"])
def test_the_texts_of_a_png_turn_it_as_in_pillow(name: str) -> None:
    file = png_with(TURNING[name])

    assert difference(opened(file), ImageOps.exif_transpose(Image.open(BytesIO(file)))) == 0


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_invalid_orientation_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value

    assert difference(opened(save(stripes(), "PNG", exif=exif)), stripes()) == 0


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II",
        b"Exif\0\0XX*\0\x08\0\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
    ],
)
def test_a_broken_exif_is_ignored(exif: bytes) -> None:
    file = save(stripes(), "JPEG", quality=100, subsampling=0)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif

    assert difference(opened(file[:2] + segment + file[2:]), stripes()) < 2
    assert (
        difference(opened(save(stripes(), "PNG")[:33] + png_chunk(b"eXIf", exif[6:]) + save(stripes(), "PNG")[33:]), stripes())
        == 0
    )
