"""The port between an image's bytes and the model's input, and its implementation in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.images.decode import ImageLimits, open_image, squares

Pixels = npt.NDArray[np.uint8]
Fit = Callable[[Image.Image], Pixels]  # an encoder's `fit`: an RGB image of any size -> (side, side, 3)


class ImageDecoder(Protocol):
    """Decodes files to the model's input. Thread-safe."""

    def decode(self, data: bytes, *, every_part: bool = False) -> Pixels:
        """Decode one file.

        Args:
            data: The bytes of the file.
            every_part: Whether to add the squares of a long image, because several labels may be right.

        Returns:
            The views, (views, side, side, 3) uint8. The first view is the model's own crop.

        Raises:
            SampleError: The file is no image, is broken, or is more expensive than the limits allow.
        """
        ...


def make_views(fit: Fit, image: Image.Image, *, every_part: bool) -> Pixels:
    """Cut an image to the model's input, as ImageDecoder says."""
    return np.stack([fit(image), *(map(fit, squares(image)) if every_part else ())])


@dataclass(frozen=True)
class InProcessDecoder:
    """Decodes in this process, where nothing ends a decoder that takes too long. For files of the operator, and for tests.

    Attributes:
        fit: Cuts an image to the model's input.
        limits: The limits of one image.
        side: The side in pixels of the model's input.
    """

    fit: Fit
    limits: ImageLimits
    side: int

    def decode(self, data: bytes, *, every_part: bool = False) -> Pixels:
        """Decode one file, as ImageDecoder says."""
        return make_views(self.fit, open_image(data, self.limits, side=self.side), every_part=every_part)
