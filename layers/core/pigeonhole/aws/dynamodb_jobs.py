"""Jobs, their parts and Idempotency-Keys in the one table.

    pk                          sk                holds
    JOBS#<tenant id>            <job id>          a job; ids sort by time
    PARTS#<tenant id>#<job id>  <first sample>    what became of a span of its samples, six digits
    CLAIMS#<tenant id>          <key's SHA-256>   the job that an Idempotency-Key stands for

    index        hash key                    range key   has
    by-status    <tenant id>#<status>        sk          every job
    agenda       JOBS                        due_at      the jobs that something is left to do for

Both indexes hold keys alone, so a job that only progresses changes neither; the jobs are then read from the table.
`expires_at`: when the table may forget an item. `announcement`: what the table's stream is filtered by (functions/notify).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from pigeonhole.aws.dynamodb import Item, call, get_item, get_items, query_all, why_canceled
from pigeonhole.contract.classification import LabelSetRef
from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.messages import Span
from pigeonhole.jobs.job import ALLOWED_BEFORE, IdempotencyClaim, Job, NotificationStatus, Part
from pigeonhole.jobs.ports import DueJobs
from pigeonhole.jobs.webhook import Attempt, Webhook
from pigeonhole.ports import Page

BY_STATUS, AGENDA = "by-status", "agenda"
_TAKEN = "ConditionalCheckFailed"
_BUSY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class DynamoJobStore:
    """The JobStore of a deployment. `client`: a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, job: Job, claim: IdempotencyClaim | None) -> bool:
        puts: list[Item] = [{"Item": _item_of(job), "ConditionExpression": "attribute_not_exists(pk)"}]
        if claim:
            puts.append(
                {
                    "Item": _item_of_claim(claim),
                    "ConditionExpression": "attribute_not_exists(pk) OR expires_at <= :now",
                    "ExpressionAttributeValues": {":now": {"N": str(int(job.created_at))}},
                }
            )
        return self._write(puts)

    def find_claim(self, tenant_id: str, key_hash: str) -> IdempotencyClaim | None:
        item = get_item(self._client, self._table, _at_claim(tenant_id, key_hash))
        return _claim_of(item) if item else None

    def get(self, tenant_id: str, job_id: str) -> Job | None:
        item = get_item(self._client, self._table, _at(tenant_id, job_id))
        return _job_of(item) if item else None

    def save(self, job: Job, part: Part | None = None) -> bool:
        # The version alone would do; the state is named so that no writer, whatever it read, can write an illegal one.
        before = {job.status, *ALLOWED_BEFORE[job.status]}
        states = {f":s{number}": {"S": status} for number, status in enumerate(sorted(before))}
        puts: list[Item] = [
            {
                "Item": _item_of(job),
                "ConditionExpression": f"version = :version AND #status IN ({', '.join(states)})",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":version": {"N": str(job.version - 1)}, **states},
            }
        ]
        if part:
            puts.append({"Item": _item_of_part(job, part), "ConditionExpression": "attribute_not_exists(pk)"})
        return self._write(puts)

    def list_part_spans(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        found = query_all(
            self._client,
            self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": _parts_of(tenant_id, job_id)},
                ":first": {"S": _place(within.start)},
                ":last": {"S": _place(within.stop - 1)},
            },
            ProjectionExpression="sk, stop",
        )
        return [_span_of(item) for item in found]

    def list_parts(self, tenant_id: str, job_id: str) -> list[Part]:
        found = query_all(
            self._client,
            self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _parts_of(tenant_id, job_id)}},
        )
        return [_part_of(item) for item in found]

    def list_page(self, tenant_id: str, status: JobStatus | None, limit: int, start: str | None) -> Page[Job]:
        of_status = status is not None
        pk = f"{tenant_id}#{status}" if of_status else f"JOBS#{tenant_id}"
        hash_key = "tenant_status" if of_status else "pk"
        query: Item = {
            "KeyConditionExpression": f"{hash_key} = :pk" + (" AND sk < :start" if start else ""),
            "ExpressionAttributeValues": {":pk": {"S": pk}, **({":start": {"S": start}} if start else {})},
            "ScanIndexForward": False,
            "Limit": limit + 1,
        }
        if of_status:
            found = call(self._client.query, TableName=self._table, IndexName=BY_STATUS, **query)["Items"]
            # The index may be behind: what it names may be in another state by now.
            jobs = [job for job in map(_job_of, self._items(found[:limit])) if job.status is status]
        else:
            found = call(self._client.query, TableName=self._table, ConsistentRead=True, **query)["Items"]
            jobs = [_job_of(item) for item in found[:limit]]
        return Page(jobs, next=found[limit - 1]["sk"]["S"] if len(found) > limit else None)

    def list_due(self, now: float, limit: int, start: object | None = None) -> DueJobs:
        found = call(
            self._client.query,
            TableName=self._table,
            IndexName=AGENDA,
            KeyConditionExpression="agenda = :jobs AND due_at <= :now",
            ExpressionAttributeValues={":jobs": {"S": "JOBS"}, ":now": {"N": repr(now)}},
            Limit=limit,
            **({"ExclusiveStartKey": start} if start else {}),
        )
        jobs, unreadable = [], []
        for item in self._items(found["Items"]):
            try:
                jobs.append(_job_of(item))
            except (KeyError, ValueError):
                unreadable.append(item["sk"]["S"])
        return DueJobs(jobs, unreadable, found.get("LastEvaluatedKey"))

    def _items(self, keys: Sequence[Item]) -> list[Item]:
        """Read the jobs' items that an index named, in its order; one that has gone meanwhile is left out."""
        places = [{"pk": key["pk"], "sk": key["sk"]} for key in keys]
        found = {item["sk"]["S"]: item for item in get_items(self._client, self._table, places)}
        return [found[key["sk"]["S"]] for key in keys if key["sk"]["S"] in found]

    def _write(self, puts: Sequence[Item]) -> bool:
        """Put all items or none; False if a condition didn't hold, or another transaction was writing one of them.

        boto3's token makes a repeated try one transaction: an answer that was lost isn't taken for a lost race.
        """
        writes = [{"Put": {"TableName": self._table, **put}} for put in puts]
        try:
            call(self._client.transact_write_items, TransactItems=writes)
        except ClientError as error:
            if why_canceled(error) & {_TAKEN, *_BUSY}:
                return False
            raise
        return True


def _at(tenant_id: str, job_id: str) -> Item:
    return {"pk": {"S": f"JOBS#{tenant_id}"}, "sk": {"S": job_id}}


def _at_claim(tenant_id: str, key_hash: str) -> Item:
    return {"pk": {"S": f"CLAIMS#{tenant_id}"}, "sk": {"S": key_hash}}


def _parts_of(tenant_id: str, job_id: str) -> str:
    return f"PARTS#{tenant_id}#{job_id}"


def _place(sample: int) -> str:
    return f"{sample:06d}"


def _number(value: float) -> Item:
    return {"N": repr(value)}


# The times that a job may lack, and the attributes that hold them.
_TIMES = {name: name for name in ("queued_at", "started_at", "finished_at", "due_at")} | {"notify_at": "announce_at"}
# The template filters the stream by the stored spelling of PENDING.
STORED_NOTIFICATION = {
    NotificationStatus.PENDING: "waiting",
    NotificationStatus.CLAIMED: "taken_up",
    NotificationStatus.PUBLISHED: "made",
}
_NOTIFICATION = {stored: status for status, stored in STORED_NOTIFICATION.items()}


def _item_of(job: Job) -> Item:
    item = {
        **_at(job.tenant_id, job.id),
        "tenant_status": {"S": f"{job.tenant_id}#{job.status}"},
        "tenant_id": {"S": job.tenant_id},
        "status": {"S": job.status},
        "total": _number(job.total),
        "chunk_size": _number(job.chunk_size),
        "multiple_labels": {"BOOL": job.multiple_labels},
        "created_at": _number(job.created_at),
        "updated_at": _number(job.updated_at),
        "expires_at": _number(job.expires_at),
        "succeeded": _number(job.succeeded),
        "failed": _number(job.failed),
        "version": _number(job.version),
    }
    if job.due_at is not None:
        item["agenda"] = {"S": "JOBS"}
    if job.label_set:
        named = {"name": {"S": job.label_set.name}, "version": _number(job.label_set.version)}
        item["label_set"] = {"M": named}
    if job.has_results_object:
        item["has_whole"] = {"BOOL": True}
    if job.has_uploads:
        item["has_objects"] = {"BOOL": True}
    if job.notification:
        item["announcement"] = {"S": STORED_NOTIFICATION[job.notification]}
    if job.webhook:
        item["webhook"] = _map_of_webhook(job.webhook)
    return item | {stored: _number(value) for name, stored in _TIMES.items() if (value := getattr(job, name)) is not None}


def _job_of(item: Item) -> Job:
    times = {name: float(item[stored]["N"]) for name, stored in _TIMES.items() if stored in item}
    return Job(
        tenant_id=item["tenant_id"]["S"],
        id=item["sk"]["S"],
        status=JobStatus(item["status"]["S"]),
        total=int(item["total"]["N"]),
        chunk_size=int(item["chunk_size"]["N"]),
        multiple_labels=item["multiple_labels"]["BOOL"],
        created_at=float(item["created_at"]["N"]),
        updated_at=float(item["updated_at"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
        succeeded=int(item["succeeded"]["N"]),
        failed=int(item["failed"]["N"]),
        version=int(item["version"]["N"]),
        label_set=_ref_of(item["label_set"]["M"]) if "label_set" in item else None,
        has_results_object="has_whole" in item,
        has_uploads="has_objects" in item,
        notification=_NOTIFICATION[item["announcement"]["S"]] if "announcement" in item else None,
        webhook=_webhook_of(item["webhook"]["M"]) if "webhook" in item else None,
        **{"due_at": None, **times},
    )


def _ref_of(found: Item) -> LabelSetRef:
    return LabelSetRef(name=found["name"]["S"], version=int(found["version"]["N"]))


def _map_of_webhook(webhook: Webhook) -> Item:
    tries = [_map_of_attempt(attempt) for attempt in webhook.attempts]
    found: Item = {"url": {"S": webhook.url}, "status": {"S": webhook.status}, "attempts": {"L": tries}}
    if webhook.due_at is not None:
        found["due_at"] = _number(webhook.due_at)
    return {"M": found}


def _map_of_attempt(attempt: Attempt) -> Item:
    found: Item = {"at": _number(attempt.at)}
    if attempt.status is not None:
        found["status"] = _number(attempt.status)
    if attempt.error is not None:
        found["error"] = {"S": attempt.error}
    return {"M": found}


def _webhook_of(found: Item) -> Webhook:
    attempts = tuple(_attempt_of(each["M"]) for each in found["attempts"]["L"])
    due_at = float(found["due_at"]["N"]) if "due_at" in found else None
    return Webhook(found["url"]["S"], DeliveryStatus(found["status"]["S"]), attempts, due_at)


def _attempt_of(found: Item) -> Attempt:
    return Attempt(
        at=float(found["at"]["N"]),
        status=int(found["status"]["N"]) if "status" in found else None,
        error=found["error"]["S"] if "error" in found else None,
    )


def _item_of_part(job: Job, part: Part) -> Item:
    item: Item = {
        "pk": {"S": _parts_of(job.tenant_id, job.id)},
        "sk": {"S": _place(part.span.start)},
        "stop": _number(part.span.stop),
        "succeeded": _number(part.succeeded),
        "failed": _number(part.failed),
        "expires_at": _number(job.expires_at),
    }
    return item | ({"object_key": {"S": part.object_key}} if part.object_key is not None else {"data": {"B": part.data}})


def _part_of(item: Item) -> Part:
    return Part(
        span=_span_of(item),
        succeeded=int(item["succeeded"]["N"]),
        failed=int(item["failed"]["N"]),
        data=bytes(item["data"]["B"]) if "data" in item else None,
        object_key=item["object_key"]["S"] if "object_key" in item else None,
    )


def _span_of(item: Item) -> Span:
    return Span(int(item["sk"]["S"]), int(item["stop"]["N"]))


def _item_of_claim(claim: IdempotencyClaim) -> Item:
    return {
        **_at_claim(claim.tenant_id, claim.key_hash),
        "tenant_id": {"S": claim.tenant_id},
        "body_hash": {"S": claim.body_hash},
        "job_id": {"S": claim.job_id},
        "expires_at": _number(claim.expires_at),
    }


def _claim_of(item: Item) -> IdempotencyClaim:
    return IdempotencyClaim(
        tenant_id=item["tenant_id"]["S"],
        key_hash=item["sk"]["S"],
        body_hash=item["body_hash"]["S"],
        job_id=item["job_id"]["S"],
        expires_at=int(item["expires_at"]["N"]),
    )
