"""Add the label set that a request names to the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pigeonhole.contract.labels import LabelSetRef, is_label_set_name
from pigeonhole.errors import Fault
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True)
class AppliedLabelSet:
    """A request's body after its label set was looked up.

    Attributes:
        body: The decoded JSON body, with the labels and options of the set.
        ref: The set and its version. None if the body names no set that exists.
        fault: Why the set can't be used. It is reported together with the other faults of the body.
    """

    body: object
    ref: LabelSetRef | None = None
    fault: Fault | None = None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The fault, if there is one."""
        return (self.fault,) if self.fault else ()


@dataclass(frozen=True, kw_only=True)
class LabelSetApplier:
    """Looks up the label set of a request, a job or an upload.

    Attributes:
        store: Where label sets are stored.
    """

    store: LabelSetStore

    def apply(self, body: object, tenant: Tenant) -> AppliedLabelSet:
        """Add the labels and options of the label set that a body names.

        A body without a valid `label_set` comes back as it is: validation reports what is wrong with it.

        Args:
            body: The decoded JSON body of a request.
            tenant: The caller, who owns the label set.

        Raises:
            Overloaded: The store is busy.
        """
        name = body.get("label_set") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(name, str) or not is_label_set_name(name):
            return AppliedLabelSet(body)
        if body.get("labels") is not None:
            fault = Fault("label_set", "can't be combined with `labels`: send one of the two")
            return AppliedLabelSet(body, fault=fault)
        label_set = self.store.get(tenant.id, name)
        if label_set is None:
            return AppliedLabelSet(body, fault=unknown_label_set(name))
        return AppliedLabelSet(label_set.apply_to(body), LabelSetRef(name=name, version=label_set.version))


def unknown_label_set(name: str) -> Fault:
    """Return the fault of a request that names a label set that doesn't exist."""
    return Fault("label_set", f"there is none called {name!r}; GET /v1/label-sets lists yours")
