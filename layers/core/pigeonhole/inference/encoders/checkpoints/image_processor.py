"""Read how an image processor of transformers makes a model's input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.encoders.preprocess import RESAMPLE

_NAMES = {number: name for name, number in RESAMPLE.items()}


def parse_image_spec(processor: Mapping[str, Any]) -> ImageSpec:
    """Read the settings of an image processor of transformers.

    Args:
        processor: The content of preprocessor_config.json, with defaults filled in.

    Raises:
        ValueError: The result of the processor isn't a plain square.
    """
    if not processor.get("do_resize"):
        raise ValueError("its image processor doesn't resize")
    size, crop = processor["size"], processor.get("crop_size") if processor.get("do_center_crop") else None
    edge = size.get("shortest_edge") if isinstance(size, Mapping) else None
    height, width = (size.get("height"), size.get("width")) if isinstance(size, Mapping) else (None, None)
    resize: Literal["shortest_edge", "squash"]
    if edge and crop and crop["height"] == crop["width"] <= edge:
        resize, side = "shortest_edge", crop["height"]
    elif height and height == width and crop in (None, {"height": height, "width": width}):
        resize, side, edge = "squash", height, height
    else:
        raise ValueError(f"its image processor doesn't make squares: size {size}, crop {crop}")
    if processor.get("do_pad"):
        raise ValueError("its image processor pads, which isn't supported")
    resample = _NAMES.get(int(processor["resample"]))
    if resample is None:
        raise ValueError(f"its image processor resamples by method {processor['resample']}, not one of {_NAMES}")
    mean, std = np.zeros(3), np.ones(3)
    if processor.get("do_normalize"):
        mean, std = np.array(processor["image_mean"], dtype=float), np.array(processor["image_std"], dtype=float)
    # (x * factor - mean) / std, written for x / 255
    factor = 255 * float(processor["rescale_factor"]) if processor.get("do_rescale") else 255.0
    return ImageSpec(
        side=int(side),
        resize=resize,
        edge=int(edge),
        resample=resample,
        mean=_per_channel(mean / factor),
        std=_per_channel(std / factor),
    )


def _per_channel(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    if values.shape != (3,):
        raise ValueError(f"its image processor normalises {values.size} channels, not three")
    red, green, blue = values.tolist()
    return red, green, blue
