"""Read the text objects below a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pydantic import ValidationError

from pigeonhole.bulk.manifest import TextObject
from pigeonhole.contract.bulk import ManifestSample
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import FileKind
from pigeonhole.contract.validation import to_faults
from pigeonhole.errors import InvalidRequest, Overloaded, PigeonholeError, UnfetchableUrl
from pigeonhole.ports import BlobStore

MAX_READS = 8  # at the same time, for each group of samples
NO_TEXT = "the object is no text in UTF-8; convert it, or give it another ending than .txt"


@dataclass(frozen=True, kw_only=True)
class TextObjectReader:
    """Reads text objects. Thread-safe.

    Attributes:
        blobs: Reads objects.
        limits: The limits of a text.
    """

    blobs: BlobStore
    limits: RequestLimits

    def read(self, objects: Sequence[TextObject], *, will_be_retried: bool) -> list[ManifestSample | PigeonholeError]:
        """Read objects, and return the sample of each, or its error.

        Raises:
            Overloaded: S3 is too busy to give an object, and the objects will be read again.
        """
        with ThreadPoolExecutor(min(MAX_READS, len(objects)), thread_name_prefix="texts") as pool:
            return list(pool.map(partial(self._read, will_be_retried=will_be_retried), objects))

    def _read(self, text: TextObject, *, will_be_retried: bool) -> ManifestSample | PigeonholeError:
        try:
            data = self.blobs.read(text.location.bucket, text.location.object_key, FileKind.TEXT.max_bytes(self.limits))
            return self._parse(data, text.custom_id)
        except Overloaded:
            if will_be_retried:
                raise
            return UnfetchableUrl("S3 is too busy to give the object; try again")
        except PigeonholeError as error:
            return error

    def _parse(self, data: bytes, custom_id: str) -> ManifestSample:
        try:
            value = data.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise InvalidRequest(NO_TEXT) from None
        try:
            sample = ManifestSample.model_validate({"type": "text", "value": value}, context=self.limits)
        except ValidationError as error:
            raise InvalidRequest("; ".join(f"the text {fault.message}" for fault in to_faults(error))) from None
        return sample.model_copy(update={"custom_id": custom_id})
