"""The limits on what the classifier processes at once."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.inference.images.limits import ImageLimits


@dataclass(frozen=True)
class ChunkLimits:
    """The limits of one command.

    The default of `fetches` is the number of samples and labels of a full request. So slow hosts cost one time-out together,
    not one time-out after another.

    Attributes:
        image: The limits of one image.
        samples: The number of samples that are processed together.
        pairs: The number of pairs of sample and label prompt that a cross-encoder reads before a worker asks for the time.
        request_bytes: The bytes of all images of these samples and of the labels together.
        fetches: The number of images that are fetched at the same time.
        decodes: The number of images that are decoded at the same time.
    """

    image: ImageLimits
    samples: int = 32
    pairs: int = 64
    request_bytes: int = 256_000_000
    fetches: int = 56
    decodes: int = 2
