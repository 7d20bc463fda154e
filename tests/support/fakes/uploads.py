"""Fakes of upload forms, of tags, and of the store of upload results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pigeonhole.aws.s3 import MAX_TAGS
from pigeonhole.ports import Page
from pigeonhole.uploads.upload_result import UploadResult


@dataclass
class FakeUploadForms:
    """UploadForms whose forms have no server behind them.

    Attributes:
        requests: The arguments of each call.
    """

    requests: list[tuple[str, str, int, int, int]] = field(default_factory=list)

    def create_form(
        self, object_key: str, content_type: str, min_bytes: int, max_bytes: int, expires_in_s: int
    ) -> tuple[str, dict[str, str]]:
        self.requests.append((object_key, content_type, min_bytes, max_bytes, expires_in_s))
        return "https://uploads.example", {"key": object_key, "Content-Type": content_type}


@dataclass
class FakeUploadTags:
    """UploadTags in memory.

    Attributes:
        tags: Tags by object key and version. An object that isn't among them doesn't exist.
        before: Is called before each call, and may raise.
    """

    tags: dict[tuple[str, str | None], dict[str, str]] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None

    def add(self, object_key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        self.before()
        known = self.tags.get((object_key, version_id))
        if known is None or len(known | dict(tags)) > MAX_TAGS:
            return False
        known.update(tags)
        return True


@dataclass
class FakeUploadResultStore:
    """An UploadResultStore in memory.

    Attributes:
        results: Results by tenant and object key.
        before: Is called before each write, and may raise.
    """

    results: dict[tuple[str, str], UploadResult] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    _lock: Lock = field(default_factory=Lock)

    def save(self, result: UploadResult) -> bool:
        self.before()
        with self._lock:
            result_key = (result.tenant_id, result.object_key)
            if not result.may_replace(self.results.get(result_key)):
                return False
            self.results[result_key] = result
            return True

    def get(self, tenant_id: str, object_key: str) -> UploadResult | None:
        return self.results.get((tenant_id, object_key))

    def sequencers(self, tenant_id: str, object_keys: Sequence[str]) -> dict[str, str]:
        stored = [self.results[tenant_id, key] for key in object_keys if (tenant_id, key) in self.results]
        return {result.object_key: result.sequencer for result in stored if result.job_id}

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> Page[UploadResult]:
        results = sorted(self._under(tenant_id, prefix), key=lambda result: result.object_key.encode())
        rest = [result for result in results if start is None or result.object_key.encode() > start.encode()]
        return Page(rest[:limit], next=rest[limit - 1].object_key if len(rest) > limit else None)

    def newest(
        self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None
    ) -> Page[UploadResult]:
        results = sorted(
            self._under(tenant_id, prefix), key=lambda result: (result.classified_at, result.object_key), reverse=True
        )
        rest = [result for result in results if since <= result.classified_at <= until]
        if start is not None:
            at, _, key = start.partition(" ")
            rest = [result for result in rest if (result.classified_at, result.object_key) < (float(at), key)]
        return Page(
            rest[:limit], next=f"{rest[limit - 1].classified_at!r} {rest[limit - 1].object_key}" if len(rest) > limit else None
        )

    def _under(self, tenant_id: str, prefix: str) -> list[UploadResult]:
        return [result for (owner, key), result in self.results.items() if owner == tenant_id and key.startswith(prefix)]
