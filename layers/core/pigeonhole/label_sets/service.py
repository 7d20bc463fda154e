"""A tenant's label sets: stored, read, listed and deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pigeonhole.contract.commands import StoreLabelImagesCommand
from pigeonhole.contract.label_sets import LabelSetRequest
from pigeonhole.contract.labels import Label, check_label_set_name, is_label_set_name
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.validation import invalid_request, to_faults
from pigeonhole.errors import Fault, NotFound, Overloaded, PigeonholeError, TooLarge
from pigeonhole.label_sets.label_set import LabelSet, Precondition, parse_image_addresses
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.ports import ClassifierClient, ObjectStore, Page
from pigeonhole.tenants.tenant import Tenant

ANY_STATE = Precondition()
ATTEMPTS = 3
MAX_SET_BYTES = 350_000  # of its JSON: an item of the table holds at most 400 KB
MAX_ADDRESS_BYTES = 250  # of a stored image
NO_SUCH_SET = "There is no label set of this name. GET /v1/label-sets lists yours."
CHANGED = "Other calls are changing the label set. Try again."


@dataclass(frozen=True, kw_only=True)
class LabelSetService:
    """The service behind `/v1/label-sets`.

    Attributes:
        store: Where label sets are stored.
        objects: The job bucket, which holds the images of labels.
        classifier: functions/classify, which fetches, checks and stores images.
        limits: What a label set may hold.
        bucket: The name of the job bucket.
        clock: Returns seconds since 1970.
    """

    store: LabelSetStore
    objects: ObjectStore
    classifier: ClassifierClient
    limits: RequestLimits
    bucket: str = ""
    clock: Callable[[], float] = time.time

    def put(self, body: object, name: str, *, tenant: Tenant, log_id: str, precondition: Precondition = ANY_STATE) -> LabelSet:
        """Store labels and options under a name, as a new version. Each image of a label is fetched and stored first.

        Args:
            body: The decoded JSON body of the request.
            name: The set's name.
            tenant: The caller.
            log_id: The request's id, for the log of functions/classify.
            precondition: The state in which the set must be.

        Raises:
            InvalidRequest: The body or the name is invalid. Its details hold each fault.
            TooLarge: The set is too large, or the tenant has too many.
            SampleError: An image can't be fetched or read.
            PreconditionFailed: The set is in another state.
            Overloaded: A retry may help.
        """
        request = self._parse(body, name)
        options = request.model_dump(mode="json", exclude_none=True)
        _check_size(options)
        if self._get_checked(tenant, name, precondition) is None:
            self._check_count(tenant)
        self._store_images(request.labels, options["labels"], name, tenant, log_id)
        try:
            previous, label_set = self._save(options, name, tenant, precondition)
        except PigeonholeError:  # the images are stored, but no label set has them
            self._mark_images(parse_image_addresses(options), name, tenant)
            raise
        self._mark_images(previous.image_addresses if previous else (), name, tenant)
        return label_set

    def get(self, tenant: Tenant, name: str) -> LabelSet:
        """Return a label set.

        Raises:
            NotFound: The tenant has none of this name.
            Overloaded: The store is busy.
        """
        label_set = self.store.get(tenant.id, name) if is_label_set_name(name) else None
        if label_set is None:
            raise NotFound(NO_SUCH_SET)
        return label_set

    def list(self, tenant: Tenant, limit: int, cursor: str | None) -> Page[LabelSet]:
        """Return at most `limit` label sets by name, from the `next` of the previous page."""
        return self.store.page(tenant.id, limit, cursor)

    def delete(self, tenant: Tenant, name: str, precondition: Precondition = ANY_STATE) -> None:
        """Delete a label set. Its images are deleted later, when no job can need them any more.

        Raises:
            NotFound: The tenant has none of this name.
            PreconditionFailed: The set is in another state.
            Overloaded: A retry may help.
        """
        for _ in range(ATTEMPTS):
            label_set = self.get(tenant, name)
            precondition.check(label_set)
            if self.store.delete(label_set):
                return self._mark_images(label_set.image_addresses, name, tenant)
        raise Overloaded(CHANGED)

    def _parse(self, body: object, name: str) -> LabelSetRequest:
        faults: tuple[Fault, ...] = ()
        try:
            check_label_set_name(name)
        except ValueError as error:
            faults = (Fault("name", str(error)),)
        try:
            request = LabelSetRequest.model_validate(body, context=self.limits)
        except ValidationError as error:
            raise invalid_request((*faults, *to_faults(error))) from None
        if faults:
            raise invalid_request(faults)
        return request

    def _get_checked(self, tenant: Tenant, name: str, precondition: Precondition) -> LabelSet | None:
        """Return the stored label set, after checking that it is in the state that the caller wants."""
        label_set = self.store.get(tenant.id, name)
        precondition.check(label_set)
        return label_set

    def _check_count(self, tenant: Tenant) -> None:
        """Raise TooLarge for one set too many. Concurrent calls may exceed the limit by a few sets."""
        most = self.limits.max_label_sets
        if self.store.count(tenant.id, most) >= most:
            raise TooLarge(f"you can't have more than {most} label sets: delete one first, or change one")

    def _save(
        self, options: Mapping[str, Any], name: str, tenant: Tenant, precondition: Precondition
    ) -> tuple[LabelSet | None, LabelSet]:
        """Write the next version. Return the previous version and the new one."""
        for _ in range(ATTEMPTS):
            previous = self._get_checked(tenant, name, precondition)
            version = 1 + (previous.version if previous else self.store.last_version(tenant.id, name))
            now = self.clock()
            label_set = LabelSet(tenant.id, name, version, previous.created_at if previous else now, now, options)
            if self.store.save(label_set, previous.version if previous else None):
                return previous, label_set
        raise Overloaded(CHANGED)

    def _store_images(
        self, labels: Sequence[Label], stored: Sequence[dict[str, Any]], name: str, tenant: Tenant, log_id: str
    ) -> None:
        """Have functions/classify store the images of labels, and replace each image's value by the address of the copy.

        A label that was named by its value keeps that name, as its `key`.
        """
        indexes = [index for index, label in enumerate(labels) if label.type == "image"]
        if not indexes:
            return
        command = StoreLabelImagesCommand(
            log_id=log_id,
            tenant_id=tenant.id,
            label_set=name,
            grants=tenant.grants,
            values=[labels[index].value for index in indexes],
            paths=[f"labels.{index}.value" for index in indexes],
        )
        reply = self.classifier.call(command)
        if reply.stored is None:
            raise reply.to_error()
        for index, address in zip(indexes, reply.stored, strict=True):
            stored[index] |= {"value": address, "key": labels[index].name}

    def _mark_images(self, former: Sequence[str], name: str, tenant: Tenant) -> None:
        """Mark those of the `former` images that the label set doesn't have as unused, and its own images as used.

        Of two concurrent changes one may mark an image as unused that the other one needs. Each change reads the set again
        before it marks images as used, so the later change corrects the mark.

        The label set is already changed, so a bucket that is too busy for marks doesn't fail the call.
        """
        with suppress(Overloaded):
            for address in set(former) - self._stored_addresses(name, tenant):
                self.objects.mark_unused(self._object_key(address))
        for _ in range(ATTEMPTS):
            with suppress(Overloaded):
                for address in self._stored_addresses(name, tenant):
                    self.objects.mark_used(self._object_key(address))
                return

    def _stored_addresses(self, name: str, tenant: Tenant) -> set[str]:
        label_set = self.store.get(tenant.id, name)
        return set(label_set.image_addresses) if label_set else set()

    def _object_key(self, address: str) -> str:
        return address.removeprefix(f"s3://{self.bucket}/")


def _check_size(options: Mapping[str, Any]) -> None:
    """Raise TooLarge for a label set that the table can't hold, before its images are stored."""
    labels = [label | ({"value": "x" * MAX_ADDRESS_BYTES} if label["type"] == "image" else {}) for label in options["labels"]]
    size = len(json.dumps({**options, "labels": labels}, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MAX_SET_BYTES:
        raise TooLarge(f"the label set has {size} bytes, but {MAX_SET_BYTES} are taken: shorten its texts and templates")
