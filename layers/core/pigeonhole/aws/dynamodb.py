"""Tenants, their keys and secrets, and request counters in the one table.

    pk                sk          holds
    TENANT#<id>       TENANT      the tenant; `newest_key`: the id of the key that was added last
    SECRETS#<id>      SECRETS     a tenant's webhook secrets, the newest first: not beside its record, which more functions read
    KEY#<sha256>      KEY         a key's record: found by a request
    KEYS              <key id>    the same record: found and listed by the command line
    RATE#<tenant id>  <window>    a count of requests; `expires_at`: when the table may forget it

A key's two items are written in one transaction, always.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from pigeonhole.contract.messages import S3Grant
from pigeonhole.errors import Overloaded
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, WebhookSecret

Item = dict[str, Any]

_BUSY = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
BATCH = 100  # keys of one BatchGetItem
MOST_TRIES, FIRST_PAUSE_S = 8, 0.05  # of what a busy table leaves out of it
OVERTAKEN = {"ConditionalCheckFailed", "TransactionConflict"}


def call(operation: Callable[..., Item], **arguments: Any) -> Item:
    """Run a DynamoDB call. Raises Overloaded where trying again may help; anything else is a fault of ours and passes."""
    try:
        return operation(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _BUSY:
            raise Overloaded() from error
        raise
    except (BotoConnectionError, HTTPClientError) as error:
        raise Overloaded() from error


def why_canceled(error: ClientError) -> set[str]:
    """The codes of what kept a transaction's items from being written; none if it wasn't canceled by that."""
    return {str(reason.get("Code")) for reason in error.response.get("CancellationReasons", ())}


def get_item(client: Any, table: str, key: Item) -> Item | None:
    """Read an item as it was written last."""
    item: Item | None = call(client.get_item, TableName=table, Key=key, ConsistentRead=True).get("Item")
    return item


def get_items(client: Any, table: str, keys: Sequence[Item], **more: Any) -> list[Item]:
    """Read items as they were written last, in no order; what isn't there is left out. Raises Overloaded."""
    found: list[Item] = []
    wanted, tries = list(keys), 0
    while wanted:
        asked = {"Keys": wanted[:BATCH], "ConsistentRead": True, **more}
        answer = call(client.batch_get_item, RequestItems={table: asked})
        found += answer["Responses"].get(table, [])
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        wanted = left + wanted[BATCH:]
        if not left:
            continue
        tries = 0 if answer["Responses"].get(table) else tries + 1  # what is more than 16 MB is left, too, and gets on
        if tries == MOST_TRIES:
            raise Overloaded()
        time.sleep(random.uniform(0, FIRST_PAUSE_S * 2**tries))  # noqa: S311 - no secret
    return found


def query_all(client: Any, table: str, **query: Any) -> list[Item]:
    """All that a query of the table finds, over its pages, as it was written last."""
    found: list[Item] = []
    while True:
        page = call(client.query, TableName=table, ConsistentRead=True, **query)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class DynamoTenantStore:
    """The TenantStore of a deployment. `client`: a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def by_hash(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        item = self._get(_by_hash(key_hash))
        key = _key_of(item) if item else None
        tenant = self.tenant(key.tenant_id) if key else None
        return (key, tenant) if key and tenant else None

    def tenant(self, tenant_id: str) -> Tenant | None:
        item = self._get(_by_tenant(tenant_id))
        return _tenant_of(item) if item else None

    def key(self, key_id: str) -> ApiKeyRecord | None:
        item = self._get(_by_id(key_id))
        return _key_of(item) if item else None

    def keys(self) -> list[ApiKeyRecord]:
        found = query_all(
            self._client,
            self._table,
            KeyConditionExpression="pk = :keys",
            ExpressionAttributeValues={":keys": {"S": "KEYS"}},
        )
        return sorted(map(_key_of, found), key=lambda key: (key.created_at, key.key_id))

    def add(self, key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        item = {**_item_of_tenant(tenant), "newest_key": {"S": key.key_id}}
        puts = [{"Item": item, **_unchanged(known)}, *({"Item": {**at, **_item_of_key(key)}} for at in _addresses(key))]
        try:
            self._transact([{"Put": {"TableName": self._table, **put}} for put in puts])
        except ClientError as error:
            if why_canceled(error) & OVERTAKEN:
                raise Overloaded(f"Tenant {tenant.id} was changed by another command meanwhile. Try again.") from error
            raise

    def end(self, key: ApiKeyRecord, ends_at: int) -> None:
        change = {
            "UpdateExpression": "SET ends_at = :ends_at",
            "ConditionExpression": "attribute_exists(pk)",  # an update would otherwise make a record of nothing but its end
            "ExpressionAttributeValues": {":ends_at": {"N": str(ends_at)}},
        }
        self._transact([{"Update": {"TableName": self._table, "Key": at, **change}} for at in _addresses(key)])

    def remove(self, key: ApiKeyRecord, *, with_tenant: bool) -> None:
        self._transact([{"Delete": {"TableName": self._table, "Key": address}} for address in _addresses(key)])
        if with_tenant:
            self._remove_tenant_of(key)

    def _remove_tenant_of(self, key: ApiKeyRecord) -> None:
        with suppress(self._client.exceptions.ConditionalCheckFailedException):  # there is none, or a later key relies on it
            call(
                self._client.delete_item,
                TableName=self._table,
                Key=_by_tenant(key.tenant_id),
                ConditionExpression="newest_key = :key_id",
                ExpressionAttributeValues={":key_id": {"S": key.key_id}},
            )

    def _get(self, address: Item) -> Item | None:
        # Consistent, so that a new key is found at once. An ended one may work for a minute: authenticate.py remembers it.
        return get_item(self._client, self._table, address)

    def _transact(self, writes: list[Item]) -> None:
        call(self._client.transact_write_items, TransactItems=writes)


class DynamoSecretStore:
    """The SecretStore of a deployment. `client`: a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def secrets(self, tenant_id: str) -> tuple[WebhookSecret, ...]:
        item = get_item(self._client, self._table, _by_secrets(tenant_id))
        return tuple(_secret_of(each["M"]) for each in item["secrets"]["L"]) if item else ()

    def replace_secrets(self, tenant_id: str, secrets: Sequence[WebhookSecret], known: Sequence[WebhookSecret]) -> None:
        item = {**_by_secrets(tenant_id), "tenant_id": {"S": tenant_id}, "secrets": _list_of_secrets(secrets)}
        condition = (
            {"ConditionExpression": "secrets = :known", "ExpressionAttributeValues": {":known": _list_of_secrets(known)}}
            if known
            else {"ConditionExpression": "attribute_not_exists(pk)"}
        )
        try:
            call(self._client.put_item, TableName=self._table, Item=item, **condition)
        except self._client.exceptions.ConditionalCheckFailedException as error:
            if self.secrets(tenant_id) == tuple(secrets):  # this very call, whose answer was lost and which boto3 repeated
                return
            raise Overloaded("Another secret was being made at the same time. Try again.") from error


class DynamoRateCounter:
    """The RateCounter of a deployment. `client`: one of its own, with tight timeouts and no retries."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        answer = call(
            self._client.update_item,
            TableName=self._table,
            Key={"pk": {"S": f"RATE#{tenant_id}"}, "sk": {"S": window}},
            UpdateExpression="ADD requests :one SET expires_at = :expires_at",
            ExpressionAttributeValues={":one": {"N": "1"}, ":expires_at": {"N": str(expires_at)}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["requests"]["N"])


def _by_hash(key_hash: str) -> Item:
    return {"pk": {"S": f"KEY#{key_hash}"}, "sk": {"S": "KEY"}}


def _by_id(key_id: str) -> Item:
    return {"pk": {"S": "KEYS"}, "sk": {"S": key_id}}


def _by_tenant(tenant_id: str) -> Item:
    return {"pk": {"S": f"TENANT#{tenant_id}"}, "sk": {"S": "TENANT"}}


def _by_secrets(tenant_id: str) -> Item:
    return {"pk": {"S": f"SECRETS#{tenant_id}"}, "sk": {"S": "SECRETS"}}


def _list_of_secrets(secrets: Sequence[WebhookSecret]) -> Item:
    return {"L": [{"M": _map_of_secret(secret)} for secret in secrets]}


def _map_of_secret(secret: WebhookSecret) -> Item:
    found = {"value": {"S": secret.value}, "created_at": {"N": str(secret.created_at)}}
    return found if secret.ends_at is None else found | {"ends_at": {"N": str(secret.ends_at)}}


def _secret_of(found: Item) -> WebhookSecret:
    return WebhookSecret(
        value=found["value"]["S"],
        created_at=int(found["created_at"]["N"]),
        ends_at=int(found["ends_at"]["N"]) if "ends_at" in found else None,
    )


def _addresses(key: ApiKeyRecord) -> tuple[Item, Item]:
    return _by_hash(key.key_hash), _by_id(key.key_id)


def _item_of_key(key: ApiKeyRecord) -> Item:
    item = {
        "key_id": {"S": key.key_id},
        "key_hash": {"S": key.key_hash},
        "tenant_id": {"S": key.tenant_id},
        "name": {"S": key.name},
        "created_at": {"N": str(key.created_at)},
    }
    return item if key.ends_at is None else item | {"ends_at": {"N": str(key.ends_at)}}


def _key_of(item: Item) -> ApiKeyRecord:
    return ApiKeyRecord(
        key_id=item["key_id"]["S"],
        key_hash=item["key_hash"]["S"],
        tenant_id=item["tenant_id"]["S"],
        name=item["name"]["S"],
        created_at=int(item["created_at"]["N"]),
        ends_at=int(item["ends_at"]["N"]) if "ends_at" in item else None,
    )


def _item_of_tenant(tenant: Tenant) -> Item:
    return {
        **_by_tenant(tenant.id),
        "tenant_id": {"S": tenant.id},
        "created_at": {"N": str(tenant.created_at)},
        "grants": _list_of_grants(tenant),
    }


def _list_of_grants(tenant: Tenant) -> Item:
    return {"L": [{"M": {"bucket": {"S": grant.bucket}, "prefix": {"S": grant.prefix}}} for grant in tenant.grants]}


def _unchanged(known: Tenant | None) -> Item:
    """The condition that the table's tenant is the one that was read, or that there still is none."""
    if known is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "grants = :grants", "ExpressionAttributeValues": {":grants": _list_of_grants(known)}}


def _tenant_of(item: Item) -> Tenant:
    grants = tuple(S3Grant(bucket=at["M"]["bucket"]["S"], prefix=at["M"]["prefix"]["S"]) for at in item["grants"]["L"])
    return Tenant(id=item["tenant_id"]["S"], created_at=int(item["created_at"]["N"]), grants=grants)
