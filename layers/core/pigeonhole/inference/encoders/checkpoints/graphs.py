"""The towers as torch modules, from raw input to unit embeddings. The torch engine runs them, and they are exported to ONNX."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import interpolate, normalize

from pigeonhole.inference.encoders.artifact import ImageSpec


class ImageGraph(torch.nn.Module):
    """Encodes images, (n, side, side, 3) uint8 -> unit embeddings, (n, dim) float32. It also rescales and normalises pixels."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, features: torch.nn.Module, spec: ImageSpec) -> None:
        """Add the preparation of pixels to a module that computes features."""
        super().__init__()
        self.features = features
        mean, std = torch.tensor(spec.mean).view(1, 3, 1, 1), torch.tensor(spec.std).view(1, 3, 1, 1)
        # (x / 255 - mean) / std
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode images."""
        values = pixels.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        return normalize(self.features(values), dim=-1)


class ImageFeatures(torch.nn.Module):
    """The image side of an image-text model of transformers."""

    def __init__(self, model: Any) -> None:
        """Wrap a model of transformers."""
        super().__init__()
        self.model = model

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute the features of normalised pixels, (n, 3, side, side) float32 -> (n, dim) float32."""
        features: torch.Tensor = self.model.get_image_features(pixel_values=values).pooler_output
        return features


class ProjectedVision(torch.nn.Module):
    """The image side of the bundled model (training/tower.py's ImageTower): a vision model of transformers and a projection."""

    anchors: torch.Tensor | None
    anchors_shift: torch.Tensor

    def __init__(
        self, vision: Any, width: int, dim: int, reads_at: int, *, mirrored: bool, anchors: int = 0, sharpness: float = 1.0
    ) -> None:
        """Create a tower with empty weights.

        Args:
            vision: The vision model of transformers.
            width: The length of its features.
            dim: The length of an embedding.
            reads_at: The side in pixels to which images are enlarged first.
            mirrored: Whether the embedding is the mean of those of the image and its mirror image, which takes twice the time.
            anchors: The number of texts towards which an embedding is moved.
            sharpness: The factor of the cosines with these texts in a softmax.
        """
        super().__init__()
        self.reads_at, self.mirrored, self.sharpness = reads_at, mirrored, sharpness
        self.vision = vision
        self.projection = torch.nn.Linear(width, dim, bias=False)
        self.register_buffer("anchors", torch.zeros(anchors, dim) if anchors else None)
        self.register_buffer("anchors_shift", torch.zeros(dim) if anchors else None)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute the features of normalised pixels, (n, 3, side, side) float32 -> (n, dim) float32."""
        if values.shape[-1] != self.reads_at:
            values = interpolate(values, size=(self.reads_at, self.reads_at), mode="bilinear")
        features = self._features(values)
        if self.mirrored:
            features = normalize(features, dim=-1) + normalize(self._features(values.flip(-1)), dim=-1)
        return features if self.anchors is None else self._move_to_anchors(normalize(features, dim=-1), self.anchors)

    def _move_to_anchors(self, vectors: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """Move unit embeddings towards the texts that they resemble. training/anchors.py has the formula and its source."""
        shares = (self.sharpness * vectors @ anchors.T).softmax(dim=-1)
        return vectors + normalize(shares @ anchors, dim=-1) - self.anchors_shift

    def _features(self, values: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.projection(self.vision(values).pooler_output.flatten(1))
        return features


class MaskedText(torch.nn.Module):
    """The text side of an image-text model of transformers.

    It encodes token ids and mask, (n, length) int64 each -> unit embeddings, (n, dim) float32.
    """

    def __init__(self, model: Any) -> None:
        """Wrap a model of transformers."""
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode token ids."""
        return normalize(self.model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output, dim=-1)


class PaddedText(torch.nn.Module):
    """The text side of SigLIP, which was trained to read its padding.

    It encodes token ids, (n, length) int64 -> unit embeddings, (n, dim) float32.
    """

    def __init__(self, model: Any) -> None:
        """Wrap a model of transformers."""
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Encode token ids."""
        return normalize(self.model.get_text_features(input_ids=ids).pooler_output, dim=-1)


class MeanText(torch.nn.Module):
    """A sentence encoder: the mean over the tokens of a BERT.

    It encodes token ids and mask, (n, length) int64 each -> unit embeddings, (n, dim) float32.
    """

    def __init__(self, model: Any) -> None:
        """Wrap a model of transformers."""
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode token ids."""
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(states.dtype)
        return normalize((states * weight).sum(dim=1) / weight.sum(dim=1), dim=-1)


class SentenceModules(torch.nn.Module):
    """The modules of a text model of sentence-transformers.

    It encodes token ids and mask, (n, length) int64 each -> unit embeddings, (n, dim) float32.
    """

    def __init__(self, model: Any, dim: int, prompt_length: int) -> None:
        """Wrap a model.

        Args:
            model: The SentenceTransformer.
            dim: The length of an embedding.
            prompt_length: The number of tokens up to the end of the prefix. Some models leave them out of the pooling.
        """
        super().__init__()
        self.model = model
        self.dim, self.prompt_length = dim, prompt_length

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode token ids."""
        features = {"input_ids": ids, "attention_mask": mask}
        if self.prompt_length:
            features["prompt_length"] = torch.tensor([self.prompt_length])
        # The shape is known here, but lost in the exported graph of some poolings.
        return normalize(self.model(features)["sentence_embedding"].reshape(-1, self.dim), dim=-1)


TextGraph = MaskedText | PaddedText | MeanText | SentenceModules
