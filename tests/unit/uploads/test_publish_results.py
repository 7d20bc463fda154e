"""Results are published in an object per job, in the table, as tags and events: those of the latest uploads, at least once."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest

from pigeonhole.aws.s3 import MAX_TAGS
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import LEASE_S
from pigeonhole.object_keys import job_input_key
from pigeonhole.uploads.publish_results import PublishSummary
from pigeonhole.uploads.split_results import refuse_upload
from pigeonhole.uploads.upload_result import UploadFault
from pigeonhole.uploads.upload_tags import LABEL_TAG, SCORE_TAG
from support.fakes import FailOnce
from support.job_fixtures import BAD
from support.upload_fixtures import (
    classify_files,
    create_jobs,
    publish,
    stored_json,
    stored_result,
    stored_tags,
    submit_files,
    upload_file,
)


def test_a_job_without_uploads_or_without_its_input_has_no_upload_results() -> None:
    jobs = create_jobs()
    jobs.submitted(2)
    gone = submit_files(jobs, [upload_file(jobs, "1.txt")], ["1"])
    jobs.work()
    del jobs.objects.objects[job_input_key("acme", gone.id)]
    jobs.notify()

    assert (jobs.results.results, jobs.bus.uploads, len(jobs.bus.events)) == ({}, [], 2)


# --- tags --------------------------------------------------------------------------------------------------------------------


def test_the_other_tags_of_a_file_stay() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")
    stored_tags(jobs, upload).update({"owner": "me", LABEL_TAG: "old"})
    classify_files(jobs, [upload], ["1"])

    assert stored_tags(jobs, upload) == {"owner": "me", LABEL_TAG: "odd", SCORE_TAG: "0.7500"}


@pytest.mark.parametrize("trouble", ["full", "gone"])
def test_a_file_that_cannot_be_tagged_is_counted_and_its_result_published(trouble: str) -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, "1.jpg"), upload_file(jobs, "2.jpg")]
    if trouble == "full":
        stored_tags(jobs, uploads[0]).update({str(number): "x" for number in range(MAX_TAGS - 1)})
    else:
        del jobs.tags.tags[uploads[0].key, uploads[0].version_id]
    job = submit_files(jobs, uploads, ["1", "2"])
    jobs.work()

    assert publish(jobs, job) == PublishSummary(published=2, untagged=1)
    assert [stored_result(jobs, upload).prediction for upload in uploads] == ["odd", "even"]
    assert [event.labels for event in jobs.bus.uploads] == [["odd"], ["even"]]


def test_without_a_tag_port_files_are_not_tagged() -> None:
    jobs = create_jobs(tags=None)
    upload = UploadedFile(key="incoming/acme/numbers/1.jpg", sequencer="1", size=1)
    job = submit_files(jobs, [upload], ["1"])
    jobs.work()

    assert publish(jobs, job) == PublishSummary(published=1)
    assert (stored_result(jobs, upload).version_id, jobs.bus.uploads[0].labels) == (None, ["odd"])


# --- which result prevails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["older first", "newer first"])
def test_the_result_of_an_older_upload_never_replaces_a_newer_one(order: str) -> None:
    jobs = create_jobs()
    older, newer = (upload_file(jobs, "1.jpg", sequencer=sequencer) for sequencer in ("9", "A"))
    jobs_of = [submit_files(jobs, [older], ["1"]), submit_files(jobs, [newer], ["2"])]
    jobs.work()

    published = [publish(jobs, job) for job in (jobs_of if order == "older first" else reversed(jobs_of))]

    assert (stored_result(jobs, newer).version_id, stored_result(jobs, newer).prediction) == ("vA", "even")
    assert (stored_json(jobs, newer)["version_id"], stored_tags(jobs, newer)[LABEL_TAG]) == ("vA", "even")
    if order == "older first":
        assert published == [PublishSummary(published=1)] * 2
    else:
        assert published == [PublishSummary(published=1), PublishSummary(overtaken=1)]
        assert stored_tags(jobs, older) == {}
        assert [event.version_id for event in jobs.bus.uploads] == ["vA"]


def test_a_publisher_that_is_overtaken_before_the_table_drops_its_result() -> None:
    jobs = create_jobs()
    older, newer = (upload_file(jobs, "1.jpg", sequencer=sequencer) for sequencer in ("9", "A"))
    first, second = submit_files(jobs, [older], ["1"]), submit_files(jobs, [newer], ["2"])
    jobs.work()
    calls = itertools.count()

    def overtake() -> None:  # when the older publisher stores its results object
        if next(calls) == 0:
            publish(jobs, second)

    jobs.uploaded.before = overtake
    published = publish(jobs, first)

    assert published == PublishSummary(overtaken=1)
    assert (stored_result(jobs, newer).prediction, stored_json(jobs, newer)["prediction"]) == ("even", "even")
    assert stored_json(jobs, newer)["version_id"] == "vA"
    assert [upload.version_id for upload in jobs.bus.uploads] == ["vA"]
    assert stored_tags(jobs, older) == {}


def test_a_refusal_never_replaces_the_result_of_a_job() -> None:
    """One ingester refuses an upload that another one submits."""
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")
    classify_files(jobs, [upload], ["2"])
    refusal = refuse_upload("acme", upload, UploadFault("not_found", "no set"), label_set=None, now=1.0, expires_at=2_000)

    assert jobs.publisher.publish([refusal]) == PublishSummary(overtaken=1)

    assert (stored_result(jobs, upload).status, stored_json(jobs, upload)["status"]) == ("succeeded", "succeeded")


def test_a_refused_upload_has_a_result_and_an_event_but_no_results_object() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")
    refusal = refuse_upload("acme", upload, UploadFault("too_large", "it is"), label_set=None, now=1.0, expires_at=2_000)

    assert jobs.publisher.publish([refusal]) == PublishSummary(published=1, failed=1)

    assert (stored_result(jobs, upload).results_uri, jobs.uploaded.objects) == (None, {})
    (event,) = jobs.bus.upload_events
    assert (event.label_set, event.job_id, event.results_uri) == ("numbers", None, None)
    assert [(upload.status, upload.error, upload.results_line) for upload in event.uploads] == [("failed", "too_large", None)]


def test_the_same_upload_in_two_jobs_has_one_result_and_one_event() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")
    first, second = submit_files(jobs, [upload], ["1"]), submit_files(jobs, [upload], ["2"])
    jobs.work()

    assert [publish(jobs, first), publish(jobs, second)] == [PublishSummary(published=1), PublishSummary(overtaken=1)]

    assert (stored_result(jobs, upload).job_id, stored_json(jobs, upload)["job_id"]) == (first.id, first.id)
    assert [event.job_id for event in jobs.bus.upload_events] == [first.id]


def test_a_second_job_replaces_the_failure_of_the_same_upload() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")
    first, second = submit_files(jobs, [upload], [BAD]), submit_files(jobs, [upload], ["2"])
    jobs.work()

    assert [publish(jobs, first), publish(jobs, second)] == [PublishSummary(published=1, failed=1), PublishSummary(published=1)]

    assert (stored_result(jobs, upload).prediction, stored_tags(jobs, upload)[LABEL_TAG]) == ("even", "even")
    assert [event.status for event in jobs.bus.uploads] == ["failed", "succeeded"]


def test_a_redriven_job_publishes_the_results_of_its_files() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, f"{number}.txt") for number in range(6)]
    job = submit_files(jobs, uploads, ["1"] * 6)
    jobs.abandon(jobs.take())
    jobs.work()
    jobs.notify()
    assert [stored_result(jobs, upload).status for upload in uploads] == ["failed"] * 4 + ["succeeded"] * 2

    jobs.redriver.redrive("acme", job.id)
    jobs.work()
    jobs.notify()

    assert [stored_result(jobs, upload).prediction for upload in uploads] == ["odd"] * 6
    assert len({stored_result(jobs, upload).job_id for upload in uploads}) == 2


# --- crashes -----------------------------------------------------------------------------------------------------------------


class Lost(BaseException):
    """The process crashes."""


HOOKED = ("store", "objects", "uploaded", "results", "tags", "bus")


@pytest.mark.parametrize("error", [Lost(), Overloaded(), RuntimeError("a fault")], ids=["lost", "overloaded", "fault"])
def test_a_crash_at_any_call_loses_no_result_once_the_notification_is_repeated(error: BaseException) -> None:
    for number in itertools.count():
        jobs = create_jobs()
        uploads = [upload_file(jobs, f"{index}.jpg") for index in range(4)]
        submit_files(jobs, uploads, ["1", "2", "3", BAD])
        jobs.work()
        hook = FailOnce(number, error)
        for port in HOOKED:
            getattr(jobs, port).before = hook
        with suppress(Lost, Overloaded, RuntimeError):
            jobs.notify()
        for port in HOOKED:
            getattr(jobs, port).before = lambda: None

        jobs.now += LEASE_S
        jobs.sweeper.sweep()
        jobs.notify()

        assert [stored_result(jobs, upload).status for upload in uploads] == ["succeeded"] * 3 + ["failed"]
        assert [stored_json(jobs, upload)["status"] for upload in uploads] == ["succeeded"] * 3 + ["failed"]
        assert [stored_tags(jobs, upload).get(LABEL_TAG) for upload in uploads] == ["odd", "even", "odd", None]
        times = [sum(event.key == upload.key for event in jobs.bus.uploads) for upload in uploads]
        assert set(times) <= {1, 2}
        assert len(jobs.bus.events) in (1, 2)
        jobs.now += 2 * LEASE_S
        jobs.sweeper.sweep()
        assert jobs.store.stream == [], "that is enough"
        if not hook.raised:
            assert number > 12, "there are so many calls, at least"
            return


def test_a_notification_counts_the_results_that_it_published() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, "1.jpg"), upload_file(jobs, "2.jpg", sequencer="2")]
    job = submit_files(jobs, uploads, [BAD, "2"])
    jobs.work()

    notified = jobs.notifier.notify("acme", job.id)

    assert notified is not None
    assert (notified[0].id, notified[1]) == (job.id, PublishSummary(published=2, failed=1))
