"""Store the images of label sets by their content, and the embedding of each image by each model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from pigeonhole.contract.commands import S3Grant, StoreLabelImagesCommand
from pigeonhole.errors import Overloaded, SampleError, catch_sample_error, raise_sample_errors
from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.images.decoder import ImageDecoder
from pigeonhole.inference.images.fetch import ByteBudget, ImageFetcher
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.object_keys import embedding_key, label_image_key, label_images_grant
from pigeonhole.ports import ObjectStore

Pixels = npt.NDArray[np.uint8]

BATCH = 8  # images embedded at once
CACHED_EMBEDDINGS = 1_024  # embeddings of stored images in memory


@dataclass(frozen=True, kw_only=True)
class LabelImageStore:
    """Stores the images of all tenants' label sets. Thread-safe.

    Attributes:
        objects: The store of images and embeddings.
        bucket: The bucket of `objects`.
        image_fetcher: Reads the bytes of images.
        decoder: Decodes images for the encoder.
        encoder: The image-text encoder.
        implicit_grants: Returns what a tenant may name by `s3://` without a grant.
        limits: The limits of a command.
    """

    objects: ObjectStore
    bucket: str
    image_fetcher: ImageFetcher
    decoder: ImageDecoder
    encoder: Encoder
    implicit_grants: Callable[[str], Sequence[S3Grant]]
    limits: ChunkLimits
    _cache: LRUCache[str, Floats] = field(init=False, default_factory=lambda: LRUCache(maxsize=CACHED_EMBEDDINGS), repr=False)
    _lock: Lock = field(init=False, default_factory=Lock, repr=False)

    def store(self, command: StoreLabelImagesCommand) -> list[str]:
        """Fetch, decode, store and embed images, each distinct image once.

        Returns:
            The S3 address of each stored image, in the order of the command.

        Raises:
            SampleError: An image can't be read. The details name every such image, and no image is stored.
            Overloaded: S3 is too busy.
        """
        budget = ByteBudget(total=self.limits.request_bytes, per_item=self.limits.image.max_bytes)
        grants = (*command.grants, *self.implicit_grants(command.tenant_id))
        values = list(dict.fromkeys(command.values))
        with (
            ThreadPoolExecutor(min(self.limits.fetches, len(values)), thread_name_prefix="fetch") as fetch_pool,
            ThreadPoolExecutor(self.limits.decodes, thread_name_prefix="decode") as decode_pool,
        ):
            fetch = partial(self.image_fetcher.fetch, grants=grants, budget=budget)
            fetched = dict(
                zip(values, fetch_pool.map(lambda value: catch_sample_error(partial(fetch, value)), values), strict=True)
            )
            decoded = dict(zip(values, decode_pool.map(self._decode_if_fetched, fetched.values()), strict=True))
            raise_sample_errors((path, decoded[value]) for path, value in zip(command.paths, command.values, strict=True))
            files = {value: data for value, data in fetched.items() if not isinstance(data, SampleError)}
            addresses = dict(zip(files, fetch_pool.map(partial(self._put_image, command), files.values()), strict=True))
            pixels = {addresses[value]: image for value, image in decoded.items() if not isinstance(image, SampleError)}
            self.embed(pixels)
        return [addresses[value] for value in command.values]

    def is_stored(self, value: str, tenant_id: str) -> bool:
        """Return whether a label's value is the address of one of the tenant's stored images."""
        return value.startswith(f"s3://{self.bucket}/{label_images_grant(tenant_id, self.bucket).prefix}")

    def read_embeddings(self, values: Collection[str]) -> dict[str, Floats]:
        """Read the embeddings of stored images by the loaded model.

        Args:
            values: The addresses of stored images.

        Returns:
            Embeddings by address, (dim,) float32. Images without an embedding are missing.
        """
        with self._lock:
            embeddings = {value: self._cache[value] for value in values if value in self._cache}
        missing = [value for value in values if value not in embeddings]
        if missing:
            with ThreadPoolExecutor(min(self.limits.fetches, len(missing)), thread_name_prefix="embedding") as pool:
                vectors = zip(missing, pool.map(self._get_embedding, missing), strict=True)
                stored = {value: vector for value, vector in vectors if vector is not None}
            self._add_to_cache(stored)
            embeddings |= stored
        return embeddings

    def embed(self, images: Mapping[str, Pixels]) -> dict[str, Floats]:
        """Embed stored images, and store the embeddings unless S3 is too busy.

        Args:
            images: The pixels from the encoder's `fit`, (side, side, 3) uint8, by the address of the stored image.

        Returns:
            Embeddings by address, (dim,) float32.
        """
        values = list(images)
        embeddings: dict[str, Floats] = {}
        for start in range(0, len(values), BATCH):
            batch = values[start : start + BATCH]
            vectors = self.encoder.encode_image(np.stack([images[value] for value in batch]))
            embeddings |= dict(zip(batch, vectors, strict=True))
        if embeddings:
            with ThreadPoolExecutor(min(self.limits.fetches, len(embeddings)), thread_name_prefix="embedding") as pool:
                list(pool.map(self._put_embedding, embeddings, embeddings.values()))
        self._add_to_cache(embeddings)
        return embeddings

    def _add_to_cache(self, embeddings: Mapping[str, Floats]) -> None:
        with self._lock:
            self._cache.update(embeddings)

    def _get_embedding(self, value: str) -> Floats | None:
        data = None
        with suppress(Overloaded):  # The caller embeds the image again.
            data = self.objects.get(self._embedding_key(value))
        return None if data is None else np.frombuffer(data, dtype="<f4")

    def _put_embedding(self, value: str, vector: Floats) -> None:
        with suppress(Overloaded):  # The next command with this image embeds it again.
            self.objects.put(self._embedding_key(value), vector.astype("<f4").tobytes(), "application/octet-stream")

    def _embedding_key(self, value: str) -> str:
        info = self.encoder.info
        return embedding_key(value.removeprefix(f"s3://{self.bucket}/"), info.revision, info.engine)

    def _decode_if_fetched(self, data: bytes | SampleError) -> Pixels | SampleError:
        return data if isinstance(data, SampleError) else catch_sample_error(partial(self._decode, data))

    def _decode(self, data: bytes) -> Pixels:
        return np.asarray(self.decoder.decode(data)[0])

    def _put_image(self, command: StoreLabelImagesCommand, data: bytes) -> str:
        object_key = label_image_key(command.tenant_id, command.label_set, hashlib.sha256(data).hexdigest())
        self.objects.put(object_key, data, "application/octet-stream")
        return f"s3://{self.bucket}/{object_key}"
