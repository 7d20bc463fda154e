"""A tenant's label sets: kept, read, listed and removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pigeonhole.contract.classification import Label, RequestLimits, check_set_name, is_set_name
from pigeonhole.contract.label_sets import LabelSetRequest
from pigeonhole.contract.messages import StoreLabelImagesCommand, error_of
from pigeonhole.contract.validation import faults_of, invalid_request
from pigeonhole.errors import Fault, NotFound, Overloaded, PigeonholeError, TooLarge
from pigeonhole.label_sets.label_set import LabelSet, Precondition, images_of
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.ports import ClassifierClient, ObjectStore, Page
from pigeonhole.tenants.tenant import Tenant

ANY_STATE = Precondition()
TRIES = 3
MAX_SET_BYTES = 350_000  # of its JSON; an item of the table has at most 400 KB
ADDRESS_BYTES = 250  # of a kept image, at most
NO_SUCH_SET = "There is no label set of this name. GET /v1/label-sets lists yours."


@dataclass(frozen=True, kw_only=True)
class LabelSetService:
    """The service behind `/v1/label-sets`. `bucket`: of the kept images."""

    store: LabelSetStore
    objects: ObjectStore
    classifier: ClassifierClient
    limits: RequestLimits
    bucket: str = ""
    clock: Callable[[], float] = time.time

    def put(self, body: object, name: str, *, tenant: Tenant, log_id: str, precondition: Precondition = ANY_STATE) -> LabelSet:
        """Keep labels and options under a name, in a new version; every image of theirs is fetched and kept first.

        Raises InvalidRequest with every fault, TooLarge (also for one set too many), the SampleError of an image that can't be
        had, PreconditionFailed and Overloaded.
        """
        asked = self._parsed(body, name)
        options = asked.model_dump(mode="json", exclude_none=True)
        _hold(options)
        if self._known(tenant, name, precondition) is None:
            self._hold_number(tenant)
        self._keep_images(asked.labels, options["labels"], name, tenant, log_id)
        try:
            known, made = self._save(options, name, tenant, precondition)
        except PigeonholeError:  # its images are kept, and no set has them
            self._mark_images(images_of(options), name, tenant)
            raise
        self._mark_images(known.images() if known else (), name, tenant)
        return made

    def _hold_number(self, tenant: Tenant) -> None:
        """Raises TooLarge for one set too many. Of several that are made at once a few more may be taken."""
        most = self.limits.max_label_sets
        if self.store.count(tenant.id, most) >= most:
            raise TooLarge(f"you have {most} label sets, and no more are kept: remove one first, or change one")

    def _save(
        self, options: Mapping[str, Any], name: str, tenant: Tenant, precondition: Precondition
    ) -> tuple[LabelSet | None, LabelSet]:
        """Write the next version; the one before it, and it."""
        for _ in range(TRIES):
            known = self._known(tenant, name, precondition)
            version = 1 + (known.version if known else self.store.last_version(tenant.id, name))
            now = self.clock()
            made = LabelSet(tenant.id, name, version, known.created_at if known else now, now, options)
            if self.store.save(made, known.version if known else None):
                return known, made
        raise Overloaded("The label set is being changed by others. Try again.")

    def _known(self, tenant: Tenant, name: str, precondition: Precondition) -> LabelSet | None:
        """The set as it is, if that is what the caller wants it to be."""
        known = self.store.get(tenant.id, name)
        precondition.check(known)
        return known

    def get(self, tenant: Tenant, name: str) -> LabelSet:
        """Raises NotFound."""
        found = self.store.get(tenant.id, name) if is_set_name(name) else None
        if found is None:
            raise NotFound(NO_SUCH_SET)
        return found

    def page(self, tenant: Tenant, limit: int, cursor: str | None) -> Page[LabelSet]:
        return self.store.page(tenant.id, limit, cursor)

    def remove(self, tenant: Tenant, name: str, precondition: Precondition = ANY_STATE) -> None:
        """Forget a set; its images go when no job can want them any more.

        Raises NotFound, PreconditionFailed and Overloaded.
        """
        for _ in range(TRIES):
            known = self.get(tenant, name)
            precondition.check(known)
            if self.store.remove(known):
                return self._mark_images(known.images(), name, tenant)
        raise Overloaded("The label set is being changed by others. Try again.")

    def _parsed(self, body: object, name: str) -> LabelSetRequest:
        faults: tuple[Fault, ...] = ()
        try:
            check_set_name(name)
        except ValueError as error:
            faults = (Fault("name", str(error)),)
        try:
            asked = LabelSetRequest.model_validate(body, context=self.limits)
        except ValidationError as error:
            raise invalid_request((*faults, *faults_of(error))) from None
        if faults:
            raise invalid_request(faults)
        return asked

    def _keep_images(self, labels: Sequence[Label], kept: list[dict[str, Any]], name: str, tenant: Tenant, log_id: str) -> None:
        """Have each image kept, and put its address where its value was; a label that its value named is named so still."""
        places = [i for i, label in enumerate(labels) if label.type == "image"]
        if not places:
            return
        command = StoreLabelImagesCommand(
            log_id=log_id,
            tenant_id=tenant.id,
            label_set=name,
            grants=tenant.grants,
            values=[labels[i].value for i in places],
            paths=[f"labels.{i}.value" for i in places],
        )
        reply = self.classifier.call(command)
        if reply.kept is None:
            raise error_of(reply)
        for i, address in zip(places, reply.kept, strict=True):
            kept[i] |= {"value": address, "key": labels[i].name}

    def _mark_images(self, former: Sequence[str], name: str, tenant: Tenant) -> None:
        """Let go of those of some images that the set doesn't have, and hold on to those it has.

        Of two changes at once one may let go of what the other wants. Each looks at the set after its own change, so whoever is
        later holds on to it. The change itself is made: a bucket that is too busy to be told doesn't undo it.
        """
        with suppress(Overloaded):
            now = self.store.get(tenant.id, name)
            for address in set(former) - set(now.images() if now else ()):
                self.objects.mark_unused(self._key(address))
        for _ in range(TRIES):
            with suppress(Overloaded):
                now = self.store.get(tenant.id, name)
                for address in set(now.images() if now else ()):
                    self.objects.mark_used(self._key(address))
                return

    def _key(self, address: str) -> str:
        return address.removeprefix(f"s3://{self.bucket}/")


def _hold(options: Mapping[str, Any]) -> None:
    """Raises TooLarge for more than the table takes, before any image is kept."""
    labels = [label | ({"value": "x" * ADDRESS_BYTES} if label["type"] == "image" else {}) for label in options["labels"]]
    size = len(json.dumps({**options, "labels": labels}, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MAX_SET_BYTES:
        raise TooLarge(f"the label set has {size} bytes and {MAX_SET_BYTES} are taken: shorten its texts and templates")
