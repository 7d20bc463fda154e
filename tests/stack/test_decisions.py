"""OpenAI's and TypeSafe's clients, unmodified, against the deployed template: texts and photos."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.decision import (
    AnswerAnswerResourceChoice,
    AnswerAnswerResourcePredicate,
    AnswerAnswerResourceRefusal,
    AnswerAnswerResourceScore,
)
from typesafe_sdk import Choice, Image, Noul, Score, TypeSafeClient

from support.loopback import Answer, LoopbackServer
from support.stack.decision_clients import (
    CHARGED,
    MOOD,
    PREDICATE,
    TOPIC,
    data_url,
    decide,
    openai_client,
    photo_message,
    typesafe_client,
)
from support.stack.deployment import Deployment

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]

LABELS = ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple")
SURE = tuple(label for label in LABELS if label != "person")  # the bundled model takes the astronaut for a motorcycle
THING: Any = {
    "type": "choice",
    "name": "thing",
    "instructions": "What is in the photo?",
    "choices": [{"value": label} for label in LABELS],
}


@pytest.fixture
def client(deployed: Deployment) -> Iterator[openai.OpenAI]:
    with openai_client(deployed) as client:
        yield client


@pytest.fixture
def typesafe(deployed: Deployment) -> Iterator[TypeSafeClient]:
    with typesafe_client(deployed) as client:
        yield client


# ----------------------------------------------------------------------------------------------------------------- OpenAI


def test_openai_gets_a_predicate_a_choice_and_a_score_of_a_text(client: openai.OpenAI) -> None:
    decision = decide(client, CHARGED, PREDICATE, TOPIC, MOOD)

    predicate, choice, score = decision.answers
    assert isinstance(predicate, AnswerAnswerResourcePredicate)
    assert isinstance(choice, AnswerAnswerResourceChoice)
    assert isinstance(score, AnswerAnswerResourceScore)
    assert [answer.name for answer in decision.answers] == ["billing", "topic", "mood"]
    assert predicate.probability > 0.5
    assert choice.choice == "billing"
    assert sum(row.probability for row in choice.probabilities) == pytest.approx(1, abs=1e-5)
    assert 0 <= choice.confidence <= 1
    assert score.score < 1
    assert [(row.label, row.value) for row in score.probabilities] == [
        ("angry and disappointed", 0),
        ("neutral", 1),
        ("happy and satisfied", 2),
    ]
    assert decision.usage.total_tokens == decision.usage.input_tokens + decision.usage.output_tokens
    assert decision._request_id


def test_openai_sends_every_field_that_is_ignored(client: openai.OpenAI) -> None:
    marked: Any = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    content: Any = [
        {"type": "message", "role": "developer", "content": "You are a clerk."},
        {"role": "user", "content": [{"type": "input_text", "text": CHARGED, **marked}]},
        {"role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "call_id": "1", "name": "orders", "arguments": "{}", "status": "completed", "namespace": "n"},
        {"type": "function_call_output", "call_id": "1", "id": "o1", "output": "two payments"},
        {"role": "user", "content": [{"type": "input_json", "data": {"order": 7}}]},
    ]

    decision = client.decisions.create(
        model="gpt-6-luna",
        input=content,
        questions=[TOPIC],
        prompt_cache_key="k",
        prompt_cache_options={"mode": "explicit", "ttl": "30m"},
        safety_identifier="s",
    )

    assert decision.answers[0].type == "choice"
    assert decision.answers[0].choice == "billing"


@pytest.mark.parametrize("label", SURE)
def test_openai_gets_the_right_choice_for_a_photo(client: openai.OpenAI, photos: dict[str, bytes], label: str) -> None:
    (answer,) = decide(client, photo_message(data_url(photos[label])), THING).answers

    assert answer.choice == label


def test_openai_sends_a_photo_by_its_address(client: openai.OpenAI, photos: dict[str, bytes], web: Web) -> None:
    address = web({"/a.png": photos["cat"]}).url("/a.png")

    predicate, choice = decide(client, photo_message(address), {**PREDICATE, "instructions": "Is this a cat?"}, THING).answers

    assert (predicate.probability > 0.5, choice.choice) == (True, "cat")


def test_openais_asynchronous_client_gets_the_same(deployed: Deployment, client: openai.OpenAI) -> None:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{deployed.url}/api/v1", api_key=deployed.key, max_retries=0) as client:
            return await client.decisions.create(model="m", input=CHARGED, questions=[TOPIC])

    assert asyncio.run(ask()).answers == decide(client, CHARGED, TOPIC).answers


def test_openai_gets_a_refusal_of_the_question_that_cannot_be_answered(client: openai.OpenAI, photos: dict[str, bytes]) -> None:
    odd = {**PREDICATE, "name": "odd", "instructions": [{"type": "input_image", "image_url": data_url(photos["cat"])}]}

    refusal, choice = decide(client, CHARGED, odd, TOPIC).answers

    assert isinstance(refusal, AnswerAnswerResourceRefusal)
    assert (refusal.name, choice.choice) == ("odd", "billing")


def test_a_question_alone_and_among_50_gets_one_answer(client: openai.OpenAI) -> None:
    others = [{**PREDICATE, "name": str(n), "instructions": f"a message about chapter {n}"} for n in range(49)]

    alone = decide(client, CHARGED, TOPIC).answers[0]
    among = decide(client, CHARGED, *others[:20], TOPIC, *others[20:]).answers[20]

    assert [row.probability for row in among.probabilities] == pytest.approx(
        [row.probability for row in alone.probabilities], abs=1e-6
    )


def test_openai_lists_the_models(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data

    assert (model.object, model.owned_by) == ("model", "pigeonhole")
    assert decide(client, CHARGED, TOPIC).model == model.id


def test_openai_reads_the_quota_in_its_own_headers(client: openai.OpenAI) -> None:
    headers = client.decisions.with_raw_response.create(model="m", input=CHARGED, questions=[TOPIC]).headers

    assert int(headers["x-ratelimit-remaining-requests"]) < int(headers["x-ratelimit-limit-requests"])
    assert headers["x-ratelimit-reset-requests"].endswith("s")


# --------------------------------------------------------------------------------------------------------------- TypeSafe


def test_typesafe_gets_a_noul_a_choice_and_a_score_of_a_structured_state(typesafe: TypeSafeClient) -> None:
    result = typesafe.system_one(
        state={"subject": "Duplicate charge", "message": CHARGED * 12},  # long enough to be compressed
        questions={
            "billing": Noul(instructions="Is this message about billing?", criteria={"true": "payments", "false": None}),
            "topic": Choice(instructions="What is the topic?", criteria={"billing": "payments and refunds", "sports": None}),
            "mood": Score(criteria=["angry and disappointed", {"mood": "neutral"}, "happy and satisfied"]),
            "raw": {"type": "noul", "instructions": {"task": "Identify complaints about cooking."}},
        },
    )

    assert result.nouls["billing"].noul > 0.5
    assert result.choices["topic"].choice == "billing"
    assert sum(result.choices["topic"].probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert result.scores["mood"].score < 1
    assert result.scores["mood"].legend == {0: "angry and disappointed", 1: {"mood": "neutral"}, 2: "happy and satisfied"}
    assert [*result.answers] == ["billing", "topic", "mood", "raw"]
    assert result.usage.input_tokens
    assert result.usage.output_tokens


@pytest.mark.parametrize("label", SURE)
def test_typesafe_gets_the_right_choice_for_a_photo(
    typesafe: TypeSafeClient, photos: dict[str, bytes], label: str, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(photos[label])
    question = Choice(criteria=dict.fromkeys(LABELS))

    by_file = typesafe.system_one(state=Image(path), questions={"thing": question})
    by_bytes = typesafe.system_one(state="see photo-1", assets={"photo-1": Image(photos[label])}, questions={"thing": question})

    assert (by_file.choices["thing"].choice, by_bytes.choices["thing"].choice) == (label, label)


def test_typesafe_may_send_base64_without_compression(deployed: Deployment, photos: dict[str, bytes]) -> None:
    asset = {"type": "image", "format": "png", "data_base64": base64.b64encode(photos["cat"]).decode()}
    with TypeSafeClient(base_url=deployed.url, api_key=deployed.key, timeout=60, compression=False) as client:
        result = client.system_one(
            state="<a>", questions={"cat": Noul(instructions="Is this a cat?")}, extra_body={"assets": {"<a>": asset}}
        )

    assert result.nouls["cat"].noul > 0.5


def test_typesafe_lists_the_models(typesafe: TypeSafeClient) -> None:
    (model,) = typesafe.models.list().models

    assert model.name
    assert model.description


@pytest.mark.parametrize("path", ["/v1/account", "/api/v1/account"])
def test_a_bearer_key_opens_what_an_x_api_key_opens(deployed: Deployment, path: str) -> None:
    response = deployed.call("GET", path, key=None, headers={"authorization": f"Bearer {deployed.key}"})

    assert response.status_code == 200
    assert response.json()["tenant"] == deployed.call("GET", "/v1/account").json()["tenant"]
