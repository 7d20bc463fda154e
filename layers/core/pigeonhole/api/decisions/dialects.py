"""Shape errors, headers and the list of models for the client that sent a request.

A client is known by the path, which only its clients call, or by its headers. Every other client gets the contract's shapes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pigeonhole.api import http_answers
from pigeonhole.api.answers import to_model_info
from pigeonhole.api.decisions import openai, typesafe
from pigeonhole.api.http_answers import JSON, HttpAnswer, to_ok, to_sized_answer
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.api.rate_headers import RateState
from pigeonhole.contract.commands import ModelDescription
from pigeonhole.contract.decisions.openai import DECISIONS
from pigeonhole.contract.decisions.openai_answers import DecisionResponse, OpenAiError, OpenAiErrorResponse
from pigeonhole.contract.decisions.typesafe import SYSTEM_ONE, FaultDetail, SystemOneResponse, TypeSafeErrorResponse
from pigeonhole.contract.service import MODELS, ModelsResponse
from pigeonhole.contract.validation import LocatedFault
from pigeonhole.errors import Fault, InvalidRequest, PigeonholeError, SampleError, TooLarge

Client = Literal["openai", "typesafe"]

# By HTTP status, as OpenAI names the kinds of errors. Others below 500 are faults of the request.
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def find_client(request: HttpRequest) -> Client | None:
    """Return the client whose shapes the answer to a request has, None for the contract's own."""
    if request.path == DECISIONS:
        return "openai"
    if request.path == SYSTEM_ONE:
        return "typesafe"
    if request.path != MODELS:
        return None
    user_agent = request.headers.get("user-agent", "").lower()
    if "x-typesafe-sdk" in request.headers or user_agent.startswith("typesafe-sdk"):
        return "typesafe"
    return "openai" if user_agent.startswith(("openai/", "asyncopenai/", "litellm/")) else None


def to_decision_answer(response: DecisionResponse | SystemOneResponse) -> HttpAnswer:
    """Answer 200 with a response in the shape of a client. Its fields may be null, but `warnings` is left out then.

    Raises:
        TooLarge: Lambda can't carry the answer.
    """
    return to_sized_answer(response.model_dump_json(exclude=None if response.warnings else {"warnings"}))


def to_models_answer(model: ModelDescription, request: HttpRequest) -> HttpAnswer:
    """Answer 200 with the list of deployed models in the shape of the client."""
    match find_client(request):
        case "openai":
            return to_ok(openai.list_models(model))
        case "typesafe":
            return to_ok(typesafe.list_models(model))
    return to_ok(ModelsResponse(log_id=request.log_id, models=[to_model_info(model)]))


def client_headers(request: HttpRequest, rate: RateState, now: float) -> dict[str, str]:
    """Return the headers that the client of a request reads, beside those of every answer.

    Args:
        request: The request.
        rate: How many requests the tenant has left in the quota's period.
        now: Seconds since 1970.
    """
    client = find_client(request)
    if client == "typesafe":
        return {"x-typesafe-request-id": request.log_id}
    if client == "openai":
        return {
            "x-request-id": request.log_id,
            "x-ratelimit-limit-requests": str(rate.limit),
            "x-ratelimit-remaining-requests": str(rate.remaining),
            "x-ratelimit-reset-requests": f"{max(0, round(rate.reset_ms / 1000 - now))}s",
        }
    return {}


def to_error_answer(error: PigeonholeError, request: HttpRequest) -> HttpAnswer:
    """Answer with an error in the shape of the client, or in that of RFC 9457 if the caller prefers it."""
    answer = http_answers.to_error_answer(error, request)
    client = find_client(request)
    if client is None or request.accepts_problem_json:
        return answer
    if client == "openai":
        return replace(answer, body=_to_openai_error(error).model_dump_json(), content_type=JSON)
    faults = _to_details(error) if is_value_fault(type(error)) else None
    body = TypeSafeErrorResponse(detail=faults or error.message)
    return replace(answer, status=422 if faults else error.status, body=body.model_dump_json(), content_type=JSON)


def is_value_fault(error: type[PigeonholeError]) -> bool:
    """Whether an error is a fault of a value in the body, which TypeSafe's clients get as 422."""
    return issubclass(error, InvalidRequest | SampleError) and not issubclass(error, TooLarge)


def _to_openai_error(error: PigeonholeError) -> OpenAiErrorResponse:
    kind = "server_error" if error.status >= 500 else _OPENAI_TYPES.get(error.status, "invalid_request_error")
    param = _to_param(error.details[0]) if error.details else None
    return OpenAiErrorResponse(error=OpenAiError(message=error.message, type=kind, code=error.code, param=param))


def _to_param(fault: Fault) -> str | None:
    """Write the path of a fault as OpenAI does: `questions[3].choices`."""
    parts = fault.location if isinstance(fault, LocatedFault) else fault.path.split(".")
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".") or None


def _to_details(error: PigeonholeError) -> list[FaultDetail]:
    return [
        FaultDetail(
            loc=["body", *(fault.location if isinstance(fault, LocatedFault) else fault.path.split("."))],
            msg=fault.message,
            type=fault.kind if isinstance(fault, LocatedFault) else "value_error",
        )
        for fault in error.details
    ] or [FaultDetail(loc=["body"], msg=error.message, type="value_error")]
