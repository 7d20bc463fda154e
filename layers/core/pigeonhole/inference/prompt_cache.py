"""A cache of prompt embeddings, which requests with the same labels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock

from cachetools import LRUCache

from pigeonhole.inference.scoring.calibration import Floats

Key = tuple[str, str]  # the revision of the encoder, and the prompt


class PromptCache:
    """Stores prompt embeddings by model revision and prompt, and drops the least recently used. Thread-safe."""

    def __init__(self, *, size: int) -> None:
        """Create an empty cache for `size` embeddings."""
        self._entries: LRUCache[Key, Floats] = LRUCache(maxsize=size)
        self._pending: dict[Key, Future[Floats]] = {}
        self._lock = Lock()

    def embed(self, revision: str, encode: Callable[[Sequence[str]], Floats], prompts: Sequence[str]) -> dict[str, Floats]:
        """Embed prompts. Only prompts that the cache lacks are encoded, each once.

        A prompt that another thread encodes at this time isn't encoded again. This call waits for the other thread.

        Args:
            revision: The revision of the encoder.
            encode: Encodes prompts, (n,) texts -> (n, dim) float32.
            prompts: The prompts.

        Returns:
            The embedding of each prompt, (dim,) float32.
        """
        keys = {prompt: (revision, prompt) for prompt in prompts}
        with self._lock:
            embedded = {prompt: self._entries[key] for prompt, key in keys.items() if key in self._entries}
            awaited = {prompt: self._pending[key] for prompt, key in keys.items() if key in self._pending}
            missing = [prompt for prompt in keys if prompt not in embedded and prompt not in awaited]
            claimed: dict[Key, Future[Floats]] = {keys[prompt]: Future() for prompt in missing}
            self._pending |= claimed
        if missing:
            # What is claimed is encoded before anything is awaited, so two threads never wait for each other.
            embedded |= dict(zip(missing, self._encode(claimed, encode, missing), strict=True))
        return embedded | {prompt: future.result() for prompt, future in awaited.items()}

    def _encode(
        self, claimed: dict[Key, Future[Floats]], encode: Callable[[Sequence[str]], Floats], prompts: Sequence[str]
    ) -> Floats:
        """Encode claimed prompts, and give the embeddings, or the error, to the threads that wait for them."""
        try:
            vectors = encode(prompts)
        except BaseException as error:
            self._end(claimed, {})
            for future in claimed.values():
                future.set_exception(error)
            raise
        self._end(claimed, dict(zip(claimed, vectors, strict=True)))
        for future, vector in zip(claimed.values(), vectors, strict=True):
            future.set_result(vector)
        return vectors

    def _end(self, claimed: dict[Key, Future[Floats]], entries: dict[Key, Floats]) -> None:
        with self._lock:
            self._entries.update(entries)
            for key in claimed:
                del self._pending[key]
