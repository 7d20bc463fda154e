"""LiteLLM's calls of both shapes. Prints what each returned, as JSON."""

import asyncio
import base64
import json
import os
from pathlib import Path

import litellm

URL, KEY = os.environ["JIGSAWSTACK_API_URL"], os.environ["JIGSAWSTACK_API_KEY"]
TEXT = os.environ["TEXT"]
PHOTO = base64.b64encode(Path("photo.jpg").read_bytes()).decode()
PREDICATE = {"type": "predicate", "name": "billing", "instructions": "Is this message about billing?"}
TOPIC = {
    "type": "choice",
    "name": "topic",
    "instructions": "What is the topic?",
    "choices": [{"value": "billing", "description": "payments and refunds"}, {"value": "cooking"}],
}
MOOD = {
    "type": "score",
    "name": "mood",
    "instructions": "How satisfied is the customer?",
    "levels": [{"label": "angry and disappointed"}, {"label": "happy and satisfied"}],
}
ANIMAL = {
    "type": "choice",
    "name": "animal",
    "instructions": "What is in the photo?",
    "choices": [{"value": "cat"}, {"value": "rocket"}, {"value": "temple"}],
}
OPENAI = {"model": "openai/deployed", "api_base": f"{URL}/v1", "api_key": KEY}
# LiteLLM sends images to System One only with this header of its own.
TYPESAFE = {
    "model": "typesafe/deployed",
    "api_base": URL,
    "api_key": KEY,
    "extra_headers": {"typesafe-danger-zone-images": "true"},
}


def refusal(**changes: object) -> dict[str, object]:
    """Return the exception that a call raises."""
    try:
        litellm.decisions(**({"input": TEXT, "questions": [PREDICATE], **OPENAI} | changes))
    except litellm.exceptions.APIError as error:
        return {"type": type(error).__name__, "status": error.status_code, "message": str(error)}
    except Exception as error:
        return {"type": type(error).__name__, "status": getattr(error, "status_code", None), "message": str(error)}
    return {}


photo_part = {"type": "input_image", "image_url": f"data:image/jpeg;base64,{PHOTO}"}
text = litellm.decisions(input=TEXT, questions=[PREDICATE, TOPIC, MOOD], **OPENAI)
print(
    json.dumps(
        {
            "text": text.model_dump(mode="json"),
            "async": asyncio.run(litellm.adecisions(input=TEXT, questions=[TOPIC], **OPENAI)).model_dump(mode="json"),
            "photo": litellm.decisions(
                input=[{"role": "user", "content": [photo_part]}], questions=[ANIMAL], **OPENAI
            ).model_dump(mode="json"),
            "systemone": litellm.systemone(
                state={"subject": "Duplicate charge", "message": TEXT},
                questions={
                    "billing": {"type": "noul", "instructions": "Is this message about billing?"},
                    "topic": {"type": "choice", "criteria": {"billing": "payments and refunds", "cooking": None}},
                    "mood": {"type": "score", "criteria": ["angry and disappointed", "happy and satisfied"]},
                },
                **TYPESAFE,
            ).model_dump(mode="json"),
            "systemone photo": litellm.systemone(
                state="<photo>",
                assets={"<photo>": {"type": "image", "format": "jpg", "data_base64": PHOTO}},
                questions={"animal": {"type": "choice", "criteria": {"cat": None, "rocket": None, "temple": None}}},
                **TYPESAFE,
            ).model_dump(mode="json"),
            "wrong key": refusal(api_key="wrong"),
            "blank": refusal(input=" "),
        }
    )
)
