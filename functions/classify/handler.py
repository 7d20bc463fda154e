"""Run one command of functions/api: classify samples, keep a label set's images, or tell what model is loaded."""

from __future__ import annotations

from typing import Any

# The engine and the libraries of the image are imported here, so that a broken image fails while it starts and says why. The
# weights load at the first call: that may take longer than the 10 s that Lambda gives a start.
import boto3.session  # noqa: F401

import pigeonhole.inference.encoders.onnx_encoder
import pigeonhole.inference.pipeline  # noqa: F401
from pigeonhole import wiring
from pigeonhole.contract.messages import COMMAND, ClassifyReply, DescribeCommand, StoreLabelImagesCommand, as_reply
from pigeonhole.errors import InternalError, PigeonholeError
from pigeonhole.observability import observed, observer, stack_trace


def services() -> wiring.ClassifyServices:
    return wiring.classify_services(wiring.settings())


@observed("classify", log_id_path="log_id")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    reply = _reply(event)
    _record(reply)
    answer: dict[str, Any] = reply.model_dump(mode="json", exclude_none=True)
    return answer


def _reply(event: dict[str, Any]) -> ClassifyReply:
    try:
        own = services()
    except Exception as error:
        observer("classify").logger.error("the model can't be loaded", exc_info=error)
        return _error(InternalError())
    try:
        return _run(event, own)
    except PigeonholeError as error:
        return _error(error)
    except Exception as error:  # its message may quote a sample, which no log may hold
        observer("classify").logger.error("unexpected error", trace=stack_trace(error))
        return _error(InternalError())


def _run(event: dict[str, Any], own: wiring.ClassifyServices) -> ClassifyReply:
    command = COMMAND.validate_python(event, context=own.limits)
    if isinstance(command, DescribeCommand):
        return ClassifyReply(model=own.describe())
    if isinstance(command, StoreLabelImagesCommand):
        return ClassifyReply(kept=own.keep_images(command))
    return ClassifyReply(result=own.pipeline.classify(command))


def _error(error: PigeonholeError) -> ClassifyReply:
    return ClassifyReply(error=as_reply(error))


def _record(reply: ClassifyReply) -> None:
    seen = observer("classify")
    seen.count("commands")
    if reply.error:
        seen.failed(reply.error.code)
    if reply.result:
        seen.count("samples", len(reply.result.predictions))
        seen.milliseconds("inference_ms", reply.result.inference_ms)
    seen.logger.info("answered", code=reply.error.code if reply.error else "ok")
