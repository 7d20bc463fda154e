"""How an image becomes a model's input. The processes that decode images read this, and start without pydantic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Resample = Literal["lanczos", "bilinear", "bicubic"]


@dataclass(frozen=True)
class ImageSpec:
    """How an image becomes the model's input.

    Attributes:
        side: The side in pixels of the model's square input.
        resize: "shortest_edge" scales the shorter side to `edge` pixels and cuts out the centre square of `side` pixels.
            "squash" scales both sides to `side` pixels, whatever the shape.
        edge: The length in pixels of the shorter side after scaling.
        resample: The filter of the scaling.
        mean: The mean per channel, of values in 0..1.
        std: The standard deviation per channel, of values in 0..1.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # where artifact.py reads it

    side: int
    resize: Literal["shortest_edge", "squash"]
    edge: int
    resample: Resample
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
