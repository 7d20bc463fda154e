"""functions/api submits, reads, lists and cancels jobs."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.errors import Overloaded
from pigeonhole.jobs.submit import QUEUE_GRACE_S
from support.api_calls import Api, api_with_fakes
from support.job_fixtures import ZETA, even_or_odd, request

JOBS = "/v1/classification/jobs"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def body(count: int) -> dict[str, Any]:
    return request(count).model_dump(exclude_none=True)


def submitted(api: Api, count: int = 10, **headers: str) -> str:
    """Submit a job, and give its path."""
    answer = api.call("POST", JOBS, body=body(count), **headers)
    assert answer.status == 202, answer.text
    return answer.headers["location"]


def test_a_job_is_accepted_with_202_and_its_address(api: Api) -> None:
    answer = api.call("POST", JOBS, body=body(100))

    assert answer.status == 202
    job = answer.json["job"]
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    assert answer.headers["retry-after"] == "1"
    assert "preference-applied" not in answer.headers
    assert (job["status"], job["progress"]) == ("queued", {"total": 100, "succeeded": 0, "failed": 0})
    assert set(answer.json) == {"success", "log_id", "job"}


def test_a_caller_may_wait_for_the_end_of_its_job(api: Api) -> None:
    late = api.call("POST", JOBS, body=body(100), prefer="wait=600")
    assert (late.status, late.headers["preference-applied"], api.jobs.now) == (202, "wait=24", 1_024.0)

    api.jobs.run = even_or_odd
    real = api.jobs.queue.send
    api.jobs.queue.send = lambda messages: (real(messages), api.jobs.work())
    in_time = api.call("POST", JOBS, body=body(4), prefer="respond-async, wait=5")
    assert (in_time.status, in_time.json["predictions"]) == (200, ["even", "odd"] * 2)
    assert in_time.headers["preference-applied"] == "respond-async, wait=5"


def test_once_a_job_is_stored_no_answer_asks_to_send_it_again(api: Api) -> None:
    api.jobs.run = even_or_odd
    real = api.jobs.queue.send

    def busy(*_: object) -> None:
        raise Overloaded("busy")

    def send(messages: object) -> None:
        real(messages)
        api.jobs.work()
        api.jobs.store.list_parts = busy  # the job has ended, and its results can't be read

    api.jobs.queue.send = send
    answer = api.call("POST", JOBS, body=body(4), prefer="wait=5")

    assert (answer.status, answer.json["job"]["status"]) == (202, "succeeded")


def test_a_job_is_read_until_it_has_results(api: Api) -> None:
    path = submitted(api)
    before = api.call("GET", path)
    api.jobs.work()
    after = api.call("GET", path)

    assert (before.status, before.json["job"]["status"], before.headers["retry-after"]) == (200, "queued", "1")
    assert after.json["predictions"] == ["even", "odd"] * 5
    assert after.json["errors"] == []
    assert after.json["_usage"]["total_tokens"] == 33
    assert "retry-after" not in after.headers


def test_a_job_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    path = submitted(api)
    tag = api.call("GET", path).headers["etag"]

    same = api.call("GET", path, if_none_match=f'"other", W/{tag}')
    assert (same.status, same.text, same.headers["etag"], same.headers["retry-after"]) == (304, "", tag, "1")
    api.jobs.work()
    ended = api.call("GET", path, if_none_match=tag)
    assert ended.status == 200
    still = api.call("GET", path, if_none_match=ended.headers["etag"])
    assert still.status == 304
    assert "retry-after" not in still.headers, "it has ended"


def test_a_long_poll_waits(api: Api) -> None:
    path = submitted(api)
    api.call("GET", f"{path}?wait=20")
    assert api.jobs.now == 1_020.0

    api.call("GET", f"{path}?wait=600")
    assert api.jobs.now == 1_044.0, "24 s at most"


@pytest.mark.parametrize("query", ["limit=0", "status=done", "cursor=x"])
def test_an_invalid_parameter_is_400(api: Api, query: str) -> None:
    answer = api.call("GET", f"{JOBS}?{query}")

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert [fault["path"] for fault in answer.json["error"]["details"]] == [query.partition("=")[0]]


def test_jobs_are_listed_newest_first_page_by_page(api: Api) -> None:
    paths = []
    for _ in range(3):
        api.jobs.now += 1
        paths.append(submitted(api, 1))
    api.jobs.work()
    api.jobs.now += 1
    paths.append(submitted(api, 1))

    first = api.call("GET", f"{JOBS}?limit=3")
    assert [f"{JOBS}/{job['id']}" for job in first.json["jobs"]] == [paths[3], paths[2], paths[1]]
    second = api.call("GET", f"{JOBS}?limit=3&cursor={first.json['cursor']}")
    assert [f"{JOBS}/{job['id']}" for job in second.json["jobs"]] == [paths[0]]
    assert "cursor" not in second.json
    queued = api.call("GET", f"{JOBS}?status=queued")
    assert [f"{JOBS}/{job['id']}" for job in queued.json["jobs"]] == [paths[3]]
    assert "predictions" not in first.json["jobs"][0]


def test_a_job_is_canceled_once(api: Api) -> None:
    path = submitted(api)

    canceled = api.call("DELETE", path)
    assert (canceled.status, canceled.json["job"]["status"]) == (200, "canceled")
    again = api.call("DELETE", path)
    assert (again.status, again.code) == (409, "job_finished")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_job_of_another_tenant_looks_like_one_that_does_not_exist(api: Api, method: str) -> None:
    of_another = api.jobs.submitted(4, tenant=ZETA)

    theirs, none = (api.call(method, f"{JOBS}/{job_id}") for job_id in (of_another.id, "0" * 32))

    assert (theirs.status, theirs.code) == (404, "not_found")
    assert theirs.text == none.text
    counted = "x-jigsaw-rate-limit-remaining"
    assert theirs.headers | {counted: ""} == none.headers | {counted: ""}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("job_id", ["x", "..%2F..", "a" * 2_000, "A" * 32])
def test_an_id_that_no_job_can_have_is_404_without_a_read(api: Api, method: str, job_id: str) -> None:
    api.jobs.store.get = lambda *_: pytest.fail("a key of 2,000 bytes is an error of DynamoDB's")

    assert api.call(method, f"{JOBS}/{job_id}").status == 404


def test_an_idempotency_key_gives_the_same_job(api: Api) -> None:
    path = submitted(api, idempotency_key="k")

    assert submitted(api, idempotency_key="k") == path
    other = api.call("POST", JOBS, body=body(3), idempotency_key="k")
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    api.jobs.work()
    done = api.call("POST", JOBS, body=body(10), idempotency_key="k")
    assert (done.status, done.json["job"]["status"], set(done.json)) == (202, "succeeded", {"success", "log_id", "job"})


@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async, wait=0", "foo, respond-async;x=1, respond-async"])
def test_classification_answers_with_a_job_if_the_caller_prefers_one(api: Api, prefer: str) -> None:
    answer = api.call("POST", "/v1/classification", body=body(2), prefer=prefer)

    assert answer.status == 202
    assert answer.headers["preference-applied"].startswith("respond-async")
    assert answer.headers["location"].startswith(JOBS)


def test_classification_waits_as_long_as_the_caller_prefers(api: Api) -> None:
    answer = api.call("POST", "/v1/classification", body=body(2), prefer="wait=5")

    assert (answer.status, api.jobs.now) == (202, 1_005.0)
    longer = api.call("POST", "/v1/classification", body=body(2), prefer="wait=1000")
    assert (longer.status, longer.headers["preference-applied"], api.jobs.now) == (202, "wait=24", 1_029.0)


def test_a_job_that_could_not_be_queued_is_accepted(api: Api) -> None:
    def busy() -> None:
        raise Overloaded("busy")

    api.jobs.queue.before = busy
    assert api.call("POST", JOBS, body=body(2)).status == 202
    api.jobs.queue.before = lambda: None
    api.jobs.now += QUEUE_GRACE_S
    assert api.jobs.sweeper.sweep().queued == 1


def test_the_log_names_the_route_and_no_job(api: Api) -> None:
    path = submitted(api)
    api.call("GET", path)

    assert '"route":"/v1/classification/jobs/{job_id}"' in api.log.getvalue()
