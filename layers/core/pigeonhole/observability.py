"""Logs, traces and metrics of a function. What callers send (samples, labels, URLs, keys) is in none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from traceback import extract_tb
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Pigeonhole"
# The functions whose AWS calls X-Ray may note. It notes an S3 object's key, which is what a caller of classify sends; the
# api's own keys have ids and names of label sets, and of its other calls it notes the table, the function and the queue.
CALLS_TRACED = ("api",)

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Observer:
    """A function's own logger, tracer and metrics. `service`: the function's name, the only dimension of most metrics."""

    service: str
    logger: Logger
    tracer: Tracer
    metrics: Metrics

    def count(self, name: str, value: float = 1) -> None:
        self.metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)

    def milliseconds(self, name: str, value: float) -> None:
        self.metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value)

    def failed(self, code: str) -> None:
        """Count an answer with an error: all together, and by its code, one of the few of errors.py."""
        self.count("errors")
        dimensions = {"service": self.service}
        with single_metric(
            name="errors", unit=MetricUnit.Count, value=1, namespace=NAMESPACE, default_dimensions=dimensions
        ) as metric:
            metric.add_dimension("code", code)


@cache
def observer(service: str) -> Observer:
    """The observer of a function, made at the first call: Powertools reads the environment."""
    return Observer(
        service=service,
        logger=Logger(service=service),
        tracer=Tracer(service=service, auto_patch=service in CALLS_TRACED, patch_modules=["botocore"]),
        metrics=Metrics(namespace=NAMESPACE, service=service),
    )


def observed(service: str, *, log_id_path: str) -> Callable[[Handler], Handler]:
    """Give a Lambda handler its logs, trace and metrics. `log_id_path`: where in the event the log_id is (JMESPath)."""

    def wrap(handler: Handler) -> Handler:
        @cache
        def instrumented() -> Handler:
            own = observer(service)
            # An answer in a trace would show predictions, an exception might quote its input.
            traced = own.tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False)
            metered = own.metrics.log_metrics(traced, capture_cold_start_metric=True)
            logged: Handler = own.logger.inject_lambda_context(metered, correlation_id_path=log_id_path, clear_state=True)
            return logged

        @wraps(handler)
        def observed_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
            return instrumented()(event, context)

        return observed_handler

    return wrap


def places_of(error: BaseException | None) -> list[str]:
    """Where an exception came from, and those behind it: kinds, files and lines, and nothing of their messages."""
    places: list[str] = []
    while error:
        places.append(type(error).__qualname__)
        places += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    return places
