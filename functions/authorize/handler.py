"""Name the API key of a request to API Gateway, which admits, throttles and counts it by the usage plan.

The API key is in `x-api-key` or in `Authorization: Bearer`, and API Gateway itself reads only the former. This function allows
every request: API Gateway refuses one whose API key is missing or unknown. The function runs before each request, so it imports
only the rule that finds the API key, and it logs and measures nothing.
"""

from __future__ import annotations

from typing import Any

from pigeonhole.tenants.sent_api_key import find_api_key, join_headers


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return a policy that allows the request, with its API key if it has one."""
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    answer = {"principalId": "caller", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    api_key = find_api_key(join_headers(event))
    return answer | {"usageIdentifierKey": api_key} if api_key else answer
