"""Fuzz the opening of images: `open_image` may raise only a SampleError, and may take only so much time and memory.

    pip install -e ".[onnx,test,fuzz]"
    python benchmarks/fuzz_images.py [--seconds 600] [JPEG PNG ...]

Each format is fuzzed in a process of its own, from valid files and from the small files of tests/support/costly_images.py.
atheris measures which lines of this package and of Pillow's Python code an input reaches. It doesn't see into decoders that are
written in C. A finding is written to `--findings` and ends the fuzzing of its format. Make it a case of the tests.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
MAX_SEED_BYTES = 20_000
TIMEOUT_S, MEMORY_MB = 5, 2_000  # for one input; libFuzzer reports an input that takes more
XMP = b'<x tiff:Orientation="6"/>'
_STATUS = re.compile(r"#(\d+)\s+(?:DONE|pulse|NEW|REDUCE)\s+cov: (\d+)")


def seeds(file_format: str) -> Iterator[bytes]:
    """Yield files of a format: valid ones, and small costly ones."""
    from PIL import PngImagePlugin

    from support.costly_images import COSTLY
    from support.pictures import animation, exif_turn, four_corners, save, stripes

    yield save(stripes(), file_format)
    if file_format in ("PNG", "WEBP", "GIF", "TIFF", "AVIF"):
        yield animation(file_format)
    if file_format == "JPEG":
        yield save(stripes(), "JPEG", progressive=True)
        yield save(stripes().convert("CMYK"), "JPEG")
    if file_format in ("JPEG", "WEBP"):
        yield save(stripes(), file_format, exif=exif_turn(6), xmp=XMP)
    if file_format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
        texts.add_text("Raw profile type exif", f"\nexif\n1\n{exif_turn(6).hex()}", zip=True)
        yield save(stripes(), "PNG", pnginfo=texts)
    if file_format == "HEIF":
        yield save(four_corners(192, 128), "HEIF", tile_size=64, exif=exif_turn(6), thumbnails=[64])
    if file_format == "TIFF":
        for compression in ("tiff_lzw", "jpeg", "packbits"):
            yield save(stripes(), "TIFF", compression=compression)
    for name, make in COSTLY.items():
        if name.upper().startswith(file_format) and "49 megapixels" not in name:
            file = make()
            if len(file) <= MAX_SEED_BYTES:
                yield file


def fuzz_here(file_format: str, options: list[str]) -> None:
    """Fuzz one format in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["PIL", "pigeonhole.inference.images"]):
        from pigeonhole.errors import SampleError
        from pigeonhole.inference.images.decode import open_image
        from pigeonhole.inference.images.formats import identify
        from pigeonhole.inference.images.limits import ImageLimits

    limits = ImageLimits(max_pixels=200_000)

    def open_input(data: bytes) -> None:
        try:
            if identify(data) == file_format:
                open_image(data, limits, side=16)
        except SampleError:
            pass

    atheris.Setup([sys.argv[0], *options], open_input)
    atheris.Fuzz()


def fuzz(file_format: str, seconds: int, findings: Path) -> bool:
    """Fuzz one format in a process of its own, and print a line about it.

    Returns:
        Whether no input was found that fails.
    """
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(file_format)):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={TIMEOUT_S}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-max_len={MAX_SEED_BYTES}",
            f"-artifact_prefix={findings}/{file_format}-",
            corpus,
        ]
        command = [sys.executable, __file__, "--here", file_format, *options]
        done = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S603 - this script
        log = done.stderr.decode(errors="replace")
        inputs, lines = _STATUS.findall(log)[-1] if _STATUS.search(log) else ("0", "0")
        outcome = log[-2_000:] if done.returncode else "nothing found"
        print(f"{file_format:5}{int(inputs):>10,} inputs, {lines} branches: {outcome}", flush=True)
        return not done.returncode


def main() -> None:
    """Fuzz the formats one after another."""
    if sys.argv[1:2] == ["--here"]:
        fuzz_here(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(FORMATS)}; all by default")
    parser.add_argument("--seconds", type=int, default=600, help="for each format")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for inputs that fail")
    options = parser.parse_args()
    options.findings.mkdir(exist_ok=True)
    clean = [fuzz(file_format, options.seconds, options.findings) for file_format in options.formats or FORMATS]
    sys.exit(not all(clean))


if __name__ == "__main__":
    main()
