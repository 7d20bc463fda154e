"""What callers see of a result: the HTTP model, the JSON object, the tags and the event say the same."""

from __future__ import annotations

from pigeonhole.contract.messages import UploadClassified
from pigeonhole.uploads.public_result import to_contract
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
        "results_uri": "s3://uploads/results/acme/numbers/a b.jpg.json",
    }
    assert stored_json(jobs, upload) == shown | {"scores": [score.model_dump() for score in score_row("odd")]}
    assert stored_tags(jobs, upload) == {LABEL_TAG: "odd", SCORE_TAG: "0.7500"}
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
    assert jobs.bus.published[1:] == jobs.bus.events, "the job's own event follows those of its uploads"
