"""Which way a request goes, and that its caller can't tell unless it asked to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.api.classify import ClassificationService, DirectClassifier, DirectRules
from pigeonhole.contract.classification import ClassificationResponse
from pigeonhole.contract.jobs import JobStatus, Preference
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand
from pigeonhole.errors import Fault, InvalidRequest, JobFinished, Overloaded, TimedOut, UnreadableImage
from pigeonhole.jobs.job import Job
from support.fakes import FakeClassifierClient
from support.job_fixtures import ACME, BAD, Jobs, request

PLAIN, ASYNC = Preference(), Preference(respond_async=True)


class Way:
    """The service over fakes. Jobs are worked on while somebody waits, unless `idle`."""

    def __init__(self, *, idle: bool = False, rules: DirectRules | None = None, run: Any = None) -> None:
        self.jobs, self.client = Jobs(), FakeClassifierClient()
        if run:
            self.jobs.run = run

        def sleep(seconds: float) -> None:
            self.jobs.now += seconds
            if not idle:
                self.jobs.work()

        self.jobs.sleep = sleep  # type: ignore[method-assign]
        self.classify = ClassificationService(
            direct=DirectClassifier(classifier=self.client),
            jobs=self.jobs.submitter,
            job_reader=self.jobs.reader,
            label_sets=self.jobs.label_set_applier,
            limits=RequestLimits(),
            job_limits=RequestLimits(),
            rules=rules or DirectRules(),
        )

    def __call__(self, count: int, wanted: Preference = PLAIN, **more: Any) -> ClassificationResponse | Job:
        body = request(count).model_dump(exclude_none=True) | more
        return self.classify.classify(body, tenant=ACME, log_id="log-1", preference=wanted)


THROUGH_THE_QUEUE = DirectRules(text_ms=1_000, max_ms=2_000)


def test_a_small_request_is_answered_directly() -> None:
    way = Way(rules=THROUGH_THE_QUEUE)

    assert isinstance(way(2), ClassificationResponse)
    assert (len(way.client.commands), way.jobs.store.jobs) == (1, {})


def test_a_large_one_goes_through_the_queue_as_if_nothing_had_happened() -> None:
    way = Way(rules=THROUGH_THE_QUEUE)

    answer = way(10)

    assert isinstance(answer, ClassificationResponse)
    assert answer.model_dump(by_alias=True, exclude_none=True) == {
        "success": True,
        "log_id": "log-1",
        "predictions": ["even", "odd"] * 5,
        "_usage": {"input_tokens": 20, "output_tokens": 10, "inference_time_tokens": 3, "total_tokens": 33},
    }
    assert way.client.commands == []


@pytest.mark.parametrize(
    ("labels", "fits"), [([("text", "a"), ("text", "b")], True), ([("image", "s3://a/b"), ("text", "b")], False)]
)
def test_an_example_image_costs_as_much_as_a_sample(labels: list[tuple[str, str]], fits: bool) -> None:
    asked = request(1, labels=[{"type": kind, "value": value} for kind, value in labels])

    assert DirectRules(text_ms=1, image_ms=10, max_ms=10).allows(asked) is fits


def test_what_takes_too_long_names_its_job() -> None:
    way = Way(rules=THROUGH_THE_QUEUE, idle=True)

    with pytest.raises(TimedOut) as caught:
        way(10)

    (job,) = way.jobs.store.jobs.values()
    assert way.jobs.now == 1_024.0
    assert job.id in caught.value.message
    assert caught.value.details == (Fault("job", f"/v1/classification/jobs/{job.id}"),)


def test_who_prefers_a_job_gets_one_at_once() -> None:
    way = Way()

    job = way(2, ASYNC)

    assert isinstance(job, Job)
    assert (job.status, way.jobs.now, way.client.commands) == (JobStatus.QUEUED, 1_000.0, [])


def test_who_would_wait_gets_the_answer_if_it_comes_in_time() -> None:
    assert isinstance(Way()(2, Preference(wait_s=5)), ClassificationResponse)


@pytest.mark.parametrize("asked_s", [5, 24, 0])
def test_who_would_wait_gets_the_job_if_it_does_not_end(asked_s: float) -> None:
    way = Way(idle=True)

    job = way(2, Preference(respond_async=True, wait_s=asked_s))

    assert isinstance(job, Job)
    assert way.jobs.now == 1_000.0 + asked_s


def test_a_bad_sample_is_the_error_that_it_is_directly() -> None:
    way = Way()
    dataset = [{"type": "text", "value": value} for value in ("0", BAD, BAD)]

    with pytest.raises(UnreadableImage, match=r"dataset\.1\.value: it is bad") as caught:
        way(1, Preference(wait_s=5), dataset=dataset)
    assert [fault.path for fault in caught.value.details] == ["dataset.1.value", "dataset.2.value"]


def test_with_on_error_null_a_bad_sample_is_null() -> None:
    dataset = [{"type": "text", "value": value} for value in ("0", BAD)]

    answer = Way()(1, Preference(wait_s=5), dataset=dataset, on_error="null")

    assert isinstance(answer, ClassificationResponse)
    assert answer.predictions == ["even", None]
    assert answer.errors is not None
    assert [fault.index for fault in answer.errors] == [1]


@pytest.mark.parametrize("on_error", ["fail", "null"])
def test_a_bad_label_is_the_error_that_it_is_directly(on_error: str) -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        raise UnreadableImage("labels.0.value: truncated", (Fault("labels.0.value", "truncated"),))

    with pytest.raises(UnreadableImage, match=r"^labels\.0\.value: truncated$") as caught:
        Way(run=run)(2, Preference(wait_s=5), on_error=on_error)
    assert caught.value.details == (Fault("labels.0.value", "truncated"),)


def test_a_job_that_is_canceled_while_its_caller_waits_says_so() -> None:
    way = Way()

    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        (job,) = way.jobs.store.jobs.values()
        way.jobs.canceler.cancel(ACME, job.id)
        return ChunkResult(predictions=[["even"]] * 2, input_tokens=1, output_tokens=1, inference_ms=1)

    way.jobs.run = run
    with pytest.raises(JobFinished):
        way(2, Preference(wait_s=5))


@pytest.mark.parametrize("wanted", [PLAIN, Preference(wait_s=5)])
def test_a_table_that_is_busy_while_its_caller_waits_loses_no_job(wanted: Preference) -> None:
    way = Way(rules=THROUGH_THE_QUEUE, idle=True)
    reads = iter([True])

    def busy(seconds: float) -> None:
        if next(reads, False):
            raise Overloaded("busy")

    way.jobs.sleep = busy  # type: ignore[method-assign]
    way.jobs.__dict__.pop("read", None)
    way.classify = replace(way.classify, job_reader=way.jobs.reader)

    if wanted is PLAIN:
        with pytest.raises(TimedOut, match="still being worked on as job"):
            way(10, wanted)
    else:
        assert isinstance(way(10, wanted), Job)
    assert len(way.jobs.store.jobs) == 1


def test_the_time_that_taking_the_job_takes_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(rules=THROUGH_THE_QUEUE, idle=True)

    def slow() -> None:
        way.jobs.now += 2

    way.jobs.objects.before = slow
    with pytest.raises(TimedOut):
        way(10)

    assert way.jobs.now == 1_024.0


def test_a_faulty_body_goes_no_way() -> None:
    way = Way()

    with pytest.raises(InvalidRequest):
        way(2, ASYNC, labels=[])
    with pytest.raises(InvalidRequest, match="1 to 32 samples"):
        way(33, ASYNC)
    assert (way.client.commands, way.jobs.store.jobs) == ([], {})
