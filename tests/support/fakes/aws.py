"""What Lambda gives to a handler."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LambdaContext:
    """The context that Lambda gives to a handler beside the event."""

    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:test"
    aws_request_id: str = "0f6a5d1c-2b11-4c9f-9d3a-7a554a3c6f0e"
