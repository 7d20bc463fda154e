"""What became of dropped files is told in the table, as JSON, as tags and as events: of the last upload, and at least once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.jobs import Progress
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand, UploadClassified
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import LEASE_S, Job
from pigeonhole.object_keys import job_input_key, upload_result_key
from pigeonhole.uploads.public_result import to_contract
from pigeonhole.uploads.publish_results import JobResultsPublisher, PublishSummary
from pigeonhole.uploads.split_results import CANCELED, NOT_DONE, refuse_upload
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.upload_tags import LABEL_TAG, MAX_TAGS, SCORE_TAG
from support.fakes import Fault
from support.job_fixtures import ACME, BAD, Jobs, request

NUMBERS = LabelSetRef(name="numbers", version=3)


def scored(command: ClassifyCommand, **_: Any) -> ChunkResult:
    """A number is even or odd by 0.75; with several labels it is both. BAD is an error."""
    dataset, both = command.request.dataset, command.request.multiple_labels
    best = [None if sample.value == BAD else ("even", "odd")[int(sample.value) % 2] for sample in dataset]
    rows = [label and _row(label) for label in best]
    return ChunkResult(
        predictions=[label and ([label, "other"] if both else [label]) for label in best],  # type: ignore[misc]
        scores=rows if command.request.scores else None,  # type: ignore[arg-type]
        errors=[
            SampleFault(index=command.first_index + place, code="unreadable_image", message="it is bad")
            for place, label in enumerate(best)
            if label is None
        ],
        input_tokens=1,
        output_tokens=1,
        inference_ms=1,
    )


def _row(label: str) -> list[LabelScore]:
    chances = ((label, 0.75), ("other", 0.5), ("none", 0.25))
    return [LabelScore(label=name, probability=chance, similarity=chance / 2) for name, chance in chances]


def made(**more: Any) -> Jobs:
    return Jobs(**{"run": scored} | more)


def dropped(jobs: Jobs, name: str, *, sequencer: str = "1", **more: Any) -> UploadedFile:
    """A file that was dropped, without tags."""
    key, version_id = f"incoming/acme/numbers/{name}", f"v{sequencer}"
    jobs.tags.tags[key, version_id] = {}
    return UploadedFile(key=key, version_id=version_id, sequencer=sequencer, size=9, **more)


def submitted(jobs: Jobs, uploads: Sequence[UploadedFile], values: Sequence[str], **more: Any) -> Job:
    dataset = [{"type": "text", "value": value} for value in values]
    asked = request(0, **{"dataset": dataset, "scores": True} | more)
    return jobs.submitter.submit(asked, tenant=ACME, log_id="l", label_set=NUMBERS, uploads=uploads)


def publish(jobs: Jobs, job: Job) -> PublishSummary:
    """Tell a job's results by themselves, as functions/notify does in between."""
    return JobResultsPublisher(
        job_reader=jobs.reader, objects=jobs.objects, publisher=jobs.publisher, clock=jobs.clock
    ).publish(jobs.job(job))


def done(jobs: Jobs, uploads: Sequence[UploadedFile], values: Sequence[str], **more: Any) -> Job:
    job = submitted(jobs, uploads, values, **more)
    jobs.work()
    jobs.notify()
    return jobs.job(job)


def told(jobs: Jobs, upload: UploadedFile) -> UploadResult:
    found: UploadResult = jobs.results.results["acme", upload.key]
    return found


def whole(jobs: Jobs, upload: UploadedFile) -> Any:
    return json.loads(jobs.uploaded.objects[upload_result_key(upload.key)])


def tags(jobs: Jobs, upload: UploadedFile) -> dict[str, str]:
    found: dict[str, str] = jobs.tags.tags[upload.key, upload.version_id]
    return found


# --- what is told ------------------------------------------------------------------------------------------------------------


def test_a_files_result_is_told_in_every_way() -> None:
    jobs = made()
    upload = dropped(jobs, "a b.jpg", sequencer="af")
    job = done(jobs, [upload], ["3"])

    kept = jobs.results.results["acme", upload.key]
    assert (kept.sequencer.lstrip("0"), kept.classified_at, kept.expires_at) == ("AF", 1_000.0, job.expires_at)
    shown = to_contract(kept).model_dump(exclude_none=True)
    assert shown == {
        "key": "incoming/acme/numbers/a b.jpg",
        "version_id": "vaf",
        "status": "succeeded",
        "label_set": {"name": "numbers", "version": 3},
        "job_id": job.id,
        "classified_at": "1970-01-01T00:16:40Z",
        "expires_at": "1970-01-01T00:33:20Z",
        "prediction": "odd",
        "scores": [{"label": "odd", "probability": 0.75, "similarity": 0.375}],
        "results_uri": "s3://uploads/results/acme/numbers/a b.jpg.json",
    }
    assert whole(jobs, upload) == shown | {"scores": [score.model_dump() for score in _row("odd")]}
    assert tags(jobs, upload) == {LABEL_TAG: "odd", SCORE_TAG: "0.7500"}
    assert jobs.bus.uploads == [
        UploadClassified(
            tenant_id="acme",
            bucket="uploads",
            key=upload.key,
            version_id="vaf",
            sequencer=kept.sequencer,
            label_set="numbers",
            label_set_version=3,
            job_id=job.id,
            status="succeeded",
            labels=["odd"],
            score=0.75,
            error=None,
            results_key="results/acme/numbers/a b.jpg.json",
            classified_at="1970-01-01T00:16:40Z",
        )
    ]
    assert jobs.bus.put_on[1:] == jobs.bus.events, "the job's own end comes when its results are told"


def test_several_labels_are_told_best_first_with_the_scores_of_the_chosen() -> None:
    jobs = made()
    upload = dropped(jobs, "2.jpg")
    done(jobs, [upload], ["2"], multiple_labels=True)

    assert told(jobs, upload).prediction == whole(jobs, upload)["prediction"] == ["even", "other"]
    assert [score.label for score in told(jobs, upload).scores or ()] == ["even", "other"]
    assert [score["label"] for score in whole(jobs, upload)["scores"]] == ["even", "other", "none"]
    assert tags(jobs, upload) == {LABEL_TAG: "even/other", SCORE_TAG: "0.7500"}
    assert (jobs.bus.uploads[0].labels, jobs.bus.uploads[0].score) == (["even", "other"], 0.75)


def test_without_scores_there_is_the_label_alone() -> None:
    jobs = made()
    upload = dropped(jobs, "2.jpg")
    done(jobs, [upload], ["2"], scores=False)

    assert (told(jobs, upload).scores, "scores" in whole(jobs, upload)) == (None, False)
    assert tags(jobs, upload) == {LABEL_TAG: "even"}
    assert jobs.bus.uploads[0].score is None


def test_each_file_of_a_job_has_its_own_samples_result() -> None:
    jobs = made()
    uploads = [dropped(jobs, f"{number}.txt") for number in range(6)]
    done(jobs, uploads, ["1", "2", BAD, "4", "5", "6"])

    assert [told(jobs, it).prediction for it in uploads] == ["odd", "even", None, "even", "odd", "even"]
    failed = told(jobs, uploads[2])
    assert (failed.status, failed.fault and failed.fault.code) == ("failed", "unreadable_image")
    assert whole(jobs, uploads[2])["error"] == {"code": "unreadable_image", "message": "it is bad"}
    assert tags(jobs, uploads[2]) == {}
    assert [event.error for event in jobs.bus.uploads] == [None, None, "unreadable_image", None, None, None]


def test_of_a_list_the_table_has_counts_and_the_object_every_line() -> None:
    jobs = made()
    first, upload = dropped(jobs, "0.txt"), dropped(jobs, "a.jsonl", samples=5, is_lines=True)
    done(jobs, [first, upload], ["1", "1", BAD, "3", "4", BAD])

    shown = told(jobs, upload)
    assert (shown.status, shown.samples) == ("succeeded", Progress(total=5, succeeded=3, failed=2))
    assert (shown.prediction, shown.fault) == (None, None)
    assert {"predictions", "errors"}.isdisjoint(to_contract(shown).model_dump(exclude_none=True))
    assert whole(jobs, upload)["predictions"] == ["odd", None, "odd", "even", None]
    assert [(fault["index"], fault["code"]) for fault in whole(jobs, upload)["errors"]] == [
        (1, "unreadable_image"),
        (4, "unreadable_image"),
    ]
    assert tags(jobs, upload) == {}
    assert (jobs.bus.uploads[1].labels, jobs.bus.uploads[1].status) == ([], "succeeded")


def test_a_list_of_which_no_line_succeeded_failed() -> None:
    jobs = made()
    upload = dropped(jobs, "a.jsonl", samples=2, is_lines=True)
    done(jobs, [upload], [BAD, BAD])

    shown = told(jobs, upload)
    assert (shown.status, shown.fault and shown.fault.code) == ("failed", "unreadable_image")
    assert jobs.bus.uploads[0].error == "unreadable_image"


def test_of_a_canceled_job_what_was_done_is_told_and_the_rest_as_canceled() -> None:
    jobs = made()
    uploads = [dropped(jobs, f"{number}.txt") for number in range(6)]
    lists = dropped(jobs, "a.jsonl", samples=2, is_lines=True)
    job = submitted(jobs, [*uploads, lists], ["1"] * 8)
    jobs.worker.process(jobs.take(), lambda: 100)
    jobs.canceler.cancel(ACME, job.id)
    jobs.notify()

    assert [told(jobs, it).fault for it in uploads] == [None] * 4 + [CANCELED] * 2
    assert told(jobs, lists).fault == CANCELED
    assert len(jobs.bus.uploads) == 7


def test_what_no_worker_could_do_is_told_as_an_error() -> None:
    jobs = made()
    upload = dropped(jobs, "1.txt")
    submitted(jobs, [upload], ["1"])
    jobs.dead_letters.fail(jobs.take())
    jobs.notify()

    assert (told(jobs, upload).fault or NOT_DONE).code == "internal_error"
    assert told(jobs, upload).status == "failed"


def test_a_job_of_no_files_and_one_whose_samples_are_gone_have_no_results() -> None:
    jobs = made()
    jobs.submitted(2)
    gone = submitted(jobs, [dropped(jobs, "1.txt")], ["1"])
    jobs.work()
    del jobs.objects.objects[job_input_key("acme", gone.id)]
    jobs.notify()

    assert (jobs.results.results, jobs.bus.uploads, len(jobs.bus.events)) == ({}, [], 2)


# --- tags --------------------------------------------------------------------------------------------------------------------


def test_a_files_other_tags_stay() -> None:
    jobs = made()
    upload = dropped(jobs, "1.jpg")
    tags(jobs, upload).update({"owner": "me", LABEL_TAG: "old"})
    done(jobs, [upload], ["1"])

    assert tags(jobs, upload) == {"owner": "me", LABEL_TAG: "odd", SCORE_TAG: "0.7500"}


@pytest.mark.parametrize("trouble", ["full", "gone"])
def test_a_file_that_cannot_be_tagged_is_counted_and_told_otherwise(trouble: str) -> None:
    jobs = made()
    uploads = [dropped(jobs, "1.jpg"), dropped(jobs, "2.jpg")]
    if trouble == "full":
        tags(jobs, uploads[0]).update({str(number): "x" for number in range(MAX_TAGS - 1)})
    else:
        del jobs.tags.tags[uploads[0].key, uploads[0].version_id]
    job = submitted(jobs, uploads, ["1", "2"])
    jobs.work()

    assert publish(jobs, job) == PublishSummary(published=2, untagged=1)
    assert [told(jobs, it).prediction for it in uploads] == ["odd", "even"]
    assert [event.labels for event in jobs.bus.uploads] == [["odd"], ["even"]]


def test_where_no_tags_are_wanted_none_are_given() -> None:
    jobs = made(tags=None)
    upload = UploadedFile(key="incoming/acme/numbers/1.jpg", sequencer="1", size=1)
    job = submitted(jobs, [upload], ["1"])
    jobs.work()

    assert publish(jobs, job) == PublishSummary(published=1)
    assert (told(jobs, upload).version_id, jobs.bus.uploads[0].labels) == (None, ["odd"])


# --- which is told -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["older first", "newer first"])
def test_an_older_uploads_result_never_takes_the_place_of_a_newer_ones(order: str) -> None:
    jobs = made()
    older, newer = (dropped(jobs, "1.jpg", sequencer=each) for each in ("9", "A"))
    made_of = [submitted(jobs, [older], ["1"]), submitted(jobs, [newer], ["2"])]
    jobs.work()

    published = [publish(jobs, job) for job in (made_of if order == "older first" else reversed(made_of))]

    assert (told(jobs, newer).version_id, told(jobs, newer).prediction) == ("vA", "even")
    assert (whole(jobs, newer)["version_id"], tags(jobs, newer)[LABEL_TAG]) == ("vA", "even")
    if order == "older first":
        assert published == [PublishSummary(published=1)] * 2
    else:
        assert published == [PublishSummary(published=1), PublishSummary(overtaken=1)]
        assert tags(jobs, older) == {}
        assert [event.version_id for event in jobs.bus.uploads] == ["vA"]


def test_who_is_overtaken_between_the_table_and_the_object_leaves_the_newer_ones_there() -> None:
    jobs = made()
    older, newer = (dropped(jobs, "1.jpg", sequencer=each) for each in ("9", "A"))
    first, second = submitted(jobs, [older], ["1"]), submitted(jobs, [newer], ["2"])
    jobs.work()
    calls = itertools.count()

    def overtake() -> None:  # after the older one has looked for a JSON, and before it puts its own
        if next(calls) == 1:
            publish(jobs, second)

    jobs.uploaded.before = overtake
    published = publish(jobs, first)

    assert published == PublishSummary(overtaken=1)
    assert (told(jobs, newer).prediction, whole(jobs, newer)["prediction"]) == ("even", "even")
    assert whole(jobs, newer)["version_id"] == "vA"
    assert [event.version_id for event in jobs.bus.uploads] == ["vA"]
    assert tags(jobs, older) == {}


def test_a_refusal_that_a_job_overtakes_leaves_the_jobs_result() -> None:
    """The same upload, refused by one and taken by another: whose result the table has, has the object."""
    jobs = made()
    upload = dropped(jobs, "1.jpg")
    job = submitted(jobs, [upload], ["2"])
    jobs.work()
    fault = UploadFault("not_found", "no set")
    refusal = refuse_upload("acme", upload, fault, label_set=None, now=1.0, expires_at=2_000, bucket="uploads")
    calls = itertools.count()

    def overtake() -> None:
        if next(calls) == 1:
            publish(jobs, job)

    jobs.uploaded.before = overtake
    assert jobs.publisher.publish([refusal]) == PublishSummary(overtaken=1)

    assert (told(jobs, upload).status, whole(jobs, upload)["status"]) == ("succeeded", "succeeded")


def test_who_meets_anothers_object_puts_its_own_if_the_table_has_its_result() -> None:
    jobs = made()
    upload = dropped(jobs, "1.jpg")
    job = submitted(jobs, [upload], ["2"])
    jobs.work()
    calls = itertools.count()

    def meddle() -> None:
        if next(calls) == 1:
            jobs.uploaded.objects[upload_result_key(upload.key)] = b"an older one's, too late"

    jobs.uploaded.before = meddle
    assert publish(jobs, job) == PublishSummary(published=1)

    assert whole(jobs, upload)["prediction"] == "even"


def test_the_same_upload_in_two_jobs_has_one_result_and_one_event() -> None:
    jobs = made()
    upload = dropped(jobs, "1.jpg")
    first, second = submitted(jobs, [upload], ["1"]), submitted(jobs, [upload], ["2"])
    jobs.work()

    assert [publish(jobs, first), publish(jobs, second)] == [PublishSummary(published=1), PublishSummary(overtaken=1)]

    assert (told(jobs, upload).job_id, whole(jobs, upload)["job_id"]) == (first.id, first.id)
    assert [event.job_id for event in jobs.bus.uploads] == [first.id]


def test_of_the_same_upload_a_result_follows_a_failure() -> None:
    jobs = made()
    upload = dropped(jobs, "1.jpg")
    first, second = submitted(jobs, [upload], [BAD]), submitted(jobs, [upload], ["2"])
    jobs.work()

    assert [publish(jobs, first), publish(jobs, second)] == [PublishSummary(published=1, failed=1), PublishSummary(published=1)]

    assert (told(jobs, upload).prediction, tags(jobs, upload)[LABEL_TAG]) == ("even", "even")
    assert [event.status for event in jobs.bus.uploads] == ["failed", "succeeded"]


def test_a_redriven_job_tells_the_results_of_its_files() -> None:
    jobs = made()
    uploads = [dropped(jobs, f"{number}.txt") for number in range(6)]
    job = submitted(jobs, uploads, ["1"] * 6)
    jobs.dead_letters.fail(jobs.take())
    jobs.work()
    jobs.notify()
    assert [told(jobs, it).status for it in uploads] == ["failed"] * 4 + ["succeeded"] * 2

    jobs.redriver.redrive("acme", job.id)
    jobs.work()
    jobs.notify()

    assert [told(jobs, it).prediction for it in uploads] == ["odd"] * 6
    assert len({told(jobs, it).job_id for it in uploads}) == 2


# --- lost --------------------------------------------------------------------------------------------------------------------


class Lost(BaseException):
    """The process is gone."""


HOOKED = ("store", "objects", "uploaded", "results", "tags", "bus")


@pytest.mark.parametrize("error", [Lost(), Overloaded(), RuntimeError("a fault")], ids=["lost", "overloaded", "fault"])
def test_whatever_call_a_publisher_is_lost_at_all_is_told_when_the_end_is_told_again(error: BaseException) -> None:
    for number in itertools.count():
        jobs = made()
        uploads = [dropped(jobs, f"{each}.jpg") for each in range(4)]
        submitted(jobs, uploads, ["1", "2", "3", BAD])
        jobs.work()
        hook = Fault(number, error)
        for port in HOOKED:
            getattr(jobs, port).before = hook
        with suppress(Lost, Overloaded, RuntimeError):
            jobs.notify()
        for port in HOOKED:
            getattr(jobs, port).before = lambda: None

        jobs.now += LEASE_S
        jobs.sweeper.sweep()
        jobs.notify()

        assert [told(jobs, it).status for it in uploads] == ["succeeded"] * 3 + ["failed"]
        assert [whole(jobs, it)["status"] for it in uploads] == ["succeeded"] * 3 + ["failed"]
        assert [tags(jobs, it).get(LABEL_TAG) for it in uploads] == ["odd", "even", "odd", None]
        times = [sum(event.key == it.key for event in jobs.bus.uploads) for it in uploads]
        assert set(times) <= {1, 2}
        assert len(jobs.bus.events) in (1, 2)
        jobs.now += 2 * LEASE_S
        jobs.sweeper.sweep()
        assert jobs.store.stream == [], "that is enough"
        if not hook.raised:
            assert number > 15, "there are so many calls, at least"
            return


def test_an_announcement_says_how_many_results_it_told() -> None:
    jobs = made()
    uploads = [dropped(jobs, "1.jpg"), dropped(jobs, "2.jpg", sequencer="2")]
    job = submitted(jobs, uploads, [BAD, "2"])
    jobs.work()

    found = jobs.notifier.notify("acme", job.id)

    assert found is not None
    assert (found[0].id, found[1]) == (job.id, PublishSummary(published=2, failed=1))
