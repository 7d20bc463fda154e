"""A request is classified directly or by a job, and only a caller that asks for a job can tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.api.classify import ClassificationService, DirectClassifier, DirectRules
from pigeonhole.contract.classification import ClassificationResponse
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobStatus, Preference
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import Fault, InvalidRequest, JobFinished, Overloaded, TimedOut, UnreadableImage
from pigeonhole.jobs.job import Job
from support.fakes import FakeClassifierClient
from support.job_fixtures import ACME, BAD, Jobs, request

PLAIN, ASYNC = Preference(), Preference(respond_async=True)


class Service:
    """The service over fakes. While a caller waits, a worker processes its job, unless `idle`."""

    def __init__(self, *, idle: bool = False, rules: DirectRules | None = None, run: Any = None) -> None:
        self.jobs, self.client = Jobs(), FakeClassifierClient()
        if run:
            self.jobs.run = run

        def sleep(seconds: float) -> None:
            self.jobs.now += seconds
            if not idle:
                self.jobs.work()

        self.jobs.sleep = sleep  # type: ignore[method-assign]
        self.classification = ClassificationService(
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
        return self.classification.classify(body, tenant=ACME, log_id="log-1", preference=wanted)


SMALL_ONLY = DirectRules(text_ms=1_000, max_ms=2_000)


def test_a_small_request_is_answered_directly() -> None:
    service = Service(rules=SMALL_ONLY)

    assert isinstance(service(2), ClassificationResponse)
    assert (len(service.client.commands), service.jobs.store.jobs) == (1, {})


def test_a_large_request_is_classified_by_a_job_and_answered_alike() -> None:
    service = Service(rules=SMALL_ONLY)

    answer = service(10)

    assert isinstance(answer, ClassificationResponse)
    assert answer.model_dump(by_alias=True, exclude_none=True) == {
        "success": True,
        "log_id": "log-1",
        "predictions": ["even", "odd"] * 5,
        "_usage": {"input_tokens": 20, "output_tokens": 10, "inference_time_tokens": 3, "total_tokens": 33},
    }
    assert service.client.commands == []


@pytest.mark.parametrize(
    ("labels", "fits"), [([("text", "a"), ("text", "b")], True), ([("image", "s3://a/b"), ("text", "b")], False)]
)
def test_the_image_of_a_label_takes_as_long_as_a_sample(labels: list[tuple[str, str]], fits: bool) -> None:
    small_request = request(1, labels=[{"type": kind, "value": value} for kind, value in labels])

    assert DirectRules(text_ms=1, image_ms=10, max_ms=10).allows(small_request) is fits


@pytest.mark.parametrize(("text", "max_ms"), [("a", 2), ("a" * 10, 2), ("a" * 11, 4), ("\u732b" * 10, 6)])
def test_a_long_text_takes_as_long_as_several_short_ones(text: str, max_ms: int) -> None:
    small_request = request(1, dataset=[{"type": "text", "value": text}])

    assert DirectRules(text_ms=2, text_bytes=10, max_ms=max_ms).allows(small_request)
    assert not DirectRules(text_ms=2, text_bytes=10, max_ms=max_ms - 1).allows(small_request)


@pytest.mark.parametrize(
    ("changes", "max_ms"),
    [
        ({}, 2 * (1 + 2 * 10)),
        ({"labels": [{"type": "text", "value": "a"}, {"type": "text", "value": "b"}, {"type": "text", "value": "c"}]}, 62),
        ({"prompt_templates": ["{}", "It is {}"]}, 2 * (1 + 4 * 10)),
        ({"instruction": "Sort by topic."}, 2 * (1 + 4 * 10)),
    ],
)
def test_a_cross_encoder_takes_its_time_for_each_text_with_each_prompt(changes: dict[str, Any], max_ms: int) -> None:
    two_texts = request(1, **{"dataset": [{"type": "text", "value": "x"}] * 2, **changes})

    assert DirectRules(text_ms=1, pair_ms=10, max_ms=max_ms).allows(two_texts)
    assert not DirectRules(text_ms=1, pair_ms=10, max_ms=max_ms - 1).allows(two_texts)


def test_a_request_that_takes_too_long_names_its_job() -> None:
    service = Service(rules=SMALL_ONLY, idle=True)

    with pytest.raises(TimedOut) as caught:
        service(10)

    (job,) = service.jobs.store.jobs.values()
    assert service.jobs.now == 1_024.0
    assert job.id in caught.value.message
    assert caught.value.details == (Fault("job", f"/v1/classification/jobs/{job.id}"),)


def test_a_caller_that_prefers_a_job_gets_one_at_once() -> None:
    service = Service()

    job = service(2, ASYNC)

    assert isinstance(job, Job)
    assert (job.status, service.jobs.now, service.client.commands) == (JobStatus.QUEUED, 1_000.0, [])


def test_a_caller_that_waits_gets_the_answer_if_the_job_ends_in_time() -> None:
    assert isinstance(Service()(2, Preference(wait_s=5)), ClassificationResponse)


@pytest.mark.parametrize("wait_s", [5, 24, 0])
def test_a_caller_that_waits_gets_the_job_if_it_does_not_end(wait_s: float) -> None:
    service = Service(idle=True)

    job = service(2, Preference(respond_async=True, wait_s=wait_s))

    assert isinstance(job, Job)
    assert service.jobs.now == 1_000.0 + wait_s


def test_a_bad_sample_of_a_job_is_the_same_error_as_directly() -> None:
    service = Service()
    dataset = [{"type": "text", "value": value} for value in ("0", BAD, BAD)]

    with pytest.raises(UnreadableImage, match=r"dataset\.1\.value: it is bad") as caught:
        service(1, Preference(wait_s=5), dataset=dataset)
    assert [fault.path for fault in caught.value.details] == ["dataset.1.value", "dataset.2.value"]


def test_with_on_error_null_a_bad_sample_is_null() -> None:
    dataset = [{"type": "text", "value": value} for value in ("0", BAD)]

    answer = Service()(1, Preference(wait_s=5), dataset=dataset, on_error="null")

    assert isinstance(answer, ClassificationResponse)
    assert answer.predictions == ["even", None]
    assert answer.errors is not None
    assert [fault.index for fault in answer.errors] == [1]


@pytest.mark.parametrize("on_error", ["fail", "null"])
def test_a_bad_label_of_a_job_is_the_same_error_as_directly(on_error: str) -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        raise UnreadableImage("labels.0.value: truncated", (Fault("labels.0.value", "truncated"),))

    with pytest.raises(UnreadableImage, match=r"^labels\.0\.value: truncated$") as caught:
        Service(run=run)(2, Preference(wait_s=5), on_error=on_error)
    assert caught.value.details == (Fault("labels.0.value", "truncated"),)


def test_a_job_that_is_canceled_while_its_caller_waits_is_an_error() -> None:
    service = Service()

    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        (job,) = service.jobs.store.jobs.values()
        service.jobs.canceler.cancel(ACME, job.id)
        return ChunkResult(predictions=[["even"]] * 2, input_tokens=1, output_tokens=1, inference_ms=1)

    service.jobs.run = run
    with pytest.raises(JobFinished):
        service(2, Preference(wait_s=5))


@pytest.mark.parametrize("wanted", [PLAIN, Preference(wait_s=5)])
def test_no_job_is_lost_if_the_table_is_busy_while_its_caller_waits(wanted: Preference) -> None:
    service = Service(rules=SMALL_ONLY, idle=True)
    reads = iter([True])

    def busy(seconds: float) -> None:
        if next(reads, False):
            raise Overloaded("busy")

    service.jobs.sleep = busy  # type: ignore[method-assign]
    service.jobs.__dict__.pop("read", None)
    service.classification = replace(service.classification, job_reader=service.jobs.reader)

    if wanted is PLAIN:
        with pytest.raises(TimedOut, match="still being worked on as job"):
            service(10, wanted)
    else:
        assert isinstance(service(10, wanted), Job)
    assert len(service.jobs.store.jobs) == 1


def test_the_time_that_submitting_takes_is_part_of_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rules=SMALL_ONLY, idle=True)

    def slow() -> None:
        service.jobs.now += 2

    service.jobs.objects.before = slow
    with pytest.raises(TimedOut):
        service(10)

    assert service.jobs.now == 1_024.0


def test_a_faulty_body_is_neither_classified_nor_submitted() -> None:
    service = Service()

    with pytest.raises(InvalidRequest):
        service(2, ASYNC, labels=[])
    with pytest.raises(InvalidRequest, match="1 to 32 samples"):
        service(33, ASYNC)
    assert (service.client.commands, service.jobs.store.jobs) == ([], {})
