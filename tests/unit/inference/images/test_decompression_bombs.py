"""Small files that are expensive to decode are refused before they are decoded."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFile

from pigeonhole.errors import TooLarge, UnreadableImage
from pigeonhole.inference.images.containers.jpeg import MAX_SCANS, strip_jpeg
from pigeonhole.inference.images.containers.stripped import MAX_PARTS
from pigeonhole.inference.images.containers.tiff import MAX_STRIPS
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.decompression_bombs import strip
from pigeonhole.inference.images.limits import ImageLimits
from support.costly_images import box, frame_of, items
from support.pictures import animation, bmp_header, jpeg_of_scans, png, png_chunk, save, stripes, tiff, tiff_of_one_tile

LIMITS = ImageLimits()


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded before it was checked")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening an image may already be expensive."""

    def open_file(*args: object, **options: object) -> None:
        raise AssertionError("opened before it was checked")

    monkeypatch.setattr(Image, "open", open_file)


def jpeg_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "JPEG"))
    at = file.index(b"\xff\xc0") + 5
    file[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(file)


def gif_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "GIF"))
    file[6:10] = struct.pack("<HH", width, height)
    return bytes(file)


def webp_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "WEBP", lossless=True))
    at = file.index(b"VP8L") + 9
    rest = int.from_bytes(file[at : at + 4], "little") >> 28 << 28
    file[at : at + 4] = (rest | (height - 1) << 14 | (width - 1)).to_bytes(4, "little")
    return bytes(file)


def avif_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "AVIF"))
    at = file.index(b"ispe") + 8
    file[at : at + 8] = struct.pack(">II", width, height)
    return bytes(file)


def png_header(width: int, height: int) -> bytes:
    return png((width, height), 8, 2, [b"\0\0\0"])


def tiff_header(width: int, height: int) -> bytes:
    return tiff({256: [width], 257: [height], 258: [8], 259: [1], 262: [1], 273: [0], 277: [1], 278: [height], 279: [1]}, b"\0")


HEADERS = [png_header, jpeg_header, gif_header, webp_header, avif_header, bmp_header, tiff_header]


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("header", HEADERS, ids=[header.__name__ for header in HEADERS])
@pytest.mark.parametrize("side", [7_072, 10_000, 14_000], ids=["just too large", "where Pillow warns", "where Pillow refuses"])
def test_too_many_pixels_are_refused_by_the_header(
    header: Callable[[int, int], bytes], side: int, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(TooLarge, match="50 megapixels"):
        open_image(header(side, side), LIMITS, side=64)

    assert list(recwarn) == [], "Pillow's own warning must not reach the caller"


def test_the_limit_of_pixels_is_exact() -> None:
    file = save(Image.new("RGB", (40, 25)), "PNG")

    assert open_image(file, ImageLimits(max_pixels=1_000), side=64).size == (40, 25)
    with pytest.raises(TooLarge):
        open_image(file, ImageLimits(max_pixels=999), side=64)


def test_a_first_frame_larger_than_the_canvas_counts() -> None:
    file = bytearray(save(Image.new("RGB", (900, 900), "red"), "GIF"))
    file[6:10] = struct.pack("<HH", 10, 10)

    with pytest.raises(TooLarge):
        open_image(bytes(file), ImageLimits(max_pixels=1_000), side=64)


def test_as_many_scans_as_encoders_write_are_accepted() -> None:
    assert open_image(jpeg_of_scans(MAX_SCANS - 20), LIMITS, side=64).size == (16, 16)


@pytest.mark.usefixtures("undecoded")
def test_a_jpeg_of_very_many_scans_is_refused_undecoded() -> None:
    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(jpeg_of_scans(MAX_SCANS), LIMITS, side=64)


@pytest.mark.parametrize(
    "hidden_behind",
    [
        *(b"\xff\x01", b"\xff\x01\xff\xff", b"\xff\xd0\xff\xff", b"\xff\xff\xff", b"\xff\x00\xff\x00"),
        *(b"junk", b"\xff\xe5\x00\x02", b"\xff\xfe\x00\x00", b"\xff\xe5\x00\x06\xff\xd9\xff\xd9"),
        *(b"\xff\xd9", b"\xff\xd9\xff\xff", b"\xff\xd8\xff\xff", b"\xff\xc8\xff\xff", b"\xff\xf0\xff\xff"),
    ],
)
def test_scans_behind_bytes_that_a_decoder_skips_are_counted(hidden_behind: bytes) -> None:
    file = jpeg_of_scans(MAX_SCANS)
    at = file.index(b"\xff\xdb")

    with pytest.raises(UnreadableImage, match="too many parts"):
        strip_jpeg(file[:at] + hidden_behind + file[at:])


def test_scan_markers_within_metadata_or_after_the_end_do_not_count() -> None:
    file = save(stripes(), "JPEG")
    profile = b"\xff\xe2\xff\xff" + b"\xff\xda" * 32_766 + b"\0"

    assert open_image(file[:2] + profile + file[2:] + b"\xff\xda\0\x02" * 50_000, LIMITS, side=64).size == (48, 32)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("filling", [b"\xff", b"\0", b"\xff\0"], ids=["fill", "zeros", "data of no scan"])
def test_a_jpeg_with_many_bytes_between_its_segments_is_refused_undecoded(filling: bytes) -> None:
    """A search that starts again at every byte would take days for these megabytes."""
    jpeg, junk = save(stripes(), "JPEG"), filling * (10_000_000 // len(filling))

    at = jpeg.index(b"\xff\xdb")

    for bomb in (b"\xff\xd8\xff" + junk, jpeg[:at] + junk + jpeg[at:]):
        with pytest.raises(UnreadableImage, match="too many parts"):
            open_image(bomb, LIMITS, side=64)


def test_a_few_bytes_between_the_segments_are_accepted() -> None:
    jpeg = save(stripes(), "JPEG")

    assert open_image(jpeg[:2] + b"\xff" * 1_000 + jpeg[2:], LIMITS, side=64).size == (48, 32)


@pytest.mark.usefixtures("undecoded")
def test_a_file_of_very_many_segments_is_refused_undecoded() -> None:
    jpeg, png_file = save(stripes(), "JPEG"), save(stripes(), "PNG")

    for bomb in (
        jpeg[:2] + b"\xff\xe5\x00\x02" * MAX_PARTS + jpeg[2:],
        png_file[:33] + png_chunk(b"prVt") * MAX_PARTS + png_file[33:],
    ):
        with pytest.raises(UnreadableImage, match="too many parts"):
            open_image(bomb, LIMITS, side=64)


@pytest.mark.usefixtures("undecoded")
def test_a_small_tiff_of_one_huge_tile_is_refused_undecoded() -> None:
    bomb = tiff_of_one_tile(8_192)
    assert len(bomb) < 100_000

    with pytest.raises(TooLarge, match="tiles"):
        open_image(bomb, LIMITS, side=64)


def test_tiles_of_a_usual_size_are_accepted() -> None:
    assert open_image(tiff_of_one_tile(256), LIMITS, side=64).size == (10, 10)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_and_profiles_that_decompress_to_megabytes_are_not_decompressed(kind: bytes) -> None:
    packed = zlib.compress(bytes(50_000_000), 9)
    data = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\x01\0\0\0", b"iCCP": b"a\0\0"}[kind] + packed
    file = save(stripes(), "PNG")
    tracemalloc.start()
    try:
        open_image(file[:33] + png_chunk(kind, data) + file[33:], LIMITS, side=64)
    except UnreadableImage:
        pass  # The file may be refused. Only the memory matters.
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 10_000_000


def test_metadata_whose_entries_share_their_bytes_takes_little_memory() -> None:
    entries = 4_000
    table = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(entries))
    exif = (b"Exif\0\0II*\0" + struct.pack("<IH", 8, entries) + table).ljust(65_000, b"\0")
    file = save(stripes(), "JPEG")
    bomb = file[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + file[2:]
    tracemalloc.start()
    image = open_image(bomb, LIMITS, side=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert image.size == (48, 32)
    assert peak < 10_000_000, "each of 4,000 entries claims the same 60 kB: 240 MB"


def gif_of(blocks: bytes) -> bytes:
    file = save(stripes(), "GIF")
    at = 13 + (3 << (file[10] & 7) + 1 if file[10] & 0x80 else 0)
    return file[:at] + blocks + file[at:]


GIF_BLOCKS = {
    "comments of one byte": b"!\xfe\x01a\x00",
    "empty comments": b"!\xfe\x00",
    "application extensions": b"!\xff\x01a\x00",
    "graphic controls": b"!\xf9\x04\0\0\0\0\0",
}


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize("block", GIF_BLOCKS.values(), ids=GIF_BLOCKS)
def test_a_gif_of_very_many_blocks_is_refused_unopened(block: bytes) -> None:
    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(gif_of(block * (MAX_PARTS + 1)), LIMITS, side=64)


@pytest.mark.usefixtures("unopened")
def test_a_gif_comment_of_very_many_pieces_is_refused_unopened() -> None:
    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(gif_of(b"!\xfe" + b"\x01a" * (MAX_PARTS + 1) + b"\0"), LIMITS, side=64)


@pytest.mark.parametrize("blocks", [b"!\xfe\x05hello\0", bytes(1_000_000), b"!\xff\x0bNETSCAPE2.0\x03\1\0\0\0"])
def test_what_a_gif_has_before_its_first_frame_is_not_given_to_the_decoder(blocks: bytes) -> None:
    stripped = strip(gif_of(blocks), "GIF", LIMITS.max_pixels).data

    assert len(stripped) == len(save(stripes(), "GIF"))
    assert open_image(gif_of(blocks), LIMITS, side=64).tobytes() == stripes().tobytes()


def test_a_gifs_transparent_colour_survives_other_blocks() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([9, 9, 9, 200, 0, 0])
    file = save(image, "GIF", transparency=1, comment=b"hello")

    assert open_image(file, LIMITS, side=64).getpixel((0, 0)) == (255, 255, 255)


def strips_tiff(count: int, *, height: int | None = None, rows: int = 1) -> bytes:
    """Build a TIFF of one pixel a row. The pixels of all strips share the same bytes."""
    file = tiff({256: [1], 257: [height or count], 258: [8], 259: [1], 262: [1], 273: [0], 277: [1], 278: [rows], 279: [1]})
    return with_offsets(file, range(8, 8 + count))


def with_offsets(file: bytes, offsets: Sequence[int]) -> bytes:
    """Replace the offset of a TIFF's only strip by those of several."""
    entry, moved = struct.pack("<HHI", 273, 4, 1), struct.pack("<HHII", 273, 4, len(offsets), len(file))
    at = file.index(entry)
    return file[:at] + moved + file[at + len(moved) :] + struct.pack(f"<{len(offsets)}I", *offsets)


TIFF_BOMBS = {
    "more strips than an image has": strips_tiff(MAX_STRIPS + 1),
    "strips that cover the image again and again": strips_tiff(100, height=2),
    "one strip, many times": strips_tiff(100, height=2, rows=2),
    "tags": tiff({tag: [1] for tag in range(30_000, 31_500)} | {256: [1], 257: [1], 273: [0]}),
    "bits per sample": tiff({256: [1], 257: [1], 258: [8] * 200_000, 262: [1], 273: [0], 279: [1]}),
}


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize("bomb", TIFF_BOMBS.values(), ids=TIFF_BOMBS)
def test_a_tiff_of_very_many_parts_is_refused_unopened(bomb: bytes) -> None:
    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(bomb, LIMITS, side=64)


@pytest.mark.usefixtures("unopened")
def test_a_tiff_whose_tiles_lie_outside_the_image_is_refused_unopened() -> None:
    tiles = {256: [1], 257: [160_000], 258: [8], 259: [8], 262: [1], 277: [1], 322: [4_096], 323: [16]}

    with pytest.raises(TooLarge, match="tiles"):
        open_image(tiff(tiles | {324: [0] * 10_000, 325: [1] * 10_000}), LIMITS, side=64)


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("big_tiff", [False, True])
def test_a_tiff_keeps_only_its_first_image_and_the_tags_of_its_pixels(big_tiff: bool, pages: int) -> None:
    file = BytesIO()
    pictures = [stripes() for _ in range(pages)]
    pictures[0].save(
        file, "TIFF", big_tiff=big_tiff, tiffinfo={270: "a description"}, save_all=True, append_images=pictures[1:]
    )

    image = Image.open(BytesIO(strip(file.getvalue(), "TIFF", LIMITS.max_pixels).data))

    assert 270 not in image.tag_v2  # type: ignore[attr-defined]
    assert image.n_frames == 1  # type: ignore[attr-defined]
    assert image.tobytes() == stripes().tobytes()


def test_a_tiff_of_a_strip_per_row_is_accepted() -> None:
    assert open_image(strips_tiff(1_000), LIMITS, side=64).size == (1, 1_000)


def claiming(kind: str, frame: tuple[int, int], claimed: tuple[int, int]) -> bytes:
    """Build an AVIF or HEIF whose container claims another size than that of its frame."""
    file = bytearray(save(Image.new("RGB", frame), kind))
    at = file.index(b"ispe") + 8
    file[at : at + 8] = struct.pack(">II", *claimed)
    return bytes(file)


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize("limit", [9_000, 100])
def test_a_frame_larger_than_its_container_claims_is_refused_unopened(kind: str, limit: int) -> None:
    with pytest.raises(TooLarge, match="megapixels"):
        open_image(claiming(kind, (100, 100), (2, 2)), ImageLimits(max_pixels=limit), side=64)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_a_frame_at_the_limit_is_accepted(kind: str) -> None:
    """HEVC fills this frame up to 304 x 304 pixels."""
    file = save(Image.new("RGB", (300, 300)), kind)

    assert open_image(file, ImageLimits(max_pixels=300 * 300), side=64).size == (300, 300)


def test_the_other_pictures_of_a_collection_do_not_count() -> None:
    file = BytesIO()
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("red", "lime", "blue", "white")]
    pictures[0].save(file, "HEIF", save_all=True, append_images=pictures[1:])

    image = open_image(file.getvalue(), ImageLimits(max_pixels=64 * 64), side=64)

    assert np.allclose(image.getpixel((5, 5)), (255, 0, 0), atol=5)


def referring(version: int, *references: tuple[bytes, int, list[int]], primary: bool = True) -> bytes:
    """Build an AVIF of four pictures of 64 x 64 pixels, the first of which is the primary one, and of references."""
    frame = frame_of("AVIF", 64)
    file = items(b"av01", 4, frame=frame)
    number = ">I" if version else ">H"
    boxes = [
        box(kind, struct.pack(number, item), struct.pack(">H", len(to)), *(struct.pack(number, other) for other in to))
        for kind, item, to in references
    ]
    table = box(b"iref", bytes([version, 0, 0, 0]), *boxes)
    meta, data = file.index(b"meta") - 4, file.index(b"mdat") - 4
    (size,) = struct.unpack_from(">I", file, meta)
    tables = file[meta + 4 : data].replace(
        struct.pack(">II", data + 8, len(frame)), struct.pack(">II", data + 8 + len(table), len(frame))
    )
    file = file[:meta] + struct.pack(">I", size + len(table)) + tables + table + file[data:]
    return file if primary else file.replace(b"pitm", b"free")


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    "references",
    [
        [(b"dimg", 1, [2, 3, 4])],
        [(b"auxl", 2, [1]), (b"auxl", 3, [1])],
        [(b"thmb", 2, [1]), (b"thmb", 3, [1])],
        [(b"dimg", 1, [2]), (b"auxl", 3, [2])],
    ],
    ids=["tiles", "alpha", "thumbnails", "alpha of a tile"],
)
def test_all_that_the_primary_picture_refers_to_counts(version: int, references: list[tuple[bytes, int, list[int]]]) -> None:
    with pytest.raises(TooLarge, match="megapixels"):
        open_image(referring(version, *references), ImageLimits(max_pixels=64 * 64), side=64)


@pytest.mark.usefixtures("unopened")
def test_all_pictures_count_if_none_is_the_primary_one() -> None:
    with pytest.raises(TooLarge, match="megapixels"):
        open_image(referring(0, primary=False), ImageLimits(max_pixels=64 * 64), side=64)


def test_pictures_that_refer_to_each_other_but_not_to_the_primary_one_do_not_count() -> None:
    file = referring(0, (b"dimg", 2, [3, 4]), (b"cdsc", 2, [1]))

    assert strip(file, "AVIF", 64 * 64).data == file.replace(b"cdsc", b"free")


@pytest.mark.usefixtures("unopened")
def test_each_picture_of_a_collection_is_limited() -> None:
    with pytest.raises(TooLarge, match="megapixels"):
        open_image(referring(0), ImageLimits(max_pixels=60 * 60), side=64)


@pytest.mark.usefixtures("unopened")
def test_the_first_frame_of_an_avif_sequence_counts() -> None:
    with pytest.raises(TooLarge, match="megapixels"):
        open_image(animation("AVIF"), ImageLimits(max_pixels=3_000), side=64)


@pytest.mark.usefixtures("unopened")
def test_an_avif_of_very_many_items_is_refused_unopened() -> None:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    entries = b"".join(box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", n, 0, b"av01") + b"\0") for n in range(1, 5_000))
    meta = box(b"meta", bytes(4) + box(b"iinf", bytes(4) + struct.pack(">H", 4_999) + entries))

    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(box(b"ftyp", b"avif\0\0\0\0avif") + meta, LIMITS, side=64)


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize("side", [7_000, 5_000])
def test_the_scans_of_a_large_jpeg_are_limited_by_its_size(side: int) -> None:
    """Each scan walks over all blocks of the image."""
    bomb = bytearray(jpeg_of_scans(60))
    at = bomb.index(b"\xff\xc2") + 5
    bomb[at : at + 4] = struct.pack(">HH", side, side)

    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(bytes(bomb), LIMITS, side=64)


def metadata_jpeg() -> bytes:
    segments = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
        for marker, body in (
            (0xE1, b"Exif\0\0" + bytes(2_000)),
            (0xE2, b"ICC_PROFILE\0\1\1" + bytes(500)),
            (0xE2, b"MPF\0" + bytes(500)),
            (0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 100),
            (0xFE, b"a comment"),
        )
    )
    file = save(stripes(), "JPEG")
    return file[:2] + segments + file[2:]


def metadata_png() -> bytes:
    file = save(stripes(), "PNG")
    chunks = [(b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0"), (b"tEXt", b"a\0"), (b"acTL", bytes(8))]
    return file[:33] + b"".join(png_chunk(kind, body + zlib.compress(bytes(100_000))) for kind, body in chunks) + file[33:]


def metadata_webp() -> bytes:
    return save(stripes(), "WEBP", lossless=True, exif=Image.Exif(), icc_profile=bytes(500), xmp=b"<x/>" * 100)


@pytest.mark.parametrize(
    ("kind", "file"),
    [("JPEG", metadata_jpeg()), ("PNG", metadata_png()), ("WEBP", metadata_webp())],
    ids=["JPEG", "PNG", "WebP"],
)
def test_metadata_is_not_given_to_the_decoder(kind: str, file: bytes) -> None:
    stripped = strip(file, kind, LIMITS.max_pixels).data
    plain = save(stripes(), kind, **({"lossless": True} if kind == "WEBP" else {}))

    assert len(stripped) <= len(plain) + 20  # WebP's header of an extended file
    assert Image.open(BytesIO(stripped)).tobytes() == Image.open(BytesIO(plain)).tobytes()


def test_a_webp_animation_keeps_one_frame() -> None:
    image = Image.open(BytesIO(strip(animation("WEBP", 60), "WEBP", LIMITS.max_pixels).data))

    assert image.n_frames == 1  # type: ignore[attr-defined]


@pytest.mark.usefixtures("unopened")
def test_a_webp_of_very_many_chunks_is_refused_unopened() -> None:
    file = metadata_webp()
    bomb = file[:4] + struct.pack("<I", len(file) - 8 + 8 * MAX_PARTS) + file[8:] + b"junk\0\0\0\0" * MAX_PARTS

    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(bomb, LIMITS, side=64)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG", "TIFF"])
def test_only_the_first_frame_of_an_animation_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = animation(kind, 60)
    opened = type(Image.open(BytesIO(file)))
    visited: list[int] = []
    seek = opened.seek
    monkeypatch.setattr(opened, "seek", lambda image, frame: (visited.append(frame), seek(image, frame))[1])

    image = open_image(file, LIMITS, side=64)

    assert np.allclose(image.getpixel((5, 5)), (255, 0, 0), atol=2)
    assert set(visited) <= {0}
