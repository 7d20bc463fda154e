"""pydantic-ai's agents on decision models of both shapes. Prints their outputs, as JSON."""

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai_decisions import OpenAIDecisionsModel
from pydantic_ai.models.system_one import SystemOneModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.system_one import SystemOneProvider

URL, KEY = os.environ["JIGSAWSTACK_API_URL"], os.environ["JIGSAWSTACK_API_KEY"]
TEXT = os.environ["TEXT"]


class Message(BaseModel):
    """What is asked of a message."""

    topic: Literal["billing", "cooking"] = Field(description="What is the topic?")
    billing: bool = Field(description="Is this message about billing?")
    wishes: list[Literal["refund", "recipe"]] = Field(description="What does the customer want?")


class Photo(BaseModel):
    """What is asked of a photo."""

    animal: Literal["cat", "rocket", "temple"] = Field(description="What is in the photo?")


def openai_model(key: str = KEY) -> OpenAIDecisionsModel:
    """Create a model of OpenAI's shape."""
    return OpenAIDecisionsModel("deployed", provider=OpenAIProvider(base_url=f"{URL}/v1", api_key=key))


def refusal(model: OpenAIDecisionsModel | SystemOneModel) -> dict[str, object]:
    """Return the exception that a run raises."""
    try:
        Agent(model, output_type=Message).run_sync(TEXT)
    except ModelHTTPError as error:
        return {"type": type(error).__name__, "status": error.status_code, "body": error.body}
    return {}


def system_one(key: str = KEY) -> SystemOneModel:
    """Create a model of TypeSafe's shape."""
    return SystemOneModel("deployed", provider=SystemOneProvider(base_url=URL, api_key=key))


photo = BinaryContent(Path("photo.jpg").read_bytes(), media_type="image/jpeg")
by_openai, by_system_one = (Agent(model, output_type=Message).run_sync(TEXT) for model in (openai_model(), system_one()))
print(
    json.dumps(
        {
            "openai": by_openai.output.model_dump(),
            "tokens": by_openai.usage.input_tokens,
            "model": by_openai.response.model_name,
            "photo": Agent(openai_model(), output_type=Photo).run_sync([photo]).output.model_dump(),
            "system one": by_system_one.output.model_dump(),
            "wrong key": [refusal(openai_model("wrong")), refusal(system_one("wrong"))],
        }
    )
)
