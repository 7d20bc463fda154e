"""Images of label sets: kept by their content when a set is made, and embedded once for each model that looks at them."""

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

from pigeonhole.contract.messages import S3Grant, StoreLabelImagesCommand
from pigeonhole.errors import Overloaded, SampleError, or_error, raise_first
from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.images.fetch import ByteBudget, Sources
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.object_keys import embedding_key, label_image_key, label_images_grant
from pigeonhole.ports import ObjectStore

Pixels = npt.NDArray[np.uint8]

BATCH = 8  # images embedded at a time
REMEMBERED = 1_024  # embeddings of kept images


@dataclass(frozen=True, kw_only=True)
class LabelImageStore:
    """The kept images of all tenants. `bucket`: where `objects` keeps them; `decode`: bytes to what the model is shown, uint8
    (side, side, 3); `own_places`: where on S3 a tenant may point without a grant. Safe to use from several threads.
    """

    objects: ObjectStore
    bucket: str
    sources: Sources
    encoder: Encoder
    decode: Callable[[bytes], Pixels]
    own_places: Callable[[str], Sequence[S3Grant]]
    limits: ChunkLimits
    _remembered: LRUCache[str, Floats] = field(init=False, default_factory=lambda: LRUCache(maxsize=REMEMBERED), repr=False)
    _lock: Lock = field(init=False, default_factory=Lock, repr=False)

    def keep(self, command: StoreLabelImagesCommand) -> list[str]:
        """Fetch images, see that they can be read, keep and embed them, each distinct one once; the address of each.

        Raises the SampleError of the first that can't be had, with all of them as its details, and keeps none then; Overloaded.
        """
        budget = ByteBudget(total=self.limits.request_bytes, per_item=self.limits.image.max_bytes)
        grants = (*command.grants, *self.own_places(command.tenant_id))
        values = list(dict.fromkeys(command.values))
        with (
            ThreadPoolExecutor(min(self.limits.fetches, len(values)), thread_name_prefix="fetch") as fetching,
            ThreadPoolExecutor(self.limits.decodes, thread_name_prefix="decode") as decoding,
        ):
            read = partial(self.sources.read, grants=grants, budget=budget)
            fetched = dict(zip(values, fetching.map(lambda value: or_error(partial(read, value)), values), strict=True))
            shown = dict(zip(values, decoding.map(self._decoded, fetched.values()), strict=True))
            raise_first((path, shown[value]) for path, value in zip(command.paths, command.values, strict=True))
            made = {value: data for value, data in fetched.items() if not isinstance(data, SampleError)}
            addresses = dict(zip(made, fetching.map(partial(self._put, command), made.values()), strict=True))
            pixels = {addresses[value]: picture for value, picture in shown.items() if not isinstance(picture, SampleError)}
            self.embed(pixels)
        return [addresses[value] for value in command.values]

    def is_kept(self, value: str, tenant_id: str) -> bool:
        """Whether a label's value is the address of one of the tenant's kept images."""
        return value.startswith(f"s3://{self.bucket}/{label_images_grant(tenant_id, self.bucket).prefix}")

    def embeddings(self, values: Collection[str]) -> dict[str, Floats]:
        """What the loaded model made of kept images, float32 (dim,) each: of those that it is known to have looked at."""
        with self._lock:
            found = {value: self._remembered[value] for value in values if value in self._remembered}
        asked = [value for value in values if value not in found]
        if asked:
            with ThreadPoolExecutor(min(self.limits.fetches, len(asked)), thread_name_prefix="embedding") as pool:
                read = {value: it for value, it in zip(asked, pool.map(self._read, asked), strict=True) if it is not None}
            self._remember(read)
            found |= read
        return found

    def embed(self, pictures: Mapping[str, Pixels]) -> dict[str, Floats]:
        """Embed kept images, uint8 (side, side, 3) each as the encoder's `fit` gave them, and keep that if it can be kept."""
        values = list(pictures)
        made: dict[str, Floats] = {}
        for first in range(0, len(values), BATCH):
            part = values[first : first + BATCH]
            made |= dict(zip(part, self.encoder.encode_image(np.stack([pictures[value] for value in part])), strict=True))
        if made:
            with ThreadPoolExecutor(min(self.limits.fetches, len(made)), thread_name_prefix="embedding") as pool:
                list(pool.map(self._write, made, made.values()))
        self._remember(made)
        return made

    def _remember(self, made: Mapping[str, Floats]) -> None:
        with self._lock:
            self._remembered.update(made)

    def _read(self, value: str) -> Floats | None:
        data = None
        with suppress(Overloaded):  # then the image is embedded again
            data = self.objects.get(self._embedding_key(value))
        return None if data is None else np.frombuffer(data, dtype="<f4")

    def _write(self, value: str, vector: Floats) -> None:
        with suppress(Overloaded):  # then whoever needs it next embeds the image again
            self.objects.put(self._embedding_key(value), vector.astype("<f4").tobytes(), "application/octet-stream")

    def _embedding_key(self, value: str) -> str:
        return embedding_key(value.removeprefix(f"s3://{self.bucket}/"), self.encoder.info.revision)

    def _decoded(self, data: bytes | SampleError) -> Pixels | SampleError:
        return data if isinstance(data, SampleError) else or_error(partial(self.decode, data))

    def _put(self, command: StoreLabelImagesCommand, data: bytes) -> str:
        key = label_image_key(command.tenant_id, command.label_set, hashlib.sha256(data).hexdigest())
        self.objects.put(key, data, "application/octet-stream")
        return f"s3://{self.bucket}/{key}"
