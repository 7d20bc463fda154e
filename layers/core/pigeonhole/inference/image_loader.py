"""Load the images of a command: fetch, decode, and cut them to the model's input.

Images are fetched concurrently and decoded a few at a time. A decoded image is cut to the model's input at once. So memory
holds the fetched files, within the request's budget, and a few hundred kilobytes per image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial

import numpy as np
import numpy.typing as npt

from pigeonhole.contract.commands import ClassifyCommand, S3Grant
from pigeonhole.errors import Overloaded, SampleError, catch_sample_error
from pigeonhole.inference.images.decoder import ImageDecoder
from pigeonhole.inference.images.fetch import BudgetExceeded, ByteBudget, ImageFetcher, StorageBusy
from pigeonhole.inference.limits import ChunkLimits

Pixels = npt.NDArray[np.uint8]
LoadedImages = dict[str, Pixels | SampleError]  # by value: the views of an image, or why there are none


class ImageLoader:
    """Loads images for an encoder."""

    def __init__(self, *, fetcher: ImageFetcher, decoder: ImageDecoder, limits: ChunkLimits) -> None:
        """Create a loader.

        Args:
            fetcher: Reads the bytes of images.
            decoder: Decodes the bytes to the views of the encoder.
            limits: The limits of a command.
        """
        self._fetcher = fetcher
        self._decoder = decoder
        self._limits = limits

    def load(
        self, values: Sequence[str], grants: Sequence[S3Grant], command: ClassifyCommand, *, in_parts: Collection[str]
    ) -> LoadedImages:
        """Fetch and decode each distinct value once.

        In a job, no image fails because of the size of others. Images that exceed the budget are loaded in further rounds, and
        all images of a further round fit the budget.

        Args:
            values: The values of the images.
            grants: What the tenant may name by `s3://`.
            command: The command that the images belong to.
            in_parts: The values of the images of which every part is viewed.

        Raises:
            Overloaded: S3 is too busy to give an image, and the command will be retried.
        """
        load = partial(self._load_round, grants=grants, versions=command.versions, in_parts=in_parts)
        images = load(list(dict.fromkeys(values)))
        too_many = [value for value, image in images.items() if command.is_job and isinstance(image, BudgetExceeded)]
        per_round = max(1, self._limits.request_bytes // self._limits.image.max_bytes)
        for start in range(0, len(too_many), per_round):
            images |= load(too_many[start : start + per_round])
        if command.will_be_retried and any(isinstance(image, StorageBusy) for image in images.values()):
            raise Overloaded()
        return images

    def _load_round(
        self,
        values: Sequence[str],
        *,
        grants: Sequence[S3Grant],
        versions: Mapping[str, str],
        in_parts: Collection[str],
    ) -> LoadedImages:
        if not values:
            return {}
        budget = ByteBudget(total=self._limits.request_bytes, per_item=self._limits.image.max_bytes)
        images: LoadedImages = {}
        decodes: dict[str, Future[Pixels | SampleError]] = {}
        with (
            ThreadPoolExecutor(min(self._limits.fetches, len(values)), thread_name_prefix="fetch") as fetch_pool,
            ThreadPoolExecutor(self._limits.decodes, thread_name_prefix="decode") as decode_pool,
        ):
            fetch = partial(self._fetcher.fetch, grants=grants, budget=budget, versions=versions)
            fetches = {fetch_pool.submit(catch_sample_error, partial(fetch, value)): value for value in values}
            for future in as_completed(list(fetches)):
                # Popped, so that the bytes of a decoded image are freed.
                value, data = fetches.pop(future), future.result()
                if isinstance(data, SampleError):
                    images[value] = data
                else:
                    decodes[value] = decode_pool.submit(
                        catch_sample_error, partial(self._decoder.decode, data, every_part=value in in_parts)
                    )
        return images | {value: decode.result() for value, decode in decodes.items()}
