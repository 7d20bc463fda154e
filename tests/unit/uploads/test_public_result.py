"""What callers see of a result: the HTTP model, the line of the results object, the tags and the event say the same."""

from __future__ import annotations

from pigeonhole.contract.messages import ClassifiedUpload, UploadsClassified
from pigeonhole.uploads.public_result import MAX_EVENT_BYTES, to_contract
from pigeonhole.uploads.upload_tags import LABEL_TAG, SCORE_TAG
from support.upload_fixtures import (
    classify_files,
    create_jobs,
    score_row,
    stored_json,
    stored_tags,
    upload_file,
)


def test_a_result_is_published_in_every_form() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "a b.jpg", sequencer="af")
    job = classify_files(jobs, [upload], ["3"])

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
        "results_uri": f"s3://uploads/results/acme/numbers/{job.id}.jsonl",
        "results_line": 1,
    }
    assert stored_json(jobs, upload) == shown | {"scores": [score.model_dump() for score in score_row("odd")]}
    assert stored_tags(jobs, upload) == {LABEL_TAG: "odd", SCORE_TAG: "0.7500"}
    classified = ClassifiedUpload(
        key=upload.key,
        version_id="vaf",
        sequencer=kept.sequencer,
        status="succeeded",
        labels=["odd"],
        score=0.75,
        error=None,
        results_line=1,
    )
    assert jobs.bus.upload_events == [
        UploadsClassified(
            tenant_id="acme",
            bucket="uploads",
            label_set="numbers",
            label_set_version=3,
            job_id=job.id,
            results_uri=f"s3://uploads/results/acme/numbers/{job.id}.jsonl",
            classified_at="1970-01-01T00:16:40Z",
            uploads=[classified],
        )
    ]
    assert jobs.bus.published[1:] == jobs.bus.events, "the job's own event follows those of its uploads"


def test_the_uploads_of_a_job_share_one_results_object_and_events_of_a_billed_size() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, f"{number:03}-{'猫' * 100}.jpg") for number in range(500)]
    job = classify_files(jobs, uploads, [str(number) for number in range(500)])

    (key,) = jobs.uploaded.objects
    assert key == f"results/acme/numbers/{job.id}.jsonl"
    assert [stored_json(jobs, upload)["key"] for upload in uploads] == [upload.key for upload in uploads]
    assert [upload.key for upload in jobs.bus.uploads] == [upload.key for upload in uploads]
    sizes = [len(event.model_dump_json().encode()) for event in jobs.bus.upload_events]
    assert max(sizes) <= 64 * 1024
    assert min(sizes[:-1]) > 0.9 * MAX_EVENT_BYTES, "each but the last is full"


def test_an_upload_that_is_larger_than_an_event_has_one_of_its_own() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, f"{number}.jpg", sequencer=str(number)) for number in range(3)]
    large = uploads[1].model_copy(update={"key": f"incoming/acme/numbers/{'x' * MAX_EVENT_BYTES}.jpg"})
    jobs.tags.tags[large.key, large.version_id] = {}
    classify_files(jobs, [uploads[0], large, uploads[2]], ["1", "2", "3"])

    assert [len(event.uploads) for event in jobs.bus.upload_events] == [1, 1, 1]
