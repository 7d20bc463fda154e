"""The limits of one image. The service reads this without Pillow, which only the processes that decode import."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.errors import TooLarge

MAX_SQUARES = 4  # of a long image
# Their codecs take longer, the more the more bytes a picture has: 2.5 s for 50 megapixels of noise in HEIC.
HEIF_CPU_FACTOR = 2


@dataclass(frozen=True)
class ImageLimits:
    """The limits of one image.

    Attributes:
        max_bytes: The size of the file.
        max_pixels: Width times height, as the header of the file has them.
        max_cpu_s: The CPU time of decoding, which DecodePool limits. HEIF and AVIF have HEIF_CPU_FACTOR times as much.
        max_memory_bytes: The memory of decoding, which DecodePool limits on Linux.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    max_cpu_s: float = 3.0
    max_memory_bytes: int = 700_000_000

    def cpu_s(self, data: bytes) -> float:
        """Return the CPU time that decoding a file may take."""
        return self.max_cpu_s * (HEIF_CPU_FACTOR if data[4:8] == b"ftyp" else 1)


class OutOfMemory(TooLarge):
    """There isn't enough memory to decode the image. What the decoder has allocated may not be free again."""

    def __init__(self, limits: ImageLimits) -> None:
        """Create an error that names the limit."""
        super().__init__(f"the image takes more than {limits.max_memory_bytes / 1e6:g} MB to decode; send a smaller one")
