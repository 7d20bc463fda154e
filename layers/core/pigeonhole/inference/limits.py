"""How much the classifier takes on at a time."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.inference.images.decode import ImageLimits


@dataclass(frozen=True)
class ChunkLimits:
    """`samples`: how many are worked on at a time; `request_bytes`: all images of those, and of the labels, together;
    `fetches`, `decodes`: how many at a time.

    With as many fetches as a request has samples and labels, slow hosts cost one time-out and not one after another.
    """

    image: ImageLimits
    samples: int = 32
    request_bytes: int = 256_000_000
    fetches: int = 56
    decodes: int = 2
