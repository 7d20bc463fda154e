"""Answer a classification request while the caller waits: validate, ask the classifier once, shape the answer."""

from __future__ import annotations

from pigeonhole.contract import ClassificationRequest, ClassificationResponse, RequestLimits, Usage, parse_request
from pigeonhole.errors import Fault, InternalError, PigeonholeError, from_code
from pigeonhole.messages import ChunkResult, ClassifyCommand, ClassifyReply, ErrorReply
from pigeonhole.ports import ClassifierClient
from pigeonhole.tenants import Tenant


class ClassifyNow:
    """The service behind `POST /v1/classification`."""

    def __init__(self, classifier: ClassifierClient, limits: RequestLimits) -> None:
        self._classifier = classifier
        self._limits = limits

    def __call__(self, body: object, *, tenant: Tenant, log_id: str) -> ClassificationResponse:
        """Classify what a decoded JSON body holds.

        Raises InvalidRequest with every fault of the body, the SampleError of an unreadable image, and what
        ClassifierClient.call raises.
        """
        request = parse_request(body, self._limits)
        command = ClassifyCommand(log_id=log_id, tenant_id=tenant.id, grants=tenant.grants, request=request)
        reply = self._classifier.call(command)
        if reply.result is None:
            raise error_of(reply)
        return _response(request, reply.result, log_id)


def error_of(reply: ClassifyReply) -> PigeonholeError:
    """The error of a reply that holds no result, as it was raised on the other side."""
    if reply.error is None:
        return InternalError()
    return _rebuilt(reply.error)


def _rebuilt(error: ErrorReply) -> PigeonholeError:
    details = tuple(Fault(detail.get("path", ""), detail.get("message", "")) for detail in error.details)
    return from_code(error.code, error.message, details)


def _response(request: ClassificationRequest, result: ChunkResult, log_id: str) -> ClassificationResponse:
    """Shape a result as the request asked for it: a field that wasn't asked for is None and doesn't show, warnings aside."""
    return ClassificationResponse(
        log_id=log_id,
        predictions=[_prediction(chosen, multiple=request.multiple_labels) for chosen in result.predictions],
        scores=result.scores if request.scores else None,
        errors=list(result.errors) if request.on_error == "null" else None,
        warnings=list(result.warnings) or None,
        _usage=Usage(
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            inference_time_tokens=result.inference_ms,
            total_tokens=result.input_tokens + result.output_tokens + result.inference_ms,
        ),
    )


def _prediction(chosen: list[str] | None, *, multiple: bool) -> str | list[str] | None:
    """One sample's prediction: null where it couldn't be read, else the best label, or all chosen ones."""
    if chosen is None:
        return None
    return chosen if multiple else chosen[0]
