"""The real photos that the scikit-image and scikit-learn wheels carry: what both benchmarks run on."""

from __future__ import annotations

from pathlib import Path

import skimage
import sklearn.datasets

PACKAGED = Path(skimage.__file__).parent / "data"
PHOTOS = [
    *(PACKAGED / name for name in ("chelsea.png", "coffee.png", "motorcycle_left.png", "astronaut.png", "rocket.jpg")),
    *(Path(sklearn.datasets.__file__).parent / "images" / name for name in ("flower.jpg", "china.jpg")),
]
