"""OpenAI's and TypeSafe's clients, unmodified, with functions/api in place of the network. tests/stack has them over HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
import typesafe_sdk
from PIL import Image as Picture
from typesafe_sdk import Choice, Image, Noul, RetryPolicy, Score, TypeSafeClient

from pigeonhole.errors import Overloaded, TimedOut
from support.api_calls import Api, api_with_fakes
from support.fakes import LambdaContext, error_reply
from support.handlers import API_KEY, event
from support.template import read_template

PREDICATE: Any = {"type": "predicate", "name": "greeting", "instructions": "Is this a greeting?"}
CHOICE: Any = {"type": "choice", "instructions": "Tone?", "choices": [{"value": True}, {"value": "true"}]}
SCORE: Any = {"type": "score", "instructions": "How urgent is it?", "levels": [{"label": "low"}, {"label": "high"}]}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


@pytest.fixture
def network(api: Api) -> httpx2.BaseTransport:
    """Passes each request to the handler as API Gateway does: with a body in base64, and headers as they were sent."""

    def answer(sent: httpx2.Request) -> httpx2.Response:
        body = base64.b64encode(sent.read()).decode()
        raw = event(sent.method, sent.url.path, body=body, api_key=None, **dict(sent.headers)) | {"isBase64Encoded": True}
        given = api.module.handler(raw, LambdaContext())
        headers = [(name, value) for name, values in given["multiValueHeaders"].items() for value in values]
        return httpx2.Response(given["statusCode"], headers=headers, content=given["body"].encode())

    return httpx2.MockTransport(answer)


@pytest.fixture
def client(network: httpx2.BaseTransport) -> Iterator[openai.OpenAI]:
    http = httpx2.Client(transport=network)
    with openai.OpenAI(base_url="https://host/api/v1", api_key=API_KEY, max_retries=0, http_client=http) as client:
        yield client


@pytest.fixture
def typesafe(network: httpx2.BaseTransport) -> Iterator[TypeSafeClient]:
    retry = RetryPolicy(max_retries=0)
    with TypeSafeClient(base_url="https://host/api", api_key=API_KEY, transport=network, retry=retry) as client:
        yield client


def test_openai_reads_answers_of_each_type(client: openai.OpenAI) -> None:
    refused = {**PREDICATE, "instructions": [{"type": "input_image", "image_url": "https://example.com/a.png"}]}

    decision = client.decisions.create(model="m", input="hello", questions=[PREDICATE, CHOICE, SCORE, refused])

    predicate, choice, score, refusal = decision.answers
    assert predicate.type == "predicate"
    assert choice.type == "choice"
    assert score.type == "score"
    assert (predicate.name, predicate.probability, choice.choice, score.score) == ("greeting", 0.5, True, 0.5)
    assert [row.value for row in choice.probabilities] == [True, "true"]
    assert (refusal.type, refusal.name) == ("refusal", "greeting")
    assert decision.usage.total_tokens == 21
    assert decision._request_id


def test_typesafe_reads_answers_of_each_type(typesafe: TypeSafeClient) -> None:
    result = typesafe.system_one(
        state=["hello"],
        questions={
            "greeting": Noul(instructions="Is this a greeting?"),
            "tone": Choice(criteria={"calm": {"what": "polite"}, "angry": None}),
            "urgency": Score(criteria=["can wait", {"when": "today"}]),
        },
    )

    assert result.nouls["greeting"].noul == 0.5
    assert result.choices["tone"].choice == "calm"
    assert result.scores["urgency"].legend == {0: "can wait", 1: {"when": "today"}}
    assert result.usage.input_tokens == 18
    assert result.model == "fake"


@pytest.mark.parametrize("width", [8, 200], ids=["plain", "compressed"])
def test_typesafe_sends_images_as_parts(typesafe: TypeSafeClient, api: Api, width: int) -> None:
    stream = io.BytesIO()
    Picture.new("RGB", (width, width)).save(stream, "BMP")

    with typesafe.attach_assets(attached := Image(b"\xff\xd8\xff")):
        typesafe.system_one(
            state={"photo": Image(stream.getvalue())},
            questions={"logo": Choice(criteria={"ours": f"like {attached}", "theirs": None})},
        )

    (command,) = api.classifier.commands
    assert base64.b64decode(command.request.dataset[0].value.partition(",")[2]) == stream.getvalue()
    assert [label.value for label in command.request.questions["0"].labels if label.type == "image"] == [
        "data:image/any;base64,/9j/"
    ]


def test_both_list_the_models(client: openai.OpenAI, typesafe: TypeSafeClient) -> None:
    assert [model.id for model in client.models.list()] == ["fake"]
    assert [model.name for model in typesafe.models.list().models] == ["fake"]


@pytest.mark.parametrize(
    ("failure", "openai_error", "typesafe_error"),
    [
        (Overloaded(), openai.InternalServerError, typesafe_sdk.TypeSafeInternalServerError),
        (TimedOut("late"), openai.InternalServerError, typesafe_sdk.TypeSafeInternalServerError),
        (
            error_reply("forbidden_url", "m", {"path": "dataset.0.value", "message": "private"}),
            openai.BadRequestError,
            typesafe_sdk.TypeSafeUnprocessableEntityError,
        ),
        (error_reply("too_large", "the image is too large"), openai.APIStatusError, typesafe_sdk.TypeSafeAPIError),
    ],
)
def test_errors_are_raised_as_each_client_raises_them(
    client: openai.OpenAI,
    typesafe: TypeSafeClient,
    api: Api,
    failure: Any,
    openai_error: type[openai.APIStatusError],
    typesafe_error: type[typesafe_sdk.TypeSafeAPIError],
) -> None:
    api.classifier.reply = failure

    with pytest.raises(openai_error) as theirs:
        client.decisions.create(model="m", input="hello", questions=[PREDICATE])
    with pytest.raises(typesafe_error) as other:
        typesafe.system_one(state="a", questions={"q": Noul(instructions="b")})

    assert theirs.value.code
    assert theirs.value.request_id == other.value.request_id
    assert other.value.status in (theirs.value.status_code, 422)
    assert "Response data" not in str(other.value)


def test_each_client_reads_when_to_retry(client: openai.OpenAI, typesafe: TypeSafeClient, api: Api) -> None:
    api.classifier.reply = Overloaded()

    with pytest.raises(openai.InternalServerError) as theirs:
        client.decisions.create(model="m", input="hello", questions=[PREDICATE])
    with pytest.raises(typesafe_sdk.TypeSafeAPIError) as other:
        typesafe.system_one(state="a", questions={"q": Noul(instructions="b")})

    assert theirs.value.response.headers["retry-after"] == other.value.headers["retry-after"] == "2"


def test_both_understand_what_the_gateway_itself_answers() -> None:
    """API Gateway's own refusals have this service's shape for every client."""
    response = read_template()["Resources"]["Api"]["Properties"]["GatewayResponses"]["THROTTLED"]
    body = response["ResponseTemplates"]["application/json"].encode()
    network = httpx2.MockTransport(lambda _: httpx2.Response(429, headers={"retry-after": "1"}, content=body))

    with openai.OpenAI(
        base_url="https://host/v1", api_key="k", max_retries=0, http_client=httpx2.Client(transport=network)
    ) as c:
        theirs = caught(openai.RateLimitError, lambda: c.decisions.create(model="m", input="a", questions=[PREDICATE]))
    with TypeSafeClient(base_url="https://host", api_key="k", transport=network, retry=RetryPolicy(max_retries=0)) as t:
        other = caught(
            typesafe_sdk.TypeSafeRateLimitError, lambda: t.system_one(state="a", questions={"q": Noul(instructions="b")})
        )

    assert theirs.code == "rate_limited"
    assert other.retry_after_ms == 1000
    assert "Too many requests." in str(other)


def caught(kind: type[Exception], call: Callable[[], object]) -> Any:
    with pytest.raises(kind) as error:
        call()
    return error.value
