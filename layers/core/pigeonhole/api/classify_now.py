"""Answer a classification request while the caller waits: ask the classifier once, shape the answer."""

from __future__ import annotations

from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse
from pigeonhole.contract.messages import ClassifyCommand, ClassifyReply, PartResults
from pigeonhole.errors import InternalError, PigeonholeError
from pigeonhole.jobs.job import Span
from pigeonhole.jobs.results import Collected, as_error, collect, prediction
from pigeonhole.ports import ClassifierClient
from pigeonhole.tenants.tenant import Tenant


class ClassifyNow:
    """The direct way: functions/classify is invoked and waited for."""

    def __init__(self, classifier: ClassifierClient) -> None:
        self._classifier = classifier

    def __call__(self, request: ClassificationRequest, *, tenant: Tenant, log_id: str) -> ClassificationResponse:
        """Classify a request's samples.

        Raises the SampleError of an unreadable image, and what ClassifierClient.call raises.
        """
        command = ClassifyCommand(log_id=log_id, tenant_id=tenant.id, grants=tenant.grants, request=request)
        reply = self._classifier.call(command)
        if reply.result is None:
            raise error_of(reply)
        count = len(request.dataset)
        return shaped(request, collect(count, [(Span(0, count), PartResults(result=reply.result))]), log_id)


def error_of(reply: ClassifyReply) -> PigeonholeError:
    """The error of a reply that holds no result, as it was raised on the other side."""
    return InternalError() if reply.error is None else as_error(reply.error)


def shaped(request: ClassificationRequest, found: Collected, log_id: str) -> ClassificationResponse:
    """Shape results as the request asked for them: a field that wasn't asked for is None and doesn't show, warnings aside."""
    return ClassificationResponse(
        log_id=log_id,
        predictions=[prediction(chosen, multiple=request.multiple_labels) for chosen in found.predictions],
        scores=found.scores if request.scores else None,
        errors=found.errors if request.on_error == "null" else None,
        warnings=found.warnings or None,
        _usage=found.usage,
    )
