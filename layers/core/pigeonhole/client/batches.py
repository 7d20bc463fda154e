"""Cut any number of samples into requests: at most 32 samples, and less than 4 MB, in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pigeonhole.client.fields import to_json
from pigeonhole.client.images import ImageSource, read_image, to_data_url
from pigeonhole.contract.classification import SampleFault
from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole.errors import SampleError

MAX_BATCH = DEFAULT_LIMITS.max_samples
MAX_BODY_BYTES = DEFAULT_LIMITS.max_body_bytes - 1_000  # beside the samples: brackets and commas
MAX_HELD_BYTES = 40_000_000  # of the samples of a batch: each request that runs holds one batch
ADDRESS_BYTES = 1_500  # of a sample whose file is uploaded: an S3 object key has at most 1,024 bytes


@dataclass(frozen=True)
class PreparedSample:
    """A sample that is ready to be sent.

    Attributes:
        index: Its position among the caller's samples.
        json: The sample as JSON. Empty if its file is uploaded first.
        upload: The file, if it is too large for a request.
        error: Why the sample can't be sent.
    """

    index: int
    json: bytes = b""
    upload: bytes | None = None
    error: SampleFault | None = None

    @property
    def size_bytes(self) -> int:
        """How much the sample takes of a request's body."""
        return len(self.json) if self.upload is None else ADDRESS_BYTES

    @property
    def held_bytes(self) -> int:
        """How much memory the sample takes."""
        return len(self.json if self.upload is None else self.upload)

    def at_address(self, address: str) -> PreparedSample:
        """Return the sample after its upload."""
        return replace(self, json=_to_image(address), upload=None)

    def within(self, budget_bytes: int) -> PreparedSample:
        """Return the sample, with an error if it is too large for any request."""
        if self.size_bytes < budget_bytes:
            return self
        return self.with_error(
            "too_large", f"the value must be smaller than {budget_bytes / 1e6:.1f} MB. Name an image by its path"
        )

    def with_error(self, code: str, message: str) -> PreparedSample:
        """Return the sample with the reason why it can't be classified."""
        return replace(self, json=b"", upload=None, error=SampleFault(index=self.index, code=code, message=message))


@dataclass
class Batch:
    """The samples of one request.

    Attributes:
        samples: The samples, those with an error included.
        size_bytes: How much they take of the request's body.
        held_bytes: How much memory they take. A file to upload takes little of the body.
    """

    samples: list[PreparedSample] = field(default_factory=list)
    size_bytes: int = 0
    held_bytes: int = 0

    def has_room(self, sample: PreparedSample, budget_bytes: int) -> bool:
        """Whether the batch can take one more sample."""
        fits_memory = self.held_bytes + sample.held_bytes <= MAX_HELD_BYTES
        return fits_memory and len(self.samples) < MAX_BATCH and self.size_bytes + sample.size_bytes + 1 <= budget_bytes

    def add(self, sample: PreparedSample) -> None:
        """Add a sample."""
        self.samples.append(sample)
        self.size_bytes += sample.size_bytes + 1
        self.held_bytes += sample.held_bytes


def prepare_texts(texts: Iterable[str], budget_bytes: int) -> Iterator[PreparedSample]:
    """Yield a sample for each text.

    Args:
        texts: The texts.
        budget_bytes: How much room a request's body has for samples.

    Raises:
        TypeError: A text is no string.
    """
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"sample {index} must be a string, and not {type(text).__name__}")
        yield PreparedSample(index, to_json({"type": "text", "value": text})).within(budget_bytes)


def prepare_images(images: Iterable[ImageSource], budget_bytes: int) -> Iterator[PreparedSample]:
    """Yield a sample for each image. A file is read when its sample is asked for.

    Args:
        images: The images.
        budget_bytes: How much room a request's body has for samples. A larger file is uploaded.

    Raises:
        TypeError: An image is none of the types of `ImageSource`.
    """
    for index, source in enumerate(images):
        sample = PreparedSample(index)
        try:
            image = read_image(source)
        except SampleError as error:
            yield sample.with_error(error.code, error.message)
            continue
        if isinstance(image, str):
            yield sample.at_address(image).within(budget_bytes)
        elif len(image) * 4 // 3 + ADDRESS_BYTES > budget_bytes:
            yield replace(sample, upload=image)
        else:
            yield sample.at_address(to_data_url(image))


def cut_into_batches(samples: Iterable[PreparedSample], budget_bytes: int) -> Iterator[Batch]:
    """Yield the batches of samples, in their order. Only one batch is held at a time."""
    batch = Batch()
    for sample in samples:
        if batch.samples and not batch.has_room(sample, budget_bytes):
            yield batch
            batch = Batch()
        batch.add(sample)
    if batch.samples:
        yield batch


def _to_image(address: str) -> bytes:
    return to_json({"type": "image", "value": address})
