"""What jobs and uploads cost on AWS: what was counted on the local stack, and list prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from job_stack import Counts

# USD per million, us-east-1, on demand, arm64, without the free tier; as of 26 November 2026.
PRICES = {
    "write units": 0.625,
    "read units": 0.125,
    "PUT requests": 5.00,
    "GET requests": 0.40,
    "SQS requests": 0.40,
    "events": 1.00,
    "runs": 0.20,
    "GB-s": 13.3334,
}
# Paid for by what recording_server.py notes of a call, and not by the call.
WRITTEN, READ, TOLD = "DynamoDB: items written", "DynamoDB: reads", "EventBridge: sent"
PAID_PER_CALL = {
    "S3: objects written": "PUT requests",
    "S3: objects read": "GET requests",
    "S3: tags written": "PUT requests",
    "S3: tags read": "GET requests",
    "SQS: sent": "SQS requests",
    "SQS: put off": "SQS requests",
}
KINDS = {
    **{f"dynamodb:{call}": WRITTEN for call in ("PutItem", "UpdateItem", "DeleteItem")},
    **{f"dynamodb:{call}": READ for call in ("GetItem", "BatchGetItem", "Query")},
    "s3:PutObject": "S3: objects written",
    **{f"s3:{call}": "S3: objects read" for call in ("GetObject", "GetObjectVersion")},
    "s3:PutObjectVersionTagging": "S3: tags written",
    "s3:GetObjectVersionTagging": "S3: tags read",
    **{f"sqs:{call}": "SQS: sent" for call in ("SendMessage", "SendMessageBatch")},
    "sqs:ChangeMessageVisibility": "SQS: put off",
    "events:PutEvents": TOLD,
}
LAMBDAS_OWN = 2  # calls to SQS for a message: Lambda receives it and deletes it, which ministack does without asking
NOT_OF_A_JOB = ("SweepFunction",)  # once a minute, whatever there is


@dataclass(frozen=True)
class Cost:
    """One line of the table: what 1,000 of something take. `by`: how much of it each function asked for; `billed`: how many of
    `unit` are paid for."""

    what: str
    by: Mapping[str, float]
    billed: float
    unit: str

    @property
    def dollars(self) -> float:
        return self.billed * PRICES[self.unit] / 1e6

    def cells(self) -> tuple[str, ...]:
        by = ", ".join(f"{name} {_short(count)}" for name, count in sorted(self.by.items()))
        return (self.what, _short(sum(self.by.values())), by, f"{_short(self.billed)} {self.unit}", f"{self.dollars:.6f}")


def costs(runs: Sequence[Counts], samples: int) -> list[Cost]:
    """Count what `runs`, of `samples` in all, took: for 1,000 of them. Raises KeyError for a call that has no kind here."""
    scale = 1000 / samples
    calls: dict[str, dict[str, float]] = {kind: {} for kind in KINDS.values()}
    for line in _of_jobs(line for run in runs for line in run.calls):
        _add(calls[KINDS[line["action"]]], line["function"], scale)
    units = {"read": 0.0, "write": 0.0, "events": 0.0}
    for line in _of_jobs(line for run in runs for line in run.units):
        for kind in units:
            units[kind] += line[kind] * scale
    started: dict[str, float] = {}
    spent: dict[str, float] = {}
    for it in (it for run in runs for it in run.invocations if it.function not in NOT_OF_A_JOB):
        _add(started, it.function, scale)
        _add(spent, it.function, it.seconds * it.megabytes / 1024 * scale)
    of_lambda = sum(run.chunks for run in runs) * LAMBDAS_OWN * scale
    found = [
        Cost(WRITTEN, calls[WRITTEN], units["write"], "write units"),
        Cost(READ, calls[READ], units["read"], "read units"),
        *(Cost(kind, by, sum(by.values()), unit) for kind, unit in PAID_PER_CALL.items() if (by := calls[kind])),
        *([Cost(TOLD, calls[TOLD], units["events"], "events")] if calls[TOLD] else []),
        Cost("SQS: received and deleted", {"Lambda": of_lambda}, of_lambda, "SQS requests"),
        Cost("Lambda: runs", started, sum(started.values()), "runs"),
        Cost("Lambda: memory and time, at this machine's speed", spent, sum(spent.values()), "GB-s"),
    ]
    return found


def _of_jobs(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (line for line in lines if line["function"] not in NOT_OF_A_JOB)


def _add(to: dict[str, float], function: str, count: float) -> None:
    name = function.removesuffix("Function")
    to[name] = to.get(name, 0.0) + count


def _short(count: float) -> str:
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def total(found: Sequence[Cost]) -> float:
    """US dollars for 1,000."""
    return sum(cost.dollars for cost in found)


def table(found: Sequence[Cost], of: str = "samples") -> str:
    """Format as Markdown, with the sum. `of`: what is counted by the thousand."""
    head = (f"for 1,000 {of}", "calls", "by", "billed", "USD")
    last = ("all of it", "", "", "", f"{total(found):.6f}")
    lines = [head, ("---", "---:", "---", "---:", "---:"), *(cost.cells() for cost in found), last]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
