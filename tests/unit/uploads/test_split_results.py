"""Each upload of a job has the result of its own samples."""

from __future__ import annotations

from typing import Any

from pigeonhole.contract.classification import SampleFault
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import Progress
from pigeonhole.uploads.public_result import to_contract
from pigeonhole.uploads.split_results import CANCELED, NOT_DONE
from pigeonhole.uploads.upload_tags import LABEL_TAG, SCORE_TAG
from support.job_fixtures import ACME, BAD
from support.upload_fixtures import (
    classify_files,
    create_jobs,
    stored_json,
    stored_result,
    stored_tags,
    submit_files,
    upload_file,
)


def refuse_all(command: ClassifyCommand, **_: Any) -> ChunkResult:
    """Return what the classifier does for files that hold text."""
    count = len(command.request.dataset)
    errors = [
        SampleFault(index=command.first_index + index, code="unsupported_media", message="the file is text, not an image")
        for index in range(count)
    ]
    return ChunkResult(predictions=[None] * count, errors=errors, input_tokens=0, output_tokens=0, inference_ms=1)


def test_several_labels_are_listed_best_first_with_the_scores_of_the_chosen() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "2.jpg")
    classify_files(jobs, [upload], ["2"], multiple_labels=True)

    assert stored_result(jobs, upload).prediction == stored_json(jobs, upload)["prediction"] == ["even", "other"]
    assert [score.label for score in stored_result(jobs, upload).scores or ()] == ["even", "other"]
    assert [score["label"] for score in stored_json(jobs, upload)["scores"]] == ["even", "other", "none"]
    assert stored_tags(jobs, upload) == {LABEL_TAG: "even/other", SCORE_TAG: "0.7500"}
    assert (jobs.bus.uploads[0].labels, jobs.bus.uploads[0].score) == (["even", "other"], 0.75)


def test_without_scores_only_the_label_is_published() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "2.jpg")
    classify_files(jobs, [upload], ["2"], scores=False)

    assert (stored_result(jobs, upload).scores, "scores" in stored_json(jobs, upload)) == (None, False)
    assert stored_tags(jobs, upload) == {LABEL_TAG: "even"}
    assert jobs.bus.uploads[0].score is None


def test_each_file_of_a_job_has_the_result_of_its_own_sample() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, f"{number}.txt") for number in range(6)]
    classify_files(jobs, uploads, ["1", "2", BAD, "4", "5", "6"])

    assert [stored_result(jobs, upload).prediction for upload in uploads] == ["odd", "even", None, "even", "odd", "even"]
    failed = stored_result(jobs, uploads[2])
    assert (failed.status, failed.fault and failed.fault.code) == ("failed", "unreadable_image")
    assert stored_json(jobs, uploads[2])["error"] == {"code": "unreadable_image", "message": "it is bad"}
    assert stored_tags(jobs, uploads[2]) == {}
    assert [event.error for event in jobs.bus.uploads] == [None, None, "unreadable_image", None, None, None]


def test_a_file_that_is_no_image_is_told_how_files_are_read() -> None:
    jobs = create_jobs(run=refuse_all)
    table, photo = upload_file(jobs, "tickets.csv"), upload_file(jobs, "a.jpg")
    classify_files(jobs, [table, photo], ["s3://x/tickets.csv", "s3://x/a.jpg"])

    message = stored_json(jobs, table)["error"]["message"]
    assert message.startswith("the file is text, not an image. A file is read by its ending: .txt")
    assert ".jsonl and .ndjson" in message


def test_the_table_has_counts_of_a_jsonl_file_and_the_results_object_every_line() -> None:
    jobs = create_jobs()
    first, upload = upload_file(jobs, "0.txt"), upload_file(jobs, "a.jsonl", samples=5, is_lines=True)
    classify_files(jobs, [first, upload], ["1", "1", BAD, "3", "4", BAD])

    shown = stored_result(jobs, upload)
    assert (shown.status, shown.samples) == ("succeeded", Progress(total=5, succeeded=3, failed=2))
    assert (shown.prediction, shown.fault) == (None, None)
    assert {"predictions", "errors"}.isdisjoint(to_contract(shown).model_dump(exclude_none=True))
    assert stored_json(jobs, upload)["predictions"] == ["odd", None, "odd", "even", None]
    assert [(fault["index"], fault["code"]) for fault in stored_json(jobs, upload)["errors"]] == [
        (1, "unreadable_image"),
        (4, "unreadable_image"),
    ]
    assert stored_tags(jobs, upload) == {}
    assert (jobs.bus.uploads[1].labels, jobs.bus.uploads[1].status) == ([], "succeeded")


def test_a_jsonl_file_without_a_succeeded_line_has_failed() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "a.jsonl", samples=2, is_lines=True)
    classify_files(jobs, [upload], [BAD, BAD])

    shown = stored_result(jobs, upload)
    assert (shown.status, shown.fault and shown.fault.code) == ("failed", "unreadable_image")
    assert jobs.bus.uploads[0].error == "unreadable_image"


def test_a_canceled_job_has_results_of_what_was_done_and_faults_of_the_rest() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, f"{number}.txt") for number in range(6)]
    lists = upload_file(jobs, "a.jsonl", samples=2, is_lines=True)
    job = submit_files(jobs, [*uploads, lists], ["1"] * 8)
    jobs.worker.process(jobs.take(), lambda: 100)
    jobs.canceler.cancel(ACME, job.id)
    jobs.notify()

    assert [stored_result(jobs, upload).fault for upload in uploads] == [None] * 4 + [CANCELED] * 2
    assert stored_result(jobs, lists).fault == CANCELED
    assert len(jobs.bus.uploads) == 7


def test_a_sample_that_no_worker_could_classify_has_a_fault() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.txt")
    submit_files(jobs, [upload], ["1"])
    jobs.abandon(jobs.take())
    jobs.notify()

    assert (stored_result(jobs, upload).fault or NOT_DONE).code == "internal_error"
    assert stored_result(jobs, upload).status == "failed"
