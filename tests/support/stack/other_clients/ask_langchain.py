"""LangChain's runnable of OpenAI's Decisions. Prints what each call returned, as JSON."""

import asyncio
import base64
import json
import os
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai.decisions import Choice, Level, OpenAIDecisions, Predicate, Score

URL, KEY = os.environ["JIGSAWSTACK_API_URL"], os.environ["JIGSAWSTACK_API_KEY"]
TEXT = os.environ["TEXT"]
QUESTIONS = {
    "billing": Predicate(instructions="Is this message about billing?"),
    "topic": Choice(instructions="What is the topic?", choices={"billing": "payments and refunds", "cooking": None}),
    "mood": Score(
        instructions="How satisfied is the customer?",
        levels=["angry and disappointed", Level(label="happy and satisfied", description="praises the shop")],
    ),
}
ANIMAL = {"animal": Choice(instructions="What is in the photo?", choices={"cat": None, "rocket": None, "temple": None})}


def client(key: str = KEY) -> OpenAIDecisions:
    """Create a runnable that doesn't retry."""
    return OpenAIDecisions(model="deployed", base_url=f"{URL}/v1", api_key=key, max_retries=0)


def refusal(key: str, content: str) -> dict[str, object]:
    """Return the exception that a call raises."""
    try:
        client(key).invoke({"input": content, "questions": QUESTIONS})
    except Exception as error:
        return {"type": type(error).__mro__[1].__name__, "status": getattr(error, "status_code", None), "message": str(error)}
    return {}


photo = {"type": "image", "base64": base64.b64encode(Path("photo.jpg").read_bytes()).decode(), "mime_type": "image/jpeg"}
decisions = client()
batch = decisions.batch([{"input": TEXT, "questions": QUESTIONS}, {"input": "Simmer the sauce.", "questions": QUESTIONS}])
talk = [HumanMessage("Hello"), AIMessage("How can I help?"), HumanMessage(TEXT)]
print(
    json.dumps(
        {
            "text": decisions.invoke({"input": TEXT, "questions": QUESTIONS}).model_dump(mode="json"),
            "async": asyncio.run(decisions.ainvoke({"input": TEXT, "questions": QUESTIONS})).model_dump(mode="json"),
            "photo": decisions.invoke({"input": HumanMessage(content=[photo]), "questions": ANIMAL}).model_dump(mode="json"),
            "conversation": decisions.invoke({"input": talk, "questions": QUESTIONS}).model_dump(mode="json"),
            "batch": [response.choices["topic"].choice for response in batch],
            "wrong key": refusal("wrong", TEXT),
            "blank": refusal(KEY, " "),
        }
    )
)
