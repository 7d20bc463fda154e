"""The towers as torch modules, from raw input to unit embeddings: what the torch engine runs and what gets exported."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import interpolate, normalize

from pigeonhole.inference.encoders.artifact import ImageSpec


class ImageGraph(torch.nn.Module):
    """uint8 (n, side, side, 3) -> float32 (n, dim), unit rows. Rescaling and normalising happen inside."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, features: torch.nn.Module, spec: ImageSpec) -> None:
        super().__init__()
        self.features = features
        mean, std = torch.tensor(spec.mean).view(1, 3, 1, 1), torch.tensor(spec.std).view(1, 3, 1, 1)
        # (x / 255 - mean) / std
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        return normalize(self.features(values), dim=-1)


class ImageFeatures(torch.nn.Module):
    """A transformers image-text model's image side."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.model.get_image_features(pixel_values=values).pooler_output
        return features


class ProjectedVision(torch.nn.Module):
    """The bundled model's image side (training/tower.py's ImageTower): a transformers vision model and a projection.

    `reads_at`: the side in pixels to which pictures are enlarged first; `mirrored`: whether a picture's embedding is the mean
    of its own and its mirror image's, which costs twice the time; `anchors`: how many texts its embedding is then drawn
    towards, by a softmax over `sharpness` times the cosines with them.
    """

    anchors: torch.Tensor | None
    anchors_shift: torch.Tensor

    def __init__(
        self, vision: Any, width: int, dim: int, reads_at: int, *, mirrored: bool, anchors: int = 0, sharpness: float = 1.0
    ) -> None:
        super().__init__()
        self.reads_at, self.mirrored, self.sharpness = reads_at, mirrored, sharpness
        self.vision = vision
        self.projection = torch.nn.Linear(width, dim, bias=False)
        self.register_buffer("anchors", torch.zeros(anchors, dim) if anchors else None)
        self.register_buffer("anchors_shift", torch.zeros(dim) if anchors else None)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if values.shape[-1] != self.reads_at:
            values = interpolate(values, size=(self.reads_at, self.reads_at), mode="bilinear")
        features = self._features(values)
        if self.mirrored:
            features = normalize(features, dim=-1) + normalize(self._features(values.flip(-1)), dim=-1)
        return features if self.anchors is None else self._drawn(normalize(features, dim=-1), self.anchors)

    def _drawn(self, vectors: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """Draw unit embeddings towards the texts of what they look like: training/anchors.py has the formula and its source."""
        shares = (self.sharpness * vectors @ anchors.T).softmax(dim=-1)
        return vectors + normalize(shares @ anchors, dim=-1) - self.anchors_shift

    def _features(self, values: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.projection(self.vision(values).pooler_output.flatten(1))
        return features


class MaskedText(torch.nn.Module):
    """A transformers image-text model's text side: ids and mask, int64 (n, length) each -> float32 (n, dim), unit rows."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return normalize(self.model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output, dim=-1)


class PaddedText(torch.nn.Module):
    """The text side of SigLIP, which was trained to read its padding: ids, int64 (n, length) -> float32 (n, dim), unit rows."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return normalize(self.model.get_text_features(input_ids=ids).pooler_output, dim=-1)


class MeanText(torch.nn.Module):
    """A sentence encoder, the mean over a BERT's tokens: ids and mask, int64 (n, length) -> float32 (n, dim), unit rows."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(states.dtype)
        return normalize((states * weight).sum(dim=1) / weight.sum(dim=1), dim=-1)


TextGraph = MaskedText | PaddedText | MeanText
