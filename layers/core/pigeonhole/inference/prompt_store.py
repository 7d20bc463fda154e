"""Prompt embeddings on S3, so that a process that starts needn't encode the labels that another process has encoded.

An object holds the embeddings of all prompts of a request: they are read in one call, and most requests have the labels of
earlier ones. Lists that are encoded faster than S3 answers aren't stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from pigeonhole.errors import Overloaded
from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.object_keys import prompts_key
from pigeonhole.ports import ObjectStore

# The number of tokens, padding included, from which on prompts are stored. ViT-B/32's text tower takes 0.4 s of a core for so
# many. A PUT costs as much as 0.2 s of a function with one core, and a process takes up to 0.3 s for its first call of S3.
MIN_TOKENS = 1_000


@dataclass(frozen=True)
class PromptStore:
    """The stored prompt embeddings of all tenants. Thread-safe.

    Attributes:
        objects: The store of the embeddings.
    """

    objects: ObjectStore

    def of_tenant(self, tenant_id: str) -> TenantPrompts:
        """Return the stored prompt embeddings of a tenant, for one request."""
        return TenantPrompts(self.objects, tenant_id)


@dataclass(frozen=True)
class TenantPrompts:
    """The stored prompt embeddings of a tenant, as one request uses them. For one thread.

    Attributes:
        objects: The store of the embeddings.
        tenant_id: The tenant.
    """

    objects: ObjectStore
    tenant_id: str
    _unsaved: dict[str, Floats] = field(default_factory=dict, repr=False)

    def embed(
        self, encoder: Encoder, encode: Callable[[Sequence[str]], Floats], prompts: Sequence[str], missing: Sequence[str]
    ) -> Floats:
        """Read the embeddings of prompts, or encode the prompts.

        Args:
            encoder: The text encoder.
            encode: Encodes prompts with it, (n,) texts -> (n, dim) float32.
            prompts: All prompts of the request. Their order makes no difference.
            missing: The prompts to embed, some or all of these.

        Returns:
            The embeddings of the missing prompts, (n, dim) float32.
        """
        if _count_tokens(encoder, missing) < MIN_TOKENS:
            return encode(missing)
        info, ordered = encoder.info, sorted(set(prompts))
        object_key = prompts_key(self.tenant_id, info.revision, info.engine, ordered)
        rows = {prompt: row for row, prompt in enumerate(ordered)}
        stored = self._read(object_key, len(ordered), info.dim)
        if stored is not None:
            return stored[[rows[prompt] for prompt in missing]]
        vectors = encode(missing)
        if len(missing) == len(ordered):
            self._unsaved[object_key] = vectors[np.argsort([rows[prompt] for prompt in missing])]
        return vectors

    def save(self) -> None:
        """Store what was encoded, unless S3 is too busy. It is called when nothing waits for the embeddings any more."""
        while self._unsaved:
            object_key, vectors = self._unsaved.popitem()
            with suppress(Overloaded):  # The next process encodes the prompts again.
                self.objects.put(object_key, vectors.astype("<f4").tobytes(), "application/octet-stream")

    def _read(self, object_key: str, count: int, dim: int) -> Floats | None:
        data = None
        with suppress(Overloaded):  # The prompts are encoded again.
            data = self.objects.get(object_key)
        if data is None or len(data) != count * dim * 4:
            return None
        return np.frombuffer(data, dtype="<f4").reshape(count, dim)


def _count_tokens(encoder: Encoder, prompts: Sequence[str]) -> int:
    if encoder.info.pads_texts:
        return len(prompts) * encoder.info.max_text_tokens
    return sum(encoder.count_tokens(prompts))
