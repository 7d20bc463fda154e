"""A cache of prompt embeddings, which requests with the same labels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from cachetools import LRUCache

from pigeonhole.inference.scoring.calibration import Floats


class PromptCache:
    """Stores prompt embeddings by model revision and prompt, and drops the least recently used. Thread-safe."""

    def __init__(self, *, size: int) -> None:
        """Create an empty cache for `size` embeddings."""
        self._entries: LRUCache[tuple[str, str], Floats] = LRUCache(maxsize=size)
        self._lock = Lock()

    def embed(self, revision: str, encode: Callable[[Sequence[str]], Floats], prompts: Sequence[str]) -> dict[str, Floats]:
        """Embed prompts. Only prompts that the cache lacks are encoded, each once.

        Args:
            revision: The revision of the encoder.
            encode: Encodes prompts, (n,) texts -> (n, dim) float32.
            prompts: The prompts.

        Returns:
            The embedding of each prompt, (dim,) float32.
        """
        distinct = list(dict.fromkeys(prompts))
        with self._lock:
            embedded = {prompt: self._entries[revision, prompt] for prompt in distinct if (revision, prompt) in self._entries}
        missing = [prompt for prompt in distinct if prompt not in embedded]
        if missing:
            embedded.update(zip(missing, encode(missing), strict=True))
            with self._lock:
                for prompt in missing:
                    self._entries[revision, prompt] = embedded[prompt]
        return embedded
