"""Logs, traces and metrics of a function. None of them holds what callers send: samples, labels, URLs or API keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from traceback import extract_tb
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from pigeonhole.settings import MissingSetting

NAMESPACE = "Pigeonhole"  # of metrics, where the environment names none
# The functions whose AWS calls X-Ray may record. X-Ray records the object key of each S3 call. In classify and worker a caller
# chooses that object key; in the api it holds only ids and names of label sets. Lambda itself records every invocation. So the
# other functions don't load the library of X-Ray, which takes 0.3 s of each start.
CALLS_TRACED = ("api",)
# Fields of Powertools' log lines that are the same in all lines of a function. CloudWatch bills each byte.
CONSTANT_FIELDS = frozenset(("function_arn", "function_memory_size", "function_name"))

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Observer:
    """The logger and the metrics of one function.

    Attributes:
        service: The function's name, which is the only dimension of most metrics.
        logger: Writes JSON lines.
        metrics: Collects metrics in CloudWatch's embedded format.
    """

    service: str
    logger: Logger
    metrics: Metrics

    def count(self, name: str, value: float = 1) -> None:
        """Add to a metric that counts."""
        self.metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)

    def record_ms(self, name: str, value_ms: float) -> None:
        """Add a duration to a metric."""
        self.metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value_ms)

    def count_error(self, code: str) -> None:
        """Count an error twice: among all errors, and by its code."""
        self.count("errors")
        dimensions = {"service": self.service}
        with single_metric(
            name="errors", unit=MetricUnit.Count, value=1, namespace=self.metrics.namespace, default_dimensions=dimensions
        ) as metric:
            metric.add_dimension("code", code)

    def report_failure(self, error: BaseException | None, *, code: str, message: str, **fields: Any) -> None:
        """Count an error and log where it happened, without its message, which may quote what a caller sent.

        Args:
            error: The exception, None if there was none.
            code: The code that the error is counted by.
            message: What failed, for the log.
            **fields: Further fields of the log line.
        """
        self.count_error(code)
        self.logger.error(message, **fields, trace=stack_trace(error))

    @contextmanager
    def failures_reported(self, *, code: str, message: str, **fields: Any) -> Iterator[None]:
        """Report an exception of the block as `report_failure` does, and raise it again."""
        try:
            yield
        except Exception as error:
            self.report_failure(error, code=code, message=message, **fields)
            raise


@cache
def observer(service: str) -> Observer:
    """Return the function's observer. The first call creates it, because Powertools reads the environment.

    The namespace of the metrics is POWERTOOLS_METRICS_NAMESPACE. The template names the stack in it, so that two stacks of an
    account have metrics, alarms and dashboards of their own.
    """
    metrics = Metrics(service=service)
    metrics.namespace = metrics.namespace or NAMESPACE
    return Observer(
        service=service,
        logger=Logger(service=service, json_serializer=to_log_line),
        metrics=metrics,
    )


def to_log_line(fields: dict[str, Any]) -> str:
    """Format a log line as JSON, without what is the same in all lines of a function."""
    varying = {name: value for name, value in fields.items() if name not in CONSTANT_FIELDS}
    return json.dumps(varying, default=str, separators=(",", ":"), ensure_ascii=False)


def observed(service: str, *, log_id_path: str) -> Callable[[Handler], Handler]:
    """Decorate a Lambda handler with its logs, trace and metrics.

    Args:
        service: The function's name.
        log_id_path: The JMESPath of the log_id in the event.

    Returns:
        A decorator for the handler.
    """

    def wrap(handler: Handler) -> Handler:
        @cache
        def instrumented() -> Handler:
            telemetry = observer(service)
            traced = _traced(service, handler) if service in CALLS_TRACED else handler
            metered = telemetry.metrics.log_metrics(traced, capture_cold_start_metric=True)
            logged: Handler = telemetry.logger.inject_lambda_context(metered, correlation_id_path=log_id_path, clear_state=True)
            return logged

        @wraps(handler)
        def observed_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
            return instrumented()(event, context)

        return observed_handler

    return wrap


def _traced(service: str, handler: Handler) -> Handler:
    """Decorate a handler so that X-Ray gets its AWS calls."""
    tracer = Tracer(service=service, patch_modules=["botocore"])
    # An answer in a trace would show predictions, and an exception may quote its input.
    traced: Handler = tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False)
    return traced


def stack_trace(error: BaseException | None) -> list[str]:
    """List the classes, files and lines of an exception and of the exceptions that caused it, without their messages.

    A message may quote what a caller sent, which no log may hold. Only the message of a MissingSetting is safe.
    """
    lines: list[str] = []
    while error:
        name = type(error).__qualname__
        lines.append(f"{name}: {error}" if isinstance(error, MissingSetting) else name)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    return lines
