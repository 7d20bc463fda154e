"""Jobs: submitted once, waited for, and read with their results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole.client import ClientError, JobNotEnded
from pigeonhole.client.jobs import wait
from pigeonhole.contract.jobs import JobInfo
from pigeonhole.errors import UnreadableImage
from support.client_api import USAGE, Call, FakeApi, fail, respond, upload_answer

ID = "0" * 32
LABELS = ["billing", "bug"]


def job(status: str = "queued", **more: Any) -> dict[str, Any]:
    info = {
        "id": ID,
        "status": status,
        "created_at": "2026-11-30T06:03:41.336Z",
        "expires_at": "2026-12-07T06:03:41Z",
        "progress": {"total": 2, "succeeded": 0, "failed": 0},
    }
    return {"success": True, "log_id": "log-1", "job": info, **more}


DONE = job("succeeded", predictions=["bug", None], errors=[{"index": 1, "code": "too_large", "message": "no"}], _usage=USAGE)


def test_a_job_is_submitted_with_a_key_that_survives_retries(api: FakeApi, call: Call) -> None:
    api.prepare(fail("overloaded", 503), httpx.ReadTimeout("slow"), respond(job(), 202))

    submitted = call("submit_texts", ["a", "b"], LABELS, webhook_url="https://example.com/hook")

    assert submitted.id == ID
    assert submitted.results is None
    assert len({request.headers["idempotency-key"] for request in api.requests}) == 1
    assert api.bodies[0] == {
        "labels": [{"type": "text", "value": "billing"}, {"type": "text", "value": "bug"}],
        "dataset": [{"type": "text", "value": "a"}, {"type": "text", "value": "b"}],
        "scores": True,
        "webhook_url": "https://example.com/hook",
    }


def test_two_jobs_have_two_keys_unless_the_caller_names_one(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: respond(job(), 202)

    for key in (None, None, "mine"):
        call("submit_texts", ["a"], LABELS, idempotency_key=key)

    keys = [request.headers["idempotency-key"] for request in api.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_small_images_are_sent_inline(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: respond(job(), 202)

    call("submit_images", [b"a", "https://example.com/b.png"], LABELS)

    values = [sample["value"] for sample in api.bodies[0]["dataset"]]
    assert values == ["data:application/octet-stream;base64,YQ==", "https://example.com/b.png"]


def test_images_that_are_too_large_together_are_uploaded(api: FakeApi, call: Call) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v1/uploads"):
            return respond(upload_answer())
        return respond(status=204) if request.url.host == "bucket.example" else respond(job(), 202)

    api.answer = answer

    call("submit_images", [b"x" * 1_000_000, "https://example.com/b.png", b"y" * 2_000_000], LABELS)

    values = [sample["value"] for sample in json.loads(api.requests[-1].content)["dataset"]]
    assert values == ["s3://bucket/uploads/1", "https://example.com/b.png", "s3://bucket/uploads/1"]


@pytest.mark.parametrize(("size", "is_same"), [(1_000, True), (4_000_000, False)], ids=["inline", "uploaded"])
def test_only_jobs_without_uploads_can_be_submitted_again_with_their_key(
    api: FakeApi, call: Call, size: int, is_same: bool
) -> None:
    """The documentation says so: the API compares bodies, and each upload has a new address."""
    addresses = iter(["s3://bucket/uploads/1", "s3://bucket/uploads/2"])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v1/uploads"):
            given = upload_answer()
            return respond({**given, "upload": {**given["upload"], "s3_uri": next(addresses)}})
        return respond(status=204) if request.url.host == "bucket.example" else respond(job(), 202)

    api.answer = answer

    for _ in range(2):
        call("submit_images", [b"x" * size], LABELS, idempotency_key="mine")

    bodies = [request.content for request in api.requests if request.url.path.endswith("/jobs")]
    assert len(bodies) == 2
    assert (bodies[0] == bodies[1]) is is_same


def test_an_image_that_cannot_be_read_is_raised_before_anything_is_sent(api: FakeApi, call: Call, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"missing\.png"):
        call("submit_images", [tmp_path / "missing.png"], LABELS)

    assert api.requests == []


def test_a_job_is_waited_for(api: FakeApi, call: Call) -> None:
    api.prepare(respond(job()), respond(job("processing")), respond(DONE))
    states: list[JobInfo] = []

    ended = call("wait_for_job", ID, on_job=states.append)

    assert [state.status for state in states] == ["queued", "processing", "succeeded"]
    assert [result.label for result in ended.results] == ["bug", None]
    assert [error.code for error in ended.results.errors] == ["too_large"]
    assert [request.url.params.get("wait") for request in api.requests] == [None, "20", "20"]


def test_a_job_that_does_not_end_in_time_is_an_error(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: respond(job("processing"))

    with pytest.raises(JobNotEnded, match="still processing after 0 s"):
        call("wait_for_job", ID, timeout_s=0)


def test_a_job_is_waited_for_to_the_second() -> None:
    """The API waits no longer than the caller."""
    seconds: Iterator[float] = iter([0.0, 0.0, 7.0, 7.0])
    flow = wait(ID, timeout_s=7, clock=lambda: next(seconds))
    waiting = httpx.Response(200, json=job("processing"))

    next(flow)
    request = flow.send(respond_to_flow(waiting))

    assert request.params == {"wait": 7}  # type: ignore[union-attr]
    with pytest.raises(JobNotEnded):
        flow.send(respond_to_flow(waiting))


def respond_to_flow(response: httpx.Response) -> Any:
    from pigeonhole.client.transport import from_httpx

    return from_httpx(response)


def test_large_results_are_fetched_without_the_key(api: FakeApi, call: Call) -> None:
    api.prepare(respond(job("succeeded", results_url="https://bucket.example/results?sig=1")), respond(DONE))

    read = call("get_job", ID)

    assert read.results.labels == ["bug", None]
    assert str(api.requests[1].url) == "https://bucket.example/results?sig=1"
    assert "x-api-key" not in api.requests[1].headers


def test_results_whose_address_has_expired_are_an_error(api: FakeApi, call: Call) -> None:
    api.prepare(respond(job("succeeded", results_url="https://bucket.example/results")), httpx.Response(403, text="<Error/>"))

    with pytest.raises(ClientError, match="can't be fetched"):
        call("get_job", ID)


def test_a_job_with_questions_has_the_results_of_each(api: FakeApi, call: Call) -> None:
    predictions = {"topic": ["bug", None], "tone": ["calm", None]}
    api.prepare(respond({**DONE, "predictions": predictions, "scores": None}))

    read = call("get_job", ID)

    assert read.results is None
    assert {name: results.labels for name, results in read.answers.items()} == predictions
    assert [error.index for error in read.answers["tone"].errors] == [1]


def test_jobs_are_listed_page_by_page(api: FakeApi, call: Call) -> None:
    info = job()["job"]
    page = {"success": True, "log_id": "1", "jobs": [info] * 100}
    api.prepare(respond({**page, "cursor": "next"}), respond({**page, "jobs": [info] * 20}))

    assert len(call("list_jobs", limit=120, status="queued")) == 120
    assert [dict(request.url.params) for request in api.requests] == [
        {"limit": "100", "status": "queued"},
        {"limit": "20", "status": "queued", "cursor": "next"},
    ]


def test_a_job_is_canceled_once(api: FakeApi, call: Call) -> None:
    api.prepare(respond(job("canceled")))

    assert call("cancel_job", ID).info.status == "canceled"
    assert api.calls == [("DELETE", f"/prod/v1/classification/jobs/{ID}")]
