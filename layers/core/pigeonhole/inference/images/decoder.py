"""The port between an image's bytes and the model's input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the service needs no Pillow, and the processes that decode need no numpy
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Pixels = npt.NDArray[np.uint8]

Fit = Callable[["Image.Image"], "Image.Image"]  # an encoder's `fit`: an RGB image of any size -> (side, side)


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
