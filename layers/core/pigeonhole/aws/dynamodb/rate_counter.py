"""Counts of tenants' requests in the table. An item is a counter of one window, with `requests` and `expires_at`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pigeonhole.aws.dynamodb.table import DynamoTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoRateCounter:
    """The RateCounter of a deployment. Its client has short timeouts and makes no second attempt."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        """Count a request with one atomic update. See `RateCounter.count`."""
        return self._table.add({"pk": f"RATE#{tenant_id}", "sk": window}, "requests", expires_at=expires_at)
