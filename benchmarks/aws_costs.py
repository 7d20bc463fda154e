"""The price of jobs and uploads on AWS: calls that were counted on the local stack, at list prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark_stack import Usage
from pigeonhole.bulk.costs import prices

# USD per million.
PRICES = {
    "write units": prices.DYNAMODB_USD_PER_WRITE_UNIT * 1e6,
    "read units": prices.DYNAMODB_USD_PER_READ_UNIT * 1e6,
    "PUT requests": prices.S3_USD_PER_PUT * 1e6,
    "GET requests": prices.S3_USD_PER_GET * 1e6,
    "SQS requests": prices.SQS_USD_PER_REQUEST * 1e6,
    "events": prices.EVENTBRIDGE_USD_PER_EVENT * 1e6,
    "runs": prices.LAMBDA_USD_PER_RUN * 1e6,
    "GB-s": prices.LAMBDA_ARM64_USD_PER_GB_S * 1e6,
    "API requests": prices.API_GATEWAY_USD_PER_REQUEST * 1e6,
    "GB of logs": prices.LOGS_USD_PER_GB * 1e6,
    "traces": prices.XRAY_USD_PER_TRACE * 1e6,
}
# AWS bills these by the content of a call, which recording_server.py notes, and not by the call.
WRITES, READS, EVENTS = "DynamoDB: items written", "DynamoDB: reads", "EventBridge: sent"
BILLED_PER_CALL = {
    "S3: objects written": "PUT requests",
    "S3: objects read": "GET requests",
    "S3: tags written": "PUT requests",
    "S3: tags read": "GET requests",
    "SQS: sent": "SQS requests",
    "SQS: put off": "SQS requests",
}
ITEM_BY_ACTION = {
    **{f"dynamodb:{call}": WRITES for call in ("PutItem", "UpdateItem", "DeleteItem")},
    **{f"dynamodb:{call}": READS for call in ("GetItem", "BatchGetItem", "Query")},
    "s3:PutObject": "S3: objects written",
    **{f"s3:{call}": "S3: objects read" for call in ("GetObject", "GetObjectVersion")},
    "s3:PutObjectVersionTagging": "S3: tags written",
    "s3:GetObjectVersionTagging": "S3: tags read",
    **{f"sqs:{call}": "SQS: sent" for call in ("SendMessage", "SendMessageBatch")},
    "sqs:ChangeMessageVisibility": "SQS: put off",
    "events:PutEvents": EVENTS,
}
SQS_CALLS_PER_CHUNK = 2  # Lambda receives and deletes each message; ministack does so without calls that could be counted
FUNCTIONS_WITHOUT_JOBS = ("SweepFunction",)  # runs once a minute, with or without jobs
QUEUE_READERS = ("WorkerFunction", "PlanFunction")  # a message has a run of its own
UNBILLED = ("lambda:InvokeFunction",)  # the run that it starts is billed


@dataclass(frozen=True)
class Cost:
    """One line of the table: the cost of one item, for 1,000 samples or uploads.

    Attributes:
        what: The billed item.
        by: How many calls each function made.
        billed: How many of `unit` AWS bills.
        unit: A key of `PRICES`.
    """

    what: str
    by: Mapping[str, float]
    billed: float
    unit: str

    @property
    def dollars(self) -> float:
        """The price in US dollars."""
        return self.billed * PRICES[self.unit] / 1e6

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells."""
        by = ", ".join(f"{name} {_short(count)}" for name, count in sorted(self.by.items()))
        return (self.what, _short(sum(self.by.values())), by, f"{_short(self.billed)} {self.unit}", f"{self.dollars:.6f}")


def costs(usages: Sequence[Usage], samples: int) -> list[Cost]:
    """Compute the costs per 1,000 samples.

    Args:
        usages: What was counted.
        samples: The number of samples in all of them.

    Raises:
        KeyError: A counted call has no price here.
    """
    scale = 1000 / samples
    calls: dict[str, dict[str, float]] = {item: {} for item in ITEM_BY_ACTION.values()}
    for call in _of_jobs(call for usage in usages for call in usage.calls):
        _add(calls[ITEM_BY_ACTION[call["action"]]], call["function"], scale)
    units = {"read": 0.0, "write": 0.0, "events": 0.0}
    for line in _of_jobs(line for usage in usages for line in usage.units):
        for unit in units:
            units[unit] += line[unit] * scale
    runs: dict[str, float] = {}
    gigabyte_seconds: dict[str, float] = {}
    for invocation in (invocation for usage in usages for invocation in usage.invocations):
        if invocation.function not in FUNCTIONS_WITHOUT_JOBS:
            _add(runs, invocation.function, scale)
            _add(gigabyte_seconds, invocation.function, invocation.seconds * invocation.megabytes / 1024 * scale)
    messages = sum(len(usage.runs_of(name)) for usage in usages for name in QUEUE_READERS)
    sqs_calls_of_lambda = messages * SQS_CALLS_PER_CHUNK * scale
    return [
        Cost(WRITES, calls[WRITES], units["write"], "write units"),
        Cost(READS, calls[READS], units["read"], "read units"),
        *(Cost(item, by, sum(by.values()), unit) for item, unit in BILLED_PER_CALL.items() if (by := calls[item])),
        *([Cost(EVENTS, calls[EVENTS], units["events"], "events")] if calls[EVENTS] else []),
        Cost("SQS: received and deleted", {"Lambda": sqs_calls_of_lambda}, sqs_calls_of_lambda, "SQS requests"),
        Cost("Lambda: runs", runs, sum(runs.values()), "runs"),
        Cost("Lambda: memory and time, at this machine's speed", gigabyte_seconds, sum(gigabyte_seconds.values()), "GB-s"),
    ]


def _of_jobs(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (line for line in lines if line["function"] not in FUNCTIONS_WITHOUT_JOBS and line.get("action") not in UNBILLED)


def _add(counts: dict[str, float], function: str, count: float) -> None:
    name = function.removesuffix("Function")
    counts[name] = counts.get(name, 0.0) + count


def _short(count: float) -> str:
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def total(lines: Sequence[Cost]) -> float:
    """Add up the lines: US dollars for 1,000 samples or uploads."""
    return sum(cost.dollars for cost in lines)


def table(lines: Sequence[Cost], of: str = "samples") -> str:
    """Format the costs as a Markdown table, with their sum.

    Args:
        lines: The costs.
        of: The plural of what they are the costs of.
    """
    head = (f"for 1,000 {of}", "calls", "by", "billed", "USD")
    last = ("all of it", "", "", "", f"{total(lines):.6f}")
    rows = [head, ("---", "---:", "---", "---:", "---:"), *(cost.cells() for cost in lines), last]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
