"""Add the label sets that a request names to the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

from pigeonhole.contract.labels import LabelSetRef, is_label_set_name
from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole.errors import Fault
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True)
class AppliedLabelSet:
    """A request's body after its label sets were looked up.

    Attributes:
        body: The decoded JSON body, with the labels and options of the sets.
        ref: The set and its version. None if the body names no set that exists, or names sets in its questions.
        faults: Why sets can't be used. They are reported together with the other faults of the body.
    """

    body: object
    ref: LabelSetRef | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelSetApplier:
    """Looks up the label sets of a request, a job or an upload.

    Attributes:
        store: Where label sets are stored.
        max_questions: The most questions of a request. A body with more is refused, so their label sets aren't read.
    """

    store: LabelSetStore
    max_questions: int = DEFAULT_LIMITS.max_questions

    def apply(self, body: object, tenant: Tenant) -> AppliedLabelSet:
        """Add the labels and options of the label sets that a body names, itself or in its questions.

        A body without a valid `label_set` comes back as it is: validation reports what is wrong with it.

        Args:
            body: The decoded JSON body of a request.
            tenant: The caller, who owns the label sets.

        Raises:
            Overloaded: The store is busy.
        """
        read = cache(partial(self.store.get, tenant.id))  # several questions may name one set
        questions = body.get("questions") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(questions, Mapping):
            return _apply(body, read)
        if len(questions) > self.max_questions:
            return AppliedLabelSet(body)
        applied = {name: _apply(question, read) for name, question in questions.items()}
        faults = (
            Fault(f"questions.{name}.{fault.path}", fault.message)
            for name, question in applied.items()
            for fault in question.faults
        )
        body = {**body, "questions": {name: question.body for name, question in applied.items()}}
        return AppliedLabelSet(body, faults=tuple(faults))


def _apply(body: object, read: Callable[[str], LabelSet | None]) -> AppliedLabelSet:
    """Add the label set that a body, or one question of a body, names."""
    name = body.get("label_set") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(name, str) or not is_label_set_name(name):
        return AppliedLabelSet(body)
    if body.get("labels") is not None:
        return AppliedLabelSet(body, faults=(Fault("label_set", "can't be combined with `labels`: send one of the two"),))
    label_set = read(name)
    if label_set is None:
        return AppliedLabelSet(body, faults=(unknown_label_set(name),))
    return AppliedLabelSet(label_set.apply_to(body), LabelSetRef(name=name, version=label_set.version))


def unknown_label_set(name: str) -> Fault:
    """Return the fault of a request that names a label set that doesn't exist."""
    return Fault("label_set", f"there is none called {name!r}; GET /v1/label-sets lists yours")
