"""What the services need from the outside, as Protocols. Adapters live in `aws/` and `encoders/`; fakes in tests/fakes.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pigeonhole.contract.messages import AnyCommand, AnyEvent, ChunkMessage, ClassifyReply, WebhookMessage
from pigeonhole.jobs.job import Claim, Job, Part, Span, Status
from pigeonhole.jobs.webhook import Secret
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant
from pigeonhole.uploads.uploaded_object import ObjectResult

if TYPE_CHECKING:  # functions/api has neither numpy nor Pillow
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Embeddings = npt.NDArray[np.float32]  # (n, dim), each row of length 1
    Pixels = npt.NDArray[np.uint8]  # (n, height, width, 3), RGB


@dataclass(frozen=True)
class EncoderInfo:
    """What scoring and bookkeeping need to know of an encoder.

    `revision`: changes whenever an embedding would. `logit_scale`, `logit_bias`: log-odds = scale * cosine + bias, as the
    model was trained (bias 0 where it has none). `activation`: how the model turns logits into probabilities.
    `max_text_tokens`: longer texts are cut. `image_side`: pixels of the square input; `image_patches`: counted per image.
    `templates`: the model's own prompts for image classes, each with `{}` once.
    """

    model_id: str
    revision: str
    licence: str
    engine: str
    dim: int
    logit_scale: float
    logit_bias: float
    activation: Literal["softmax", "sigmoid"]
    max_text_tokens: int
    image_side: int
    image_patches: int
    templates: tuple[str, ...] = ("{}",)


class Encoder(Protocol):
    """Texts and, where there is an image tower, images to unit embeddings of one space. Safe to call from several threads."""

    @property
    def info(self) -> EncoderInfo: ...

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """(n,) texts -> float32 (n, dim), unit rows. Texts beyond `max_text_tokens` are cut. n may be 0."""
        ...

    def fit(self, image: Image.Image) -> Pixels:
        """One RGB image of any size -> uint8 (side, side, 3): the model's own resize and crop."""
        ...

    def encode_image(self, pixels: Pixels) -> Embeddings:
        """uint8 (n, side, side, 3) from `fit` -> float32 (n, dim), unit rows. A row's result doesn't depend on the others."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special tokens included, before any cut."""
        ...


@dataclass(frozen=True)
class Backgrounds:
    """Generic concepts against which labels are weighed (backgrounds.py), embedded once for a model.

    `photos`: what photos show, in the space of the image-text encoder; `texts`: texts at large, in the sentence encoder's.
    """

    photos: Embeddings
    texts: Embeddings


class ClassifierClient(Protocol):
    """The way from functions/api to functions/classify."""

    def call(self, command: AnyCommand) -> ClassifyReply:
        """Invoke once, never retried.

        Raises TimedOut (no answer in time), Overloaded (throttled), InternalError (the function failed).
        """
        ...


class BlobStore(Protocol):
    """Objects in S3 that a caller names. The check against the tenant's grants is done by sources.py, before."""

    def read(
        self,
        bucket: str,
        key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Get an object, the newest version of it unless another is named.

        `on_bytes`: is told how many bytes came, as they come, and may end the reading by raising.

        Raises UnfetchableUrl (absent, or not ours to read), TooLarge (more than `max_bytes`, nothing more is read), Overloaded.
        """
        ...


class TenantStore(Protocol):
    """Tenants and their keys' records."""

    def by_hash(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        """The key with that SHA-256 and its tenant; None unless both are there. Raises Overloaded."""
        ...

    def tenant(self, tenant_id: str) -> Tenant | None: ...

    def key(self, key_id: str) -> ApiKeyRecord | None: ...

    def keys(self) -> list[ApiKeyRecord]:
        """Every key ever made, oldest first."""
        ...

    def add(self, key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        """Keep a new key and its tenant, in place of `known` (None: a new tenant): both or neither.

        Raises Overloaded, and keeps nothing, if the tenant that is kept isn't `known` any more.
        """
        ...

    def end(self, key: ApiKeyRecord, ends_at: int) -> None:
        """Let a kept key end at `ends_at`, seconds since 1970."""
        ...

    def remove(self, key: ApiKeyRecord, *, with_tenant: bool) -> None:
        """Forget a key, and its tenant if `with_tenant` and no key was added later; what isn't there is no fault."""
        ...


class KeyRegistry(Protocol):
    """The gateway's API keys, and the usage plan that lets them in."""

    def create(self, name: str, value: str) -> str:
        """Make a key that opens nothing yet, and give its id."""
        ...

    def admit(self, key_id: str) -> None:
        """Put a key in the usage plan: from now on the gateway lets it in."""
        ...

    def delete(self, key_id: str) -> None:
        """Remove a key, from the usage plan, too; one that isn't there is no fault."""
        ...


class RateCounter(Protocol):
    """Counts a tenant's requests."""

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        """Add one to a tenant's count in a window and give the sum. The count may be forgotten from `expires_at` on."""
        ...


@dataclass(frozen=True)
class Page:
    """Some jobs of a list, newest first. `next`: where the next page begins, None at the end."""

    jobs: list[Job]
    next: str | None


@dataclass(frozen=True)
class Due:
    """Some jobs that are due. `unreadable`: the keys of those of which the store can't make a job; `next`: where the next page
    begins, None at the end."""

    jobs: list[Job]
    unreadable: list[str]
    next: object | None


class JobStore(Protocol):
    """Jobs, their parts and the Idempotency-Keys that stand for them. All reads see what was written before.

    Every method raises Overloaded where trying again may help.
    """

    def create(self, job: Job, claim: Claim | None) -> bool:
        """Keep a new job and, with it, the claim on its Idempotency-Key: both or neither.

        False, and nothing is kept, if there is such a claim already that hasn't expired by the job's `created_at`.
        """
        ...

    def claim(self, tenant_id: str, key_hash: str) -> Claim | None:
        """Find a claim; an expired one may still be found."""
        ...

    def get(self, tenant_id: str, job_id: str) -> Job | None: ...

    def save(self, job: Job, part: Part | None = None) -> bool:
        """Write a job over the version before it and, with it, a part: both or neither.

        False, and nothing is written, if the stored job is of another version or a part begins at the same sample.
        """
        ...

    def done(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        """The spans of the parts that begin in `within`, in order."""
        ...

    def parts(self, tenant_id: str, job_id: str) -> list[Part]:
        """All parts of a job, in order."""
        ...

    def page(self, tenant_id: str, status: Status | None, limit: int, start: str | None) -> Page:
        """At most `limit` jobs of a tenant, newest first, of one status if it is given. `start`: an earlier page's `next`.

        Some pages of one status have fewer than `limit`.
        """
        ...

    def due(self, now: float, limit: int, start: object | None = None) -> Due:
        """At most `limit` jobs of all tenants whose `due_at` has come, the longest due first. `start`: a page's `next`."""
        ...


class ObjectStore(Protocol):
    """The deployment's own objects: what jobs work on, and results that are too large for an item. Raise Overloaded."""

    def put(self, key: str, data: bytes, content_type: str) -> None: ...

    def etag(self, key: str) -> str | None:
        """What tells an object from any other that may come to lie there; None if there is none."""
        ...

    def replace(self, key: str, data: bytes, content_type: str, known: str | None) -> bool:
        """Put an object where the one of the ETag `known` lies, None: where none does.

        False, and nothing is written, if that isn't so.
        """
        ...

    def get(self, key: str, version_id: str | None = None) -> bytes | None:
        """An object's bytes, None if there is none: the newest version's, or those of the one that is named."""
        ...

    def link(self, key: str, seconds: int) -> str:
        """An address from which anybody may read the object for so long."""
        ...

    def discard(self, key: str) -> None:
        """Let an object be removed once no job can want it any more; one that isn't there is no fault."""
        ...

    def reclaim(self, key: str) -> None:
        """Keep an object after all that was discarded; one that isn't there is no fault."""
        ...


class RetryQueue(Protocol):
    """A queue whose messages are worked on here."""

    def retry_in(self, receipt: str, seconds: int) -> None:
        """Let a message that is being worked on come again in `seconds`, instead of when its visibility ends.

        Raises Overloaded.
        """
        ...


class ChunkQueue(RetryQueue, Protocol):
    """The way from whoever has work to functions/worker. A message may come more than once, and in any order."""

    def send(self, messages: Sequence[ChunkMessage]) -> None:
        """Raises Overloaded if one of them may not have been taken."""
        ...


class WebhookQueue(Protocol):
    """The way to functions/webhooks. A message may come more than once, or never: the sweep sends it again."""

    def send(self, messages: Sequence[WebhookMessage]) -> None:
        """Raises Overloaded if one of them may not have been taken."""
        ...


class EventBus(Protocol):
    """Where a deployment tells whoever listens what has happened."""

    def put(self, events: Sequence[AnyEvent]) -> None:
        """Raises Overloaded if one of them may not have been taken."""
        ...


class SecretStore(Protocol):
    """Tenants' webhook secrets, the newest first. Raises Overloaded where trying again may help."""

    def secrets(self, tenant_id: str) -> tuple[Secret, ...]:
        """Those that are kept, ended ones too; none if the tenant never made one."""
        ...

    def replace_secrets(self, tenant_id: str, secrets: Sequence[Secret], known: Sequence[Secret]) -> None:
        """Keep `secrets` in place of `known`. Raises Overloaded, and keeps nothing, if others are kept than `known`."""
        ...


class Poster(Protocol):
    """Posts to addresses that callers named."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body and give the answer's status; what else is in the answer isn't read, and no redirect is followed.

        Raises ForbiddenUrl for an address that isn't allowed, UnfetchableUrl if there is no answer.
        """
        ...


@dataclass(frozen=True)
class SetsPage:
    """Some label sets of a list, by name. `next`: where the next page begins, None at the end."""

    sets: list[LabelSet]
    next: str | None


class LabelSetStore(Protocol):
    """Tenants' label sets. All reads see what was written before. Raises Overloaded where trying again may help."""

    def get(self, tenant_id: str, name: str) -> LabelSet | None: ...

    def last_version(self, tenant_id: str, name: str) -> int:
        """The version that a set of that name had when it was removed, 0 if there never was one."""
        ...

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        """Write a set over its version `known`. None: there must be none, and its version follow on the last there was.

        False, and nothing written, if that isn't so.
        """
        ...

    def count(self, tenant_id: str, most: int) -> int:
        """How many sets a tenant has; `most` if there are more."""
        ...

    def remove(self, label_set: LabelSet) -> bool:
        """Remove a set in the version that it is given in. False, and it stays, if it has another."""
        ...

    def page(self, tenant_id: str, limit: int, start: str | None) -> SetsPage:
        """At most `limit` sets of a tenant, by name. `start`: an earlier page's `next`."""
        ...


class UploadForms(Protocol):
    """The way for callers' files into the upload bucket, past this service."""

    def form(self, key: str, content_type: str, least: int, most: int, seconds: int) -> tuple[str, dict[str, str]]:
        """The address and the fields of a form that takes one object: of that key and type, with `least` to `most` bytes."""
        ...


class ObjectTags(Protocol):
    """The tags of objects in the upload bucket."""

    def add(self, key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        """Give a version of an object `tags` beside those that it has; of the same name, in their place.

        False, and its tags stay as they are, if there is no room for them or the object is gone. Raises Overloaded.
        """
        ...


@dataclass(frozen=True)
class ResultsPage:
    """Some results of a list. `next`: where the next page begins, None at the end."""

    results: list[ObjectResult]
    next: str | None


class ResultStore(Protocol):
    """What became of tenants' uploaded objects, one result for each. Raises Overloaded where trying again may help."""

    def save(self, result: ObjectResult) -> bool:
        """Keep a result in place of the one before it. False, and nothing is written, unless it `may_replace` that one."""
        ...

    def get(self, tenant_id: str, key: str) -> ObjectResult | None: ...

    def sequencers(self, tenant_id: str, keys: Sequence[str]) -> dict[str, str]:
        """Which upload of each object has a result that a job gave, by its sequencer; objects without one are left out."""
        ...

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> ResultsPage:
        """At most `limit` results of objects whose keys begin with `prefix`, by key. `start`: an earlier page's `next`."""
        ...

    def newest(self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None) -> ResultsPage:
        """The same, newest first, of those that were written from `since` to `until`. Some pages have fewer than `limit`."""
        ...
