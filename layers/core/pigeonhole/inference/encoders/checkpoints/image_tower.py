"""The bundled kind of image tower: it puts photos into the text space by what a classifier of ImageNet sees in them.

An embedding is the weighted sum of three parts. The first two are unit vectors, the third has the length that it has:

- classes: the mean text embedding of the classes that the photo may show, by their probability (ConSE, Norouzi et al. 2014,
  arXiv 1312.5650). A trained network of two layers corrects the classifier's logits.
- regression: a linear map of the features. training/pretrained_parts.py has its source.
- correction: another linear map, trained on photos. It is short for a photo that is unlike those.

The tensors of model.safetensors have the names of the modules here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import Linear, Module
from torch.nn.functional import gelu, normalize

from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints.efficientnet import EfficientNetLite
from pigeonhole.inference.encoders.tokens import Embeddings

CLASS_EMBEDDINGS, GENERIC_PHOTOS = "class_embeddings", "generic_photos"


@dataclass(frozen=True)
class Recipe:
    """How the parts are combined, from config.json.

    Attributes:
        weights: The weight of each part in the sum. A part that isn't named has none.
        class_temperature: The divisor of the logits before their softmax.
        best_classes: The number of classes with the highest logits that count.
    """

    weights: Mapping[str, float]
    class_temperature: float
    best_classes: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Read config.json.

        Raises:
            KeyError: A setting is missing.
            ValueError: A setting has another type, or names no part.
        """
        weights = {str(name): float(weight) for name, weight in dict(config["weights"]).items()}
        if not weights or not weights.keys() <= PARTS.keys():
            raise ValueError(f"`weights` must name some of the parts {', '.join(PARTS)}")
        return cls(weights, float(config["class_temperature"]), int(config["best_classes"]))


class ImageTower(Module):
    """Computes embeddings of normalised pixels, (n, 3, side, side) float32 -> (n, dim) float32. Their lengths differ from 1."""

    def __init__(self, backbone: EfficientNetLite, tensors: Mapping[str, torch.Tensor], recipe: Recipe) -> None:
        """Create a tower.

        Args:
            backbone: The classifier of ImageNet.
            tensors: The content of model.safetensors, in float32.
            recipe: How the parts are combined.

        Raises:
            KeyError: A tensor of a part is missing.
        """
        super().__init__()
        self.backbone = backbone
        self.weights = dict(recipe.weights)
        self._generic_photos = tensors.get(GENERIC_PHOTOS)
        self.parts = torch.nn.ModuleDict({name: PARTS[name](tensors, recipe) for name in self.weights})

    @property
    def class_embeddings(self) -> Embeddings | None:
        """The text embeddings of ImageNet's classes, (classes, dim) float32. None if the tower doesn't use them."""
        parts = [part for part in self.parts.values() if isinstance(part, Classes)]
        return parts[0].embeddings.numpy() if parts else None

    @property
    def generic_photos(self) -> Embeddings | None:
        """The tower's embeddings of photos of many kinds, (photos, dim) float32. None if the model brings none."""
        return None if self._generic_photos is None else normalize(self._generic_photos, dim=1).numpy()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute embeddings."""
        features = self.backbone.features(values)
        logits = self.backbone.logits(features)
        parts = [self.weights[name] * part(features, logits) for name, part in self.parts.items()]
        return torch.stack(parts).sum(dim=0)


class Classes(Module):
    """The text embeddings of the likeliest classes, weighted by their probabilities."""

    embeddings: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor], recipe: Recipe) -> None:
        """Read the text embeddings of the classes, (classes, dim), and the adapter of the logits, if there is one."""
        super().__init__()
        self.register_buffer("embeddings", tensors[CLASS_EMBEDDINGS])
        self.temperature, self.best = recipe.class_temperature, recipe.best_classes
        self.adapter = Adapter(tensors) if "adapter.in.weight" in tensors else None

    def forward(self, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Compute the part's unit vectors, (n, dim) float32."""
        if self.adapter is not None:
            logits = logits + self.adapter(features)
        return embed_likely_classes(logits, self.embeddings, self.best, self.temperature)


def embed_likely_classes(logits: torch.Tensor, embeddings: torch.Tensor, best: int, temperature: float) -> torch.Tensor:
    """Average the embeddings of the likeliest classes by their probabilities (ConSE).

    Args:
        logits: Of each class, (n, classes) float32.
        embeddings: Of each class, (classes, dim) float32.
        best: The number of classes with the highest logits that count.
        temperature: The divisor of the logits before their softmax.

    Returns:
        Unit vectors, (n, dim) float32.
    """
    lowest = logits.topk(best, dim=-1).values[:, -1:]
    shares = logits.masked_fill(logits < lowest, float("-inf")).div(temperature).softmax(dim=-1)
    return normalize(shares @ embeddings, dim=-1)


class Adapter(Module):
    """Two trained layers over the features, which are centred and scaled: what to add to the classifier's logits."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Read mean and scale, (features,), and the layers: features -> hidden units -> classes."""
        super().__init__()
        self.register_buffer("mean", tensors["feature_mean"])
        self.register_buffer("scale", tensors["feature_scale"])
        self.into, self.out = (_linear(tensors, f"adapter.{name}") for name in ("in", "out"))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Compute what to add, (n, classes) float32."""
        change: torch.Tensor = self.out(gelu(self.into((features - self.mean) / self.scale)))
        return change


class LinearMap(Module):
    """A linear map of the features, less their mean."""

    mean: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor], name: str) -> None:
        """Read the mean, (features,), and the matrix, (features, dim)."""
        super().__init__()
        self.register_buffer("mean", tensors["feature_mean"])
        self.register_buffer("matrix", tensors[name])

    def forward(self, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Compute the part's vectors, (n, dim) float32."""
        return (features - self.mean) @ self.matrix


class Regression(LinearMap):
    """The map that was fitted without photos, as unit vectors."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], recipe: Recipe) -> None:
        """Read the map."""
        super().__init__(tensors, "regression")

    def forward(self, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Compute the part's unit vectors, (n, dim) float32."""
        return normalize(super().forward(features, logits), dim=-1)


class Correction(LinearMap):
    """The map that was fitted to photos."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], recipe: Recipe) -> None:
        """Read the map."""
        super().__init__(tensors, "correction")


PARTS: dict[str, type[Classes | Regression | Correction]] = {
    "classes": Classes,
    "regression": Regression,
    "correction": Correction,
}


def load(paths: list[Path], config: Mapping[str, Any], backbone: EfficientNetLite, dim: int) -> ImageTower:
    """Load a tower.

    Args:
        paths: The files of its weights.
        config: The content of its config.json.
        backbone: The classifier of ImageNet.
        dim: The length of an embedding.

    Raises:
        ModelUnavailable: The weights and the settings don't fit together.
    """
    try:
        tensors = {name: value.float() for path in paths for name, value in load_file(path).items()}
        tower = ImageTower(backbone, tensors, Recipe.from_config(config)).eval()
        with torch.inference_mode():
            shape = tuple(tower(torch.zeros(1, 3, 64, 64)).shape)
    except (KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"{paths[0].parent}: its weights don't fit its config.json: {error}") from None
    if shape != (1, dim):
        raise ModelUnavailable(f"{paths[0].parent}: its embeddings have another length than those of the sentence encoder")
    return tower


def _linear(tensors: Mapping[str, torch.Tensor], name: str) -> Linear:
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    layer = Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer
