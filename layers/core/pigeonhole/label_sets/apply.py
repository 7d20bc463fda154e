"""Put the label set that a request names into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pigeonhole.contract.classification import LabelSetRef, is_set_name
from pigeonhole.errors import Fault
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True)
class AppliedLabelSet:
    """A request's body with a set in it, and which one that was; or why there is none, to be told with all other faults."""

    body: object
    used: LabelSetRef | None = None
    fault: Fault | None = None

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (self.fault,) if self.fault else ()


@dataclass(frozen=True, kw_only=True)
class LabelSetApplier:
    """What stands before every way in that takes a `label_set`."""

    store: LabelSetStore

    def apply(self, body: object, tenant: Tenant) -> AppliedLabelSet:
        """A request's body with the labels and options of the set that it names."""
        name = body.get("label_set") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(name, str) or not is_set_name(name):
            return AppliedLabelSet(body)  # what is wrong there, validation says
        if body.get("labels") is not None:
            return AppliedLabelSet(
                body, fault=Fault("label_set", "stands in place of `labels`, not beside them: send one of the two")
            )
        found = self.store.get(tenant.id, name)
        if found is None:
            return AppliedLabelSet(body, fault=unknown_label_set(name))
        return AppliedLabelSet(found.applied_to(body), LabelSetRef(name=name, version=found.version))


def unknown_label_set(name: str) -> Fault:
    """Why a request can't have the set that it names."""
    return Fault("label_set", f"there is none called {name!r}; GET /v1/label-sets lists yours")
