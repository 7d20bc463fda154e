"""API keys in API Gateway, and the usage plan that admits them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


class ApiGatewayKeys:
    """The ApiKeyRegistry of a deployment."""

    def __init__(self, client: APIGatewayClient, usage_plan_id: str) -> None:
        """Create the registry for one usage plan."""
        self._client = client
        self._usage_plan_id = usage_plan_id

    def create(self, name: str, value: str) -> str:
        """Create an API key that no usage plan admits yet, and return its id."""
        return self._client.create_api_key(name=name, value=value, enabled=True)["id"]

    def admit(self, key_id: str) -> None:
        """Add an API key to the usage plan."""
        self._client.create_usage_plan_key(usagePlanId=self._usage_plan_id, keyId=key_id, keyType="API_KEY")

    def delete(self, key_id: str) -> None:
        """Delete an API key, also from the usage plan. An absent one is no error."""
        with suppress(self._client.exceptions.NotFoundException):
            self._client.delete_api_key(apiKey=key_id)  # API Gateway also removes it from its usage plans
