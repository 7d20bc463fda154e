"""Small files that are expensive for a decoder, by their names. Each is made when it is called for.

The largest has 20 MB, which is the limit of a file. Most would take seconds or gigabytes if they reached Pillow as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from PIL import Image

from support.pictures import animation, bmp_header, jpeg_of_scans, png, png_chunk, save, stripes, tiff, tiff_of_one_tile

SIDE = 7_000  # 49 megapixels, below the limit
MEGABYTE = 1_000_000


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(segments: bytes) -> bytes:
    """Put segments before those of a small JPEG."""
    file = save(stripes(), "JPEG")
    return file[:2] + segments + file[2:]


def jpeg_claiming(side: int, extra_scans: int) -> bytes:
    """Build a progressive JPEG of few bytes that claims to have side x side pixels."""
    file = bytearray(jpeg_of_scans(extra_scans))
    at = file.index(b"\xff\xc2") + 5
    file[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(file)


def png_with(chunks: bytes) -> bytes:
    """Put chunks after the header of a small PNG."""
    file = save(stripes(), "PNG")
    return file[:33] + chunks + file[33:]


def png_of(bits: int, colour: int, channels: int, extra: bytes = b"", side: int = SIDE) -> bytes:
    """Build a PNG of side x side pixels of one colour."""
    row = bytes((side * bits * channels + 7) // 8)
    return png((side, side), bits, colour, [row] * side, extra)


def packed(kind: bytes, head: bytes, content: bytes, count: int) -> bytes:
    """Return chunks that unpack to much more than their bytes."""
    return png_chunk(kind, head + zlib.compress(content, 9)) * count


def exif(entries: Iterable[tuple[int, int, int]], *, data: bytes = b"", order: str = "<") -> bytes:
    """Build EXIF of tags with their types and counts. All values are the same bytes, right after the tags."""
    entries = list(entries)
    at = 8 + 2 + 12 * len(entries) + 4
    table = b"".join(struct.pack("<HHII", tag, kind, count, at) for tag, kind, count in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + data


def big_exif(tags: int) -> bytes:
    """Build EXIF in the form of a BigTIFF, with the same tag again and again."""
    return b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, tags) + struct.pack("<HHQQ", 1_000, 3, 1, 1) * tags


def gif_with(blocks: bytes) -> bytes:
    """Put blocks before the frame of a GIF of one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + blocks + b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;"


def gif_frame(width: int, height: int, blocks: bytes = b"\2\x44\1") -> bytes:
    """Build a GIF of one pixel whose frame is larger."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2" + blocks + b"\0;"


def with_values(file: bytes, tag: int, kind: int, count: int, values: bytes) -> bytes:
    """Give a tag of a little-endian TIFF other values, which are appended."""
    at = next(at for at in range(10, len(file), 12) if struct.unpack_from("<H", file, at)[0] == tag)
    return file[:at] + struct.pack("<HHII", tag, kind, count, len(file)) + file[at + 12 :] + values


def grey_tiff(width: int, height: int, *, rows: int | None = None, compression: int = 1, pixels: bytes = b"\7") -> bytes:
    """Build a TIFF of grey in one strip."""
    tags = {256: [width], 257: [height], 258: [8], 259: [compression], 262: [1], 273: [0], 277: [1]}
    return tiff(tags | {278: [rows or height], 279: [len(pixels)], 282: [1], 320: [1], 339: [1], 34_665: [1]}, pixels)


def strips(count: int, height: int, rows: int = 1) -> bytes:
    """Build a TIFF of many strips, each at an offset of its own, over the same bytes."""
    return with_values(grey_tiff(1, height, rows=rows), 273, 4, count, struct.pack(f"<{count}I", *range(8, 8 + count)))


def pages(count: int) -> bytes:
    """Build a TIFF whose directories name each other."""
    file = grey_tiff(4, 4, pixels=bytes(16))
    directory = struct.pack("<HHHII", 1, 256, 4, 1, 4)
    start = len(file)
    chain = b"".join(directory + struct.pack("<I", start + 18 * (number + 1)) for number in range(count))
    at = 10 + 12 * struct.unpack_from("<H", file, 8)[0]
    return file[:at] + struct.pack("<I", start) + file[at + 4 :] + chain + bytes(18)


def bmp(width: int, height: int, bits: int, compression: int, body: bytes) -> bytes:
    """Build a BMP with a palette of zeros."""
    palette = bytes(4 << bits) if bits <= 8 else b""
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body


def webp_with(chunks: bytes, width: int = 48, height: int = 32) -> bytes:
    """Build an extended WebP with chunks after the picture."""
    picture = save(stripes(), "WEBP", lossless=True)[12:]
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0x08) + canvas + picture + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box of AVIF or HEIF."""
    return struct.pack(">I", 8 + sum(map(len, contents))) + kind + b"".join(contents)


def claiming(kind: str, side: int, claimed: int) -> bytes:
    """Build an AVIF or HEIF whose container claims another size than that of its frame."""
    file = bytearray(save(Image.new("RGB", (side, side)), kind, **({"speed": 10} if kind == "AVIF" else {})))
    at = file.index(b"ispe") + 8
    file[at : at + 8] = struct.pack(">II", claimed, claimed)
    return bytes(file)


def items(kind: bytes, count: int, *, extents: int = 1, frame: bytes = b"") -> bytes:
    """Build an AVIF or HEIF of many items over the same bytes."""
    brand = b"avif" if kind == b"av01" else b"heic"
    entries = [box(b"infe", b"\2\0\0\0", struct.pack(">HH", number, 0), kind, b"\0") for number in range(1, count + 1)]
    head = box(b"ftyp", brand, bytes(4), b"mif1", brand)

    def meta(start: int) -> bytes:
        extent = struct.pack(">II", start, len(frame))
        places = [struct.pack(">HHH", number, 0, extents) + extent * extents for number in range(1, count + 1)]
        return box(
            b"meta",
            bytes(4),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iinf", bytes(4), struct.pack(">H", count), *entries),
            box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", count), *places),
        )

    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", frame)


def references(kind: bytes) -> bytes:
    """Build an AVIF or HEIF whose references name many items that don't exist."""
    file = items(kind, 2)
    at = file.index(b"meta") - 4
    table = box(b"iref", b"\1\0\0\0", box(b"dimg", struct.pack(">IH", 1, 60_000), struct.pack(">60000I", *range(60_000))))
    size = struct.unpack_from(">I", file, at)[0]
    return file[:at] + struct.pack(">I", size + len(table)) + file[at + 4 : at + size] + table + file[at + size :]


def sequence(entries: int) -> bytes:
    """Build an AVIF sequence whose tables have many entries."""
    numbers = struct.pack(">I", 1) * entries
    table = struct.pack(">I", entries)
    chunks = box(b"stsc", bytes(4), struct.pack(">I", entries // 3), numbers)
    sample_table = box(b"stbl", chunks, box(b"stco", bytes(4), table, numbers), box(b"stsz", bytes(8), table, numbers))
    movie = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", sample_table))))
    return box(b"ftyp", b"avis", bytes(4), b"avis", b"avif") + movie


def burst(count: int, profile_bytes: int) -> bytes:
    """Build a HEIF of pictures that share their colour profile."""
    pictures = [Image.new("RGB", (64, 64), (number, 0, 0)) for number in range(count)]
    for picture in pictures:
        picture.info["icc_profile"] = bytes(profile_bytes)
    return save(pictures[0], "HEIF", save_all=True, append_images=pictures[1:])


def frame_of(kind: str, side: int) -> bytes:
    """Return the coded frame of an AVIF or HEIF."""
    file = save(Image.new("RGB", (side, side)), kind)
    return file[file.index(b"mdat") + 4 :]


_ZEROS = partial(bytes, 900_000)
_RATIONALS: Sequence[tuple[int, int, int]] = [(0x0112, 5, 2_400_000)]

COSTLY: dict[str, Callable[[], bytes]] = {
    "JPEG, scans of a small image": lambda: jpeg_of_scans(5_000),
    "JPEG, scans of a large image": lambda: jpeg_claiming(SIDE, 60),
    "JPEG, as many scans as a large image may have": lambda: jpeg_claiming(SIDE, 8),
    "JPEG, empty segments": lambda: jpeg_with(_segment(0xE5, b"") * 1_000_000),
    "JPEG, EXIF in pieces": lambda: jpeg_with(_segment(0xE1, b"Exif\0\0" + bytes(1_990)) * 9_000),
    "JPEG, profile in pieces": lambda: jpeg_with(_segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(1_980)) * 9_000),
    "JPEG, comments": lambda: jpeg_with(_segment(0xFE, bytes(1_990)) * 9_000),
    "JPEG, resources of Photoshop": lambda: jpeg_with(
        _segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5_000) * 300
    ),
    "JPEG, index of many pictures": lambda: jpeg_with(_segment(0xE2, b"MPF\0" + exif([(0xB002, 7, 60_000)] * 4_000))),
    "JPEG, EXIF whose tags share their bytes": lambda: jpeg_with(
        _segment(0xE1, (b"Exif\0\0" + exif((tag, 7, 60_000) for tag in range(4_000))).ljust(65_000, b"\0"))
    ),
    "JPEG, XMP of spaces": lambda: jpeg_with(
        _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0tiff:Orientation" + b" " * 65_000) * 300
    ),
    "JPEG, quantization tables": lambda: jpeg_with(_segment(0xDB, (b"\0" + bytes(64)) * 1_000) * 300),
    "JPEG, frames": lambda: jpeg_with(_segment(0xC0, b"\x08\0\1\0\1\3" + bytes(60_000)) * 300),
    "JPEG, bytes between segments": lambda: jpeg_with(_segment(0xE5, b"") + bytes(10 * MEGABYTE)),
    "JPEG, fill bytes": lambda: jpeg_with(b"\xff" * (10 * MEGABYTE)),
    "PNG, 49 megapixels of 1 bit": lambda: png_of(1, 0, 1),
    "PNG, 49 megapixels of 16 bits and alpha": lambda: png_of(16, 6, 4),
    "PNG, 49 megapixels of a transparent palette": lambda: png_of(
        8, 3, 1, png_chunk(b"PLTE", bytes(6)) + png_chunk(b"tRNS", b"\0")
    ),
    "PNG, compressed text": lambda: png_with(packed(b"zTXt", b"a\0\0", _ZEROS(), 9_000)),
    "PNG, compressed text without a name": lambda: png_with(packed(b"zTXt", b"\0\0", _ZEROS(), 9_000)),
    "PNG, compressed text of another encoding": lambda: png_with(packed(b"iTXt", b"a\0\1\0\0\0", b"\xff" * 900_000, 9_000)),
    "PNG, compressed international text": lambda: png_with(packed(b"iTXt", b"a\0\1\0\0\0", _ZEROS(), 9_000)),
    "PNG, compressed profiles": lambda: png_with(packed(b"iCCP", b"a\0\0", _ZEROS(), 9_000)),
    "PNG, compressed XMP": lambda: png_with(packed(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0", b"\n" * 900_000, 9_000)),
    "PNG, compressed EXIF of ImageMagick": lambda: png_with(
        packed(b"zTXt", b"Raw profile type exif\0\0", b"\n" * 900_000, 9_000)
    ),
    "PNG, XMP of 19 MB": lambda: png_with(
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"tiff:Orientation " * (19 * MEGABYTE // 17))
    ),
    "PNG, a profile of 60 MB": lambda: png_with(packed(b"iCCP", b"a\0\0", bytes(60 * MEGABYTE), 1)),
    "PNG, plain text": lambda: png_with(png_chunk(b"tEXt", b"a\0" + bytes(1_900)) * 9_000),
    "PNG, chunks": lambda: png_with(png_chunk(b"prVt") * 1_000_000),
    "PNG, critical chunks": lambda: png_with(png_chunk(b"ABCD") * 1_000_000),
    "PNG, a palette of 19 MB": lambda: png_of(8, 3, 1, png_chunk(b"PLTE", bytes(19 * MEGABYTE)), side=8),
    "PNG, transparency of 19 MB": lambda: png_of(
        8, 3, 1, png_chunk(b"PLTE", bytes(6)) + png_chunk(b"tRNS", b"\xff" * (19 * MEGABYTE)), side=8
    ),
    "PNG, frames": lambda: png_with(png_chunk(b"acTL", struct.pack(">II", 9_000, 0)) + png_chunk(b"fcTL", bytes(26)) * 9_000),
    "PNG, EXIF whose tags share their bytes": lambda: png_with(
        png_chunk(b"eXIf", exif(((1_000 + tag, 1, 800_000) for tag in range(60_000)), data=bytes(80_000)))
    ),
    "PNG, EXIF of one orientation in 2.4 million numbers": lambda: png_with(
        png_chunk(b"eXIf", exif(_RATIONALS, data=bytes(19_200_000)))
    ),
    "PNG, EXIF of a million tags": lambda: png_with(png_chunk(b"eXIf", big_exif(900_000))),
    "GIF, comments of one byte": lambda: gif_with(b"!\xfe\1a\0" * 3_800_000),
    "GIF, a comment in pieces": lambda: gif_with(b"!\xfe" + b"\1a" * 9_000_000 + b"\0"),
    "GIF, application blocks": lambda: gif_with(b"!\xff\1a\0" * 3_800_000),
    "GIF, graphic controls": lambda: gif_with(b"!\xf9\4\0\0\0\0\0" * 2_300_000),
    "GIF, bytes between blocks": lambda: gif_with(b"\1" * (19 * MEGABYTE)),
    "GIF, a frame larger than its screen": lambda: gif_frame(65_535, 65_535),
    "GIF, 49 megapixels": lambda: gif_frame(SIDE, SIDE),
    "GIF, pixels in pieces of one byte": lambda: gif_frame(SIDE, SIDE, b"\1\x04" * 9_000_000),
    "TIFF, 700,000 strips": lambda: strips(700_000, 700_000),
    "TIFF, 4.8 million strips": lambda: strips(4_800_000, 4_800_000),
    "TIFF, as many strips as an image may have": lambda: strips(50_000, 50_000),
    "TIFF, strips over strips": lambda: strips(50_000, 2),
    "TIFF, one huge tile": lambda: tiff_of_one_tile(8_192),
    "TIFF, numbers of its resolution": lambda: with_values(grey_tiff(4, 4), 282, 5, 2_400_000, bytes(19_200_000)),
    "TIFF, numbers of its bits": lambda: with_values(grey_tiff(4, 4), 258, 3, 9_000_000, bytes(18_000_000)),
    "TIFF, numbers of its format": lambda: with_values(grey_tiff(4, 4), 339, 3, 9_000_000, b"\1\0" * 9_000_000),
    "TIFF, numbers of its colours": lambda: with_values(grey_tiff(4, 4), 320, 3, 9_000_000, bytes(18_000_000)),
    "TIFF, numbers of its EXIF": lambda: (
        with_values(grey_tiff(4, 4), 34_665, 4, 1, b"") + struct.pack("<HHHII", 1, 0x829A, 5, 2_300_000, 8) + bytes(19_000_000)
    ),
    "TIFF, pages": lambda: pages(1_000_000),
    "TIFF, 60,000 tags": lambda: exif((1_000 + tag, 3, 1) for tag in range(60_000)),
    "TIFF, a million tags": lambda: big_exif(900_000),
    "TIFF, a strip of 300 MB for 16 pixels": lambda: grey_tiff(
        4, 4, rows=2**32 - 1, compression=8, pixels=zlib.compress(bytes(300 * MEGABYTE), 9)
    ),
    "TIFF, 49 megapixels": lambda: grey_tiff(SIDE, SIDE, compression=8, pixels=zlib.compress(bytes(SIDE * SIDE), 9)),
    "BMP, RLE8 of 50 million pixels in a row": lambda: bmp(49_999_999, 1, 8, 1, b"\1\1\0\0\0\1"),
    "BMP, RLE8 of 49 megapixels": lambda: bmp(SIDE, SIDE, 8, 1, b"\1\1\0\0" * SIDE + b"\0\1"),
    "BMP, RLE4 of 49 megapixels": lambda: bmp(SIDE, SIDE, 4, 2, b"\xff\x12" * 192_157 + b"\0\1"),
    "BMP, RLE8 in runs of one": lambda: bmp(SIDE, SIDE, 8, 1, b"\1\7" * 9_000_000),
    "BMP, 49 megapixels of 1 bit": lambda: bmp(SIDE, SIDE, 1, 0, bytes(876 * SIDE)),
    "BMP, a header": lambda: bmp_header(SIDE, SIDE),
    "WebP, 49 megapixels": lambda: save(Image.new("RGB", (SIDE, SIDE), "red"), "WEBP", lossless=True, method=0),
    "WebP, a canvas larger than its picture": lambda: webp_with(b"", 16_383, 16_383),
    "WebP, chunks": lambda: webp_with(webp_chunk(b"junk", b"") * 2_000_000),
    "WebP, frames": lambda: animation("WEBP", 300),
    "WebP, EXIF of one orientation in 2.4 million numbers": lambda: webp_with(
        webp_chunk(b"EXIF", exif(_RATIONALS, data=bytes(19_200_000)))
    ),
    "WebP, XMP of 19 MB": lambda: webp_with(webp_chunk(b"XMP ", b"tiff:Orientation " * (19 * MEGABYTE // 17))),
    "AVIF, a frame larger than its claim": lambda: claiming("AVIF", 7_300, 16),
    "AVIF, items": lambda: items(b"av01", 60_000),
    "AVIF, large frames that share their bytes": lambda: items(b"av01", 500, frame=frame_of("AVIF", 4_000)),
    "AVIF, an item in pieces that share their bytes": lambda: items(b"av01", 1, extents=8_000, frame=bytes(MEGABYTE)),
    "AVIF, references to missing items": lambda: references(b"av01"),
    "AVIF, tables of a sequence": lambda: sequence(1_200_000),
    "HEIF, a frame larger than its claim": lambda: claiming("HEIF", 2_000, 16),
    "HEIF, items": lambda: items(b"hvc1", 60_000),
    "HEIF, an item in pieces that share their bytes": lambda: items(b"hvc1", 1, extents=8_000, frame=bytes(MEGABYTE)),
    "HEIF, items of 65,535 empty pieces": lambda: (
        box(b"ftyp", b"heic", bytes(4), b"heic")
        + box(b"meta", bytes(4), box(b"iloc", bytes(4), b"\0\x40", b"\x17\x70", (bytes(4) + b"\xff" * 6) * 6_000))
    ),
    "HEIF, items without pieces that its table doesn't hold": lambda: (
        box(b"ftyp", b"heic", bytes(4), b"heic") + box(b"meta", bytes(4), box(b"iloc", b"\2\0\0\0\0\0", b"\xff" * 4, bytes(20)))
    ),
    "HEIF, a profile that a hundred pictures share": lambda: burst(100, 8 * MEGABYTE),
    "HEIF, references to missing items": lambda: references(b"hvc1"),
}
