"""The official clients of OpenAI's and TypeSafe's shapes, and what the tests ask with them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import openai
from typesafe_sdk import RetryPolicy, TypeSafeClient

from support.stack.deployment import Deployment

CHARGED = "I was charged twice for my order. Please refund the second payment, this is really annoying!"
PREDICATE: Any = {"type": "predicate", "name": "billing", "instructions": "Is this message about billing?"}
TOPIC: Any = {
    "type": "choice",
    "name": "topic",
    "instructions": "What is the topic?",
    "choices": [{"value": "billing", "description": "payments and refunds"}, {"value": "cooking"}, {"value": "sports"}],
}
MOOD: Any = {
    "type": "score",
    "name": "mood",
    "instructions": "How satisfied is the customer?",
    "levels": [{"label": "angry and disappointed"}, {"label": "neutral"}, {"label": "happy and satisfied"}],
}


def openai_client(deployed: Deployment, key: str = "", headers: Mapping[str, str] | None = None) -> openai.OpenAI:
    """Return OpenAI's client of a stack, which never retries.

    Args:
        deployed: The stack.
        key: An API key, empty for that of the tenant `tests`.
        headers: More headers of each request.
    """
    return openai.OpenAI(
        base_url=f"{deployed.url}/v1", api_key=key or deployed.key, max_retries=0, timeout=60, default_headers=headers
    )


def typesafe_client(deployed: Deployment, key: str = "", headers: Mapping[str, str] | None = None) -> TypeSafeClient:
    """Return TypeSafe's client of a stack, which never retries. The arguments are those of `openai_client`."""
    retry = RetryPolicy(max_retries=0)
    return TypeSafeClient(base_url=deployed.url, api_key=key or deployed.key, timeout=60, retry=retry, headers=headers)


def decide(client: openai.OpenAI, content: Any, *questions: Any) -> Any:
    """Ask questions with OpenAI's client."""
    return client.decisions.create(model="gpt-6-luna", input=content, questions=questions)


def data_url(data: bytes) -> str:
    """Return the address of an image that holds its bytes."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def photo_message(address: str) -> Any:
    """Return OpenAI's input with an image."""
    return [{"role": "user", "content": [{"type": "input_image", "image_url": address, "detail": "low"}]}]
