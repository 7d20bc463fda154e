"""Redriving: abandoned samples become one new job with the same labels and options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.contract.classification import Sample
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.spans import Span
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import NotFound, UnreadableImage
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import BulkPlan, Job
from pigeonhole.jobs.records import JobInput, decode_job_input, encode_job_input
from pigeonhole.jobs.redrive import CannotRedrive
from pigeonhole.object_keys import job_input_key
from support.job_fixtures import ACME, BAD, ID, Jobs, job, request


def with_dead_messages(jobs: Jobs, count: int, dead: tuple[int, ...], **more: object) -> Job:
    """Submit a job in chunks of four. The messages that begin at `dead` are dead letters. The others are processed."""
    job = jobs.submitted(count, **more)
    messages = [jobs.take() for _ in job.chunks()]
    for message in messages:
        if message.start in dead:
            jobs.abandon(message)
        else:
            jobs.worker.process(message, lambda: 100.0)
    return jobs.job(job)


def read_input(jobs: Jobs, job: Job) -> JobInput:
    return decode_job_input(jobs.objects.objects[job_input_key(job.tenant_id, job.id)])


def test_only_the_abandoned_samples_become_a_job() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 11, (0, 8))

    redriven = jobs.redriver.redrive("acme", old.id)
    jobs.work()

    assert redriven.samples == [0, 1, 2, 3, 8, 9, 10]
    assert (redriven.job.id != old.id, redriven.job.tenant_id, redriven.job.total) == (True, "acme", 7)
    done = jobs.responder.respond(jobs.job(redriven.job), "log-2")
    assert (done.job.status, done.predictions) == (JobStatus.SUCCEEDED, ["even", "odd", "even", "odd", "even", "odd", "even"])
    assert jobs.job(old) == old, "its end is final"


def test_a_sample_with_an_error_of_its_own_is_not_redriven() -> None:
    jobs = Jobs()
    dataset = [{"type": "text", "value": BAD if number in (1, 5) else str(number)} for number in range(8)]
    old = with_dead_messages(jobs, 0, (4,), dataset=dataset)

    redriven = jobs.redriver.redrive("acme", old.id)

    assert redriven.samples == [4, 5, 6, 7]


def test_a_chunk_with_an_error_of_its_own_is_not_redriven() -> None:
    def bad_label(command: ClassifyCommand, **_: Any) -> ChunkResult:
        raise UnreadableImage("a label's image is cut off")

    jobs = Jobs(run=bad_label)
    old = with_dead_messages(jobs, 8, (4,))

    assert jobs.redriver.redrive("acme", old.id).samples == [4, 5, 6, 7]


def test_stored_samples_of_a_dead_message_are_not_redriven() -> None:
    jobs = Jobs()
    old = jobs.submitted(4)
    message = jobs.take()
    jobs.worker.process(message, iter([100.0, 1.0]).__next__)  # time for two samples
    jobs.abandon(message)

    assert jobs.redriver.redrive("acme", old.id).samples == [2, 3]


def test_labels_options_and_log_id_are_those_of_the_old_job() -> None:
    jobs = Jobs()
    options = {"multiple_labels": True, "scores": True, "instruction": "numbers", "threshold": 0.25, "top_k": 1}
    old = with_dead_messages(jobs, 4, (0,), **options)

    redriven = jobs.redriver.redrive("acme", old.id)

    assert read_input(jobs, redriven.job).request == request(4, **options)
    assert read_input(jobs, redriven.job).log_id == read_input(jobs, old).log_id == "log-1"
    assert redriven.job.multiple_labels


def test_the_new_job_has_smaller_chunks_and_is_kept_as_long_as_the_old_one_was() -> None:
    jobs = Jobs()
    jobs.rules = replace(jobs.rules, text_chunk=40)
    old = with_dead_messages(jobs, 40, (0,))
    jobs.now += 500

    redriven = jobs.redriver.redrive("acme", old.id)

    assert redriven.job.chunk_size == 5
    assert redriven.job.expires_at - redriven.job.created_at == old.expires_at - old.created_at == 1_000


def test_a_chunk_never_becomes_smaller_than_a_sample() -> None:
    jobs = Jobs()

    assert jobs.redriver.redrive("acme", with_dead_messages(jobs, 4, (0,)).id).job.chunk_size == 1


def test_a_redriven_job_can_be_redriven() -> None:
    jobs = Jobs()
    again = jobs.redriver.redrive("acme", with_dead_messages(jobs, 8, (4,)).id)
    first = jobs.take()
    jobs.abandon(first)
    jobs.work()

    redriven = jobs.redriver.redrive("acme", again.job.id)

    assert (redriven.samples, [sample.value for sample in read_input(jobs, redriven.job).request.dataset]) == ([0], ["4"])


def test_a_second_redrive_within_a_day_returns_the_same_job() -> None:
    jobs = Jobs()
    jobs.rules = replace(jobs.rules, keep_s=7 * 24 * 3600)
    old = with_dead_messages(jobs, 4, (0,))

    first = jobs.redriver.redrive("acme", old.id)
    jobs.now += 24 * 3600 - 10
    second = jobs.redriver.redrive("acme", old.id)
    jobs.now += 20
    third = jobs.redriver.redrive("acme", old.id)

    assert (second.job.id, second.samples) == (first.job.id, first.samples)
    assert third.job.id != first.job.id


def test_two_jobs_become_two_jobs() -> None:
    jobs = Jobs()
    one, two = with_dead_messages(jobs, 4, (0,)), with_dead_messages(jobs, 4, (0,))

    assert jobs.redriver.redrive("acme", one.id).job.id != jobs.redriver.redrive("acme", two.id).job.id


def test_samples_above_the_default_limits_are_redriven() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 4, (0,))
    job_input = read_input(jobs, old)
    dataset = [Sample.model_construct(type="text", value="x" * 9_000), *job_input.request.dataset[1:]]
    large = replace(job_input, request=job_input.request.model_copy(update={"dataset": dataset}))
    jobs.objects.objects[job_input_key("acme", old.id)] = encode_job_input(large)

    assert jobs.redriver.redrive("acme", old.id).job.total == 4


def test_an_unknown_tenant_is_not_found() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 4, (0,))

    with pytest.raises(NotFound, match="no tenant 'absent'"):
        jobs.redriver.redrive("absent", old.id)


@pytest.mark.parametrize("job_id", ["nonsense", new_id(0)], ids=["no id", "an id"])
def test_an_unknown_job_is_not_found(job_id: str) -> None:
    with pytest.raises(NotFound, match="no job"):
        Jobs().redriver.redrive("acme", job_id)


def test_a_job_of_another_tenant_and_an_expired_job_are_not_found() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 4, (0,))
    with pytest.raises(NotFound, match="tenant zeta has no job"):
        jobs.redriver.redrive("zeta", old.id)

    jobs.now = old.expires_at
    with pytest.raises(NotFound, match="expired"):
        jobs.redriver.redrive("acme", old.id)


def test_a_job_that_has_not_ended_is_not_redriven() -> None:
    jobs = Jobs()
    old = jobs.submitted(8)
    jobs.abandon(jobs.take())

    with pytest.raises(CannotRedrive, match="processing"):
        jobs.redriver.redrive("acme", old.id)


def test_a_bulk_job_is_not_redriven() -> None:
    jobs = Jobs()
    jobs.store.create(job(status=JobStatus.FAILED, total=3, chunk_size=0, bulk=BulkPlan(1, 1)), None)

    with pytest.raises(CannotRedrive, match="it is a bulk job"):
        jobs.redriver.redrive("acme", ID)


def test_a_canceled_job_is_not_redriven() -> None:
    jobs = Jobs()
    old = jobs.submitted(8)
    jobs.abandon(jobs.take())
    jobs.canceler.cancel(ACME, old.id)

    with pytest.raises(CannotRedrive, match="canceled"):
        jobs.redriver.redrive("acme", old.id)


def test_a_job_without_abandoned_samples_is_not_redriven() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 1, (), dataset=[{"type": "text", "value": BAD}])
    assert old.status is JobStatus.FAILED

    with pytest.raises(CannotRedrive, match="no sample of the job was abandoned"):
        jobs.redriver.redrive("acme", old.id)
    assert list(jobs.store.jobs) == [("acme", old.id)]


def test_a_job_whose_samples_have_expired_is_not_redriven() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 4, (0,))
    del jobs.objects.objects[job_input_key("acme", old.id)]

    with pytest.raises(CannotRedrive, match="have expired"):
        jobs.redriver.redrive("acme", old.id)


def test_an_answer_does_not_show_which_samples_were_abandoned() -> None:
    jobs = Jobs()
    old = with_dead_messages(jobs, 4, (0,))

    shown = jobs.responder.respond(old, "log-2")

    assert shown.errors is not None
    assert {fault.code for fault in shown.errors} == {"internal_error"}
    assert jobs.reader.read_part_results(old)[0][0] == Span(0, 4)
    assert "abandoned" not in shown.model_dump_json()


def dropped(name: str, **more: Any) -> UploadedFile:
    return UploadedFile(key=f"incoming/acme/pets/{name}", version_id=f"v-{name}", sequencer="1", size=1, **more)


def test_the_new_job_has_the_uploads_of_the_abandoned_samples() -> None:
    jobs = Jobs()
    uploads = [dropped(f"{number}.txt") for number in range(10)]
    old = jobs.submitter.submit(request(10), tenant=ACME, log_id="l", uploads=uploads)
    first, second, last = (jobs.take() for _ in old.chunks())
    jobs.abandon(first)
    jobs.worker.process(second, lambda: 100.0)
    jobs.abandon(last)

    redriven = jobs.redriver.redrive("acme", old.id)

    assert (redriven.samples, redriven.job.has_uploads) == ([0, 1, 2, 3, 8, 9], True)
    assert read_input(jobs, redriven.job).uploads == tuple(uploads[index] for index in redriven.samples)


def test_a_redriven_part_of_a_jsonl_file_publishes_no_result_for_the_file() -> None:
    """The result of a part would replace that of the whole file."""
    jobs = Jobs()
    upload = dropped("a.jsonl", samples=8, is_lines=True)
    old = jobs.submitter.submit(request(8), tenant=ACME, log_id="l", uploads=[upload])
    jobs.abandon(jobs.take())
    jobs.work()

    redriven = jobs.redriver.redrive("acme", old.id)

    assert (redriven.samples, redriven.job.has_uploads) == ([0, 1, 2, 3], False)
    assert read_input(jobs, redriven.job).uploads == ()
