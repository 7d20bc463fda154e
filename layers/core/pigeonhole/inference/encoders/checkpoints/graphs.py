"""The towers as torch modules, from raw input to unit embeddings. The torch engine runs them, and they are exported to ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import normalize

from pigeonhole.inference.encoders.checkpoints.universal_sentence_encoder import UniversalSentenceEncoder
from pigeonhole.inference.encoders.image_spec import ImageSpec


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


class ClipImageFeatures(torch.nn.Module):
    """The image side of CLIP. ImageFeatures gives the same, and runs the last layer for tokens that aren't read."""

    def __init__(self, model: Any) -> None:
        """Wrap a CLIPModel of transformers."""
        super().__init__()
        self.model = model

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute the features of normalised pixels, (n, 3, side, side) float32 -> (n, dim) float32."""
        vision = self.model.vision_model
        states = vision.pre_layrnorm(vision.embeddings(values))
        class_token = encode_read_tokens(vision.encoder.layers, states, slice(1))[:, 0]
        features: torch.Tensor = self.model.visual_projection(vision.post_layernorm(class_token))
        return features


def encode_read_tokens(
    layers: Sequence[Any], states: torch.Tensor, read: slice | torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Run the layers of a CLIP tower, the last one only for the tokens whose states are read.

    In the last layer, the other tokens are keys and values only. In ViT-B/32's image tower, which reads one token of 50, that
    leaves out 7 % of the work.

    Args:
        layers: CLIPEncoderLayers of transformers.
        states: The input of the first layer, (n, tokens, width).
        read: The tokens that are read, the same ones for all n: a slice, or their indices, (read tokens,).
        mask: What is added to the logits of attention, (tokens, tokens): 0, or the lowest number where a token (row) doesn't
            see another one (column). None if all tokens see each other.

    Returns:
        The states of the tokens that are read, (n, read tokens, width).
    """
    *first, last = layers
    for layer in first:
        states = layer(states, None if mask is None else mask[None, None])
    attention, normed = last.self_attn, last.layer_norm1(states)

    def to_heads(rows: torch.Tensor) -> torch.Tensor:
        return rows.reshape(*rows.shape[:2], -1, attention.head_dim).transpose(1, 2)

    queries, keys, values = attention.q_proj(normed[:, read]), attention.k_proj(normed), attention.v_proj(normed)
    logits = to_heads(queries) @ to_heads(keys).transpose(-1, -2) * attention.scale
    shares = (logits if mask is None else logits + mask[read]).softmax(dim=-1)
    seen = (shares @ to_heads(values)).transpose(1, 2).flatten(2)
    attended = states[:, read] + attention.out_proj(seen)
    output: torch.Tensor = attended + last.mlp(last.layer_norm2(attended))
    return output


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


class CausalText(torch.nn.Module):
    """The text side of CLIP for a TokenTree: unit embeddings of its texts, (texts, dim) float32.

    MaskedText gives the same embeddings, one row of tokens for each text.
    """

    def __init__(self, model: Any) -> None:
        """Wrap a model of transformers whose text model is a CLIPTextModel."""
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, sees: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Encode the nodes of a tree, and read the states at its ends."""
        text = self.model.text_model
        embeddings = text.embeddings
        # Its `forward` takes no more tokens than there are positions.
        states = (embeddings.token_embedding(ids) + embeddings.position_embedding(positions))[None]
        mask = torch.where(sees, 0.0, torch.finfo(states.dtype).min)
        end_states = encode_read_tokens(text.encoder.layers, states, ends, mask)[0]
        return normalize(self.model.text_projection(text.final_layer_norm(end_states)), dim=-1)


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


class EntailmentOdds(torch.nn.Module):
    """A cross-encoder for natural language inference.

    It reads token ids, mask and token types of pairs, (n, length) int64 each -> the log-odds of entailment, (n, 1) float32:
    log p(entailment) - log p(any other class).
    """

    def __init__(self, model: Any, entailment: int) -> None:
        """Wrap a model of transformers.

        Args:
            model: The model.
            entailment: The index of the class entailment.
        """
        super().__init__()
        self.model = model
        self.entailment = entailment
        self.others = [index for index in range(model.config.num_labels) if index != entailment]
        # Models such as RoBERTa have one type of token and ignore the types, and a DeBERTa-v3 has none.
        self.reads_types = getattr(model.config, "type_vocab_size", 0) > 1

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """Read pairs."""
        further = {"token_type_ids": types} if self.reads_types else {}
        logits = self.model(input_ids=ids, attention_mask=mask, **further).logits
        odds: torch.Tensor = logits[:, self.entailment] - logits[:, self.others].logsumexp(dim=1)
        return odds.reshape(-1, 1)


TextGraph = MaskedText | PaddedText | MeanText | SentenceModules | UniversalSentenceEncoder
