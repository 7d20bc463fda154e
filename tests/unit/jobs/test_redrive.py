"""What no worker could do becomes a new job, once: the same samples, labels and options, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.contract.classification import Sample
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand, Span
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import NotFound, UnreadableImage
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.records import JobInput, decode_job_input, encode_job_input
from pigeonhole.jobs.redrive import CannotRedrive
from pigeonhole.object_keys import job_input_key
from support.job_fixtures import ACME, BAD, Jobs, request


def died(jobs: Jobs, count: int, dead: tuple[int, ...], **more: object) -> Job:
    """A job in chunks of four whose workers died of those that begin at `dead`, each time."""
    job = jobs.submitted(count, **more)
    messages = [jobs.take() for _ in job.chunks()]
    for message in messages:
        if message.start in dead:
            jobs.dead_letters.fail(message)
        else:
            jobs.worker.process(message, lambda: 100.0)
    return jobs.job(job)


def kept(jobs: Jobs, job: Job) -> JobInput:
    return decode_job_input(jobs.objects.objects[job_input_key(job.tenant_id, job.id)])


def test_the_dead_samples_alone_become_a_job() -> None:
    jobs = Jobs()
    old = died(jobs, 11, (0, 8))

    made = jobs.redriver.redrive("acme", old.id)
    jobs.work()

    assert made.samples == [0, 1, 2, 3, 8, 9, 10]
    assert (made.job.id != old.id, made.job.tenant_id, made.job.total) == (True, "acme", 7)
    done = jobs.responder.respond(jobs.job(made.job), "log-2")
    assert (done.job.status, done.predictions) == (JobStatus.SUCCEEDED, ["even", "odd", "even", "odd", "even", "odd", "even"])
    assert jobs.job(old) == old, "its end is final"


def test_an_error_that_a_retry_would_not_mend_is_left_alone() -> None:
    jobs = Jobs()
    dataset = [{"type": "text", "value": BAD if number in (1, 5) else str(number)} for number in range(8)]
    old = died(jobs, 0, (4,), dataset=dataset)

    made = jobs.redriver.redrive("acme", old.id)

    assert made.samples == [4, 5, 6, 7]


def test_a_chunk_with_an_error_of_its_own_is_left_alone() -> None:
    def no_picture(command: ClassifyCommand, **_: Any) -> ChunkResult:
        raise UnreadableImage("a label's picture is cut off")

    jobs = Jobs(run=no_picture)
    old = died(jobs, 8, (4,))

    assert jobs.redriver.redrive("acme", old.id).samples == [4, 5, 6, 7]


def test_what_another_has_written_of_a_dead_chunk_is_left_alone() -> None:
    jobs = Jobs()
    old = jobs.submitted(4)
    message = jobs.take()
    jobs.worker.process(message, iter([100.0, 1.0]).__next__)  # time for two samples
    jobs.dead_letters.fail(message)

    assert jobs.redriver.redrive("acme", old.id).samples == [2, 3]


def test_labels_options_and_log_id_are_those_of_the_old_job() -> None:
    jobs = Jobs()
    options = {"multiple_labels": True, "scores": True, "instruction": "numbers", "threshold": 0.25, "top_k": 1}
    old = died(jobs, 4, (0,), **options)

    made = jobs.redriver.redrive("acme", old.id)

    assert kept(jobs, made.job).request == request(4, **options)
    assert kept(jobs, made.job).log_id == kept(jobs, old).log_id == "log-1"
    assert made.job.multiple_labels


def test_the_new_job_has_smaller_chunks_and_is_kept_as_long_as_the_old_one_was() -> None:
    jobs = Jobs()
    jobs.rules = replace(jobs.rules, text_chunk=40)
    old = died(jobs, 40, (0,))
    jobs.now += 500

    made = jobs.redriver.redrive("acme", old.id)

    assert made.job.chunk_size == 5
    assert made.job.expires_at - made.job.created_at == old.expires_at - old.created_at == 1_000


def test_a_chunk_never_becomes_smaller_than_a_sample() -> None:
    jobs = Jobs()

    assert jobs.redriver.redrive("acme", died(jobs, 4, (0,)).id).job.chunk_size == 1


def test_what_died_again_can_be_redriven_again() -> None:
    jobs = Jobs()
    again = jobs.redriver.redrive("acme", died(jobs, 8, (4,)).id)
    first = jobs.take()
    jobs.dead_letters.fail(first)
    jobs.work()

    made = jobs.redriver.redrive("acme", again.job.id)

    assert (made.samples, [sample.value for sample in kept(jobs, made.job).request.dataset]) == ([0], ["4"])


def test_twice_gives_the_same_job_for_a_day() -> None:
    jobs = Jobs()
    jobs.rules = replace(jobs.rules, keep_s=7 * 24 * 3600)
    old = died(jobs, 4, (0,))

    first = jobs.redriver.redrive("acme", old.id)
    jobs.now += 24 * 3600 - 10
    second = jobs.redriver.redrive("acme", old.id)
    jobs.now += 20
    third = jobs.redriver.redrive("acme", old.id)

    assert (second.job.id, second.samples) == (first.job.id, first.samples)
    assert third.job.id != first.job.id


def test_two_jobs_are_redriven_as_two() -> None:
    jobs = Jobs()
    one, two = died(jobs, 4, (0,)), died(jobs, 4, (0,))

    assert jobs.redriver.redrive("acme", one.id).job.id != jobs.redriver.redrive("acme", two.id).job.id


def test_samples_above_the_default_limits_are_taken_as_they_were_taken_before() -> None:
    jobs = Jobs()
    old = died(jobs, 4, (0,))
    job_input = kept(jobs, old)
    dataset = [Sample.model_construct(type="text", value="x" * 9_000), *job_input.request.dataset[1:]]
    large = replace(job_input, request=job_input.request.model_copy(update={"dataset": dataset}))
    jobs.objects.objects[job_input_key("acme", old.id)] = encode_job_input(large)

    assert jobs.redriver.redrive("acme", old.id).job.total == 4


def test_an_unknown_tenant_is_not_found() -> None:
    jobs = Jobs()
    old = died(jobs, 4, (0,))

    with pytest.raises(NotFound, match="no tenant 'nobody'"):
        jobs.redriver.redrive("nobody", old.id)


@pytest.mark.parametrize("job_id", ["nonsense", new_id(0)], ids=["no id", "an id"])
def test_an_unknown_job_is_not_found(job_id: str) -> None:
    with pytest.raises(NotFound, match="no job"):
        Jobs().redriver.redrive("acme", job_id)


def test_a_job_of_another_tenant_and_one_whose_time_is_over_are_not_found() -> None:
    jobs = Jobs()
    old = died(jobs, 4, (0,))
    with pytest.raises(NotFound, match="tenant zeta has no job"):
        jobs.redriver.redrive("zeta", old.id)

    jobs.now = old.expires_at
    with pytest.raises(NotFound, match="expired"):
        jobs.redriver.redrive("acme", old.id)


def test_a_job_that_has_not_ended_is_left_to_its_workers() -> None:
    jobs = Jobs()
    old = jobs.submitted(8)
    jobs.dead_letters.fail(jobs.take())

    with pytest.raises(CannotRedrive, match="processing"):
        jobs.redriver.redrive("acme", old.id)


def test_a_canceled_job_is_left_alone() -> None:
    jobs = Jobs()
    old = jobs.submitted(8)
    jobs.dead_letters.fail(jobs.take())
    jobs.canceler.cancel(ACME, old.id)

    with pytest.raises(CannotRedrive, match="canceled"):
        jobs.redriver.redrive("acme", old.id)


def test_a_job_in_which_nothing_died_makes_none() -> None:
    jobs = Jobs()
    old = died(jobs, 1, (), dataset=[{"type": "text", "value": BAD}])
    assert old.status is JobStatus.FAILED

    with pytest.raises(CannotRedrive, match="no sample of the job was abandoned"):
        jobs.redriver.redrive("acme", old.id)
    assert list(jobs.store.jobs) == [("acme", old.id)]


def test_samples_that_are_no_longer_kept_are_told() -> None:
    jobs = Jobs()
    old = died(jobs, 4, (0,))
    del jobs.objects.objects[job_input_key("acme", old.id)]

    with pytest.raises(CannotRedrive, match="have expired"):
        jobs.redriver.redrive("acme", old.id)


def test_a_caller_is_told_no_more_of_a_dead_sample_than_before() -> None:
    jobs = Jobs()
    old = died(jobs, 4, (0,))

    shown = jobs.responder.respond(old, "log-2")

    assert shown.errors is not None
    assert {fault.code for fault in shown.errors} == {"internal_error"}
    assert jobs.reader.read_part_results(old)[0][0] == Span(0, 4)
    assert "abandoned" not in shown.model_dump_json()


def dropped(name: str, **more: Any) -> UploadedFile:
    return UploadedFile(key=f"incoming/acme/pets/{name}", version_id=f"v-{name}", sequencer="1", size=1, **more)


def test_of_a_job_of_files_the_dead_samples_files_go_on() -> None:
    jobs = Jobs()
    uploads = [dropped(f"{number}.txt") for number in range(10)]
    old = jobs.submitter.submit(request(10), tenant=ACME, log_id="l", uploads=uploads)
    first, second, last = (jobs.take() for _ in old.chunks())
    jobs.dead_letters.fail(first)
    jobs.worker.process(second, lambda: 100.0)
    jobs.dead_letters.fail(last)

    made = jobs.redriver.redrive("acme", old.id)

    assert (made.samples, made.job.has_uploads) == ([0, 1, 2, 3, 8, 9], True)
    assert kept(jobs, made.job).uploads == tuple(uploads[index] for index in made.samples)


def test_of_a_list_no_result_is_told_by_the_part_of_it_that_is_redriven() -> None:
    """It would take the place of the whole list's."""
    jobs = Jobs()
    upload = dropped("a.jsonl", samples=8, is_lines=True)
    old = jobs.submitter.submit(request(8), tenant=ACME, log_id="l", uploads=[upload])
    jobs.dead_letters.fail(jobs.take())
    jobs.work()

    made = jobs.redriver.redrive("acme", old.id)

    assert (made.samples, made.job.has_uploads) == ([0, 1, 2, 3], False)
    assert kept(jobs, made.job).uploads == ()
