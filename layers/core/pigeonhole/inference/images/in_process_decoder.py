"""The ImageDecoder that decodes in this process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.images.decode import cut_views, open_image
from pigeonhole.inference.images.decoder import Fit
from pigeonhole.inference.images.limits import ImageLimits

Pixels = npt.NDArray[np.uint8]


def make_views(fit: Fit, image: Image.Image, *, every_part: bool) -> Pixels:
    """Cut an image to the model's input, as ImageDecoder says."""
    return np.stack([np.asarray(view) for view in cut_views(fit, image, every_part=every_part)])


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
