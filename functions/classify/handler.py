"""Lambda handler that runs one command of functions/api.

It classifies samples, stores the images of a label set, or describes the loaded model.
"""

# ruff: noqa: E402 - a decode process starts before the imports that take long

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from pigeonhole.wiring import lambda_start

lambda_start.start_decode_process()

# The engine and the libraries of the image are imported here, so that a broken image fails at its start with a clear error. The
# weights load at the first call, because that may take longer than the 10 s that Lambda allows for a start on demand.
import pigeonhole.inference.encoders.onnx_encoder
import pigeonhole.inference.pipeline  # noqa: F401
from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import (
    COMMAND,
    ClassifyCommand,
    ClassifyReply,
    DescribeCommand,
    ErrorReply,
    StoreLabelImagesCommand,
)
from pigeonhole.errors import InternalError, PigeonholeError
from pigeonhole.observability import observed, observer, stack_trace
from pigeonhole.wiring import inference, settings

# Requests that need them import these, because some take long: boto3 0.2 s. An image without them must fail at its start
# nevertheless.
for package in ("PIL", "boto3", "emoji", "httpx", "pi_heif"):
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)

inference.load_ahead()


def services() -> inference.ClassifyServices:
    """Return the function's services. The first call loads the model."""
    return inference.classify_services(settings())


@observed("classify", log_id_path="log_id")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Run a command, and return a ClassifyReply as JSON. Errors are replies, never exceptions."""
    reply = _reply(event)
    _observe(reply)
    answer: dict[str, Any] = reply.model_dump(mode="json", exclude_none=True)
    return answer


def _reply(event: dict[str, Any]) -> ClassifyReply:
    try:
        classify_services = services()
    except Exception as error:
        observer("classify").logger.error("the model can't be loaded", exc_info=error)
        return _to_reply(InternalError())
    try:
        return _run(event, classify_services)
    except PigeonholeError as error:
        return _to_reply(error)
    except Exception as error:  # The message may quote a sample, which no log may hold.
        observer("classify").logger.error("unexpected error", trace=stack_trace(error))
        return _to_reply(InternalError())


def _run(event: dict[str, Any], classify_services: inference.ClassifyServices) -> ClassifyReply:
    command = COMMAND.validate_python(event, context=classify_services.limits)
    if isinstance(command, DescribeCommand):
        return ClassifyReply(model=classify_services.pipeline.describe())
    if isinstance(command, StoreLabelImagesCommand):
        return ClassifyReply(stored=classify_services.label_images.store(command))
    return _classify(command, classify_services)


def _classify(command: ClassifyCommand, classify_services: inference.ClassifyServices) -> ClassifyReply:
    results = classify_services.pipeline.ask(command)
    if isinstance(command.request, ClassificationRequest):
        return ClassifyReply(result=results[0])
    return ClassifyReply(answers=results, model=classify_services.pipeline.describe())


def _to_reply(error: PigeonholeError) -> ClassifyReply:
    return ClassifyReply(error=ErrorReply.from_error(error))


def _observe(reply: ClassifyReply) -> None:
    """Write the metrics and the log line of a command."""
    telemetry = observer("classify")
    telemetry.count("commands")
    if reply.error:
        telemetry.count_error(reply.error.code)
    if reply.results:
        telemetry.count("samples", len(reply.results[0].predictions))
        telemetry.record_ms("inference_ms", reply.results[0].inference_ms)
    telemetry.logger.info("answered", code=reply.error.code if reply.error else "ok")
