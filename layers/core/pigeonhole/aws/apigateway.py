"""API Gateway's keys and the usage plan that lets them in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


class ApiGatewayKeys:
    """The ApiKeyRegistry of a deployment. `client`: a boto3 API Gateway client."""

    def __init__(self, client: Any, usage_plan_id: str) -> None:
        self._client = client
        self._usage_plan_id = usage_plan_id

    def create(self, name: str, value: str) -> str:
        return str(self._client.create_api_key(name=name, value=value, enabled=True)["id"])

    def admit(self, key_id: str) -> None:
        self._client.create_usage_plan_key(usagePlanId=self._usage_plan_id, keyId=key_id, keyType="API_KEY")

    def delete(self, key_id: str) -> None:
        with suppress(self._client.exceptions.NotFoundException):
            self._client.delete_api_key(apiKey=key_id)  # which takes it out of its usage plans as well
