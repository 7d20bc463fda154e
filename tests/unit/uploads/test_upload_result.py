"""Which of two results of the same object key is stored."""

from __future__ import annotations

from typing import Any

from pigeonhole.contract.upload_results import UploadResult
from pigeonhole.uploads.upload_result import ObjectResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer

KEY = "incoming/acme/pets/cat.jpg"


def result(**changes: Any) -> ObjectResult:
    told: dict[str, Any] = {
        "key": KEY,
        "status": "succeeded",
        "job_id": "1" * 32,
        "classified_at": "1970-01-01T00:00:01Z",
        "expires_at": "1970-01-01T00:01:00Z",
        "results_uri": "s3://uploads/results/acme/pets/cat.jpg.json",
    }
    sequencer = changes.pop("sequencer", "5")
    return ObjectResult("acme", to_sortable_sequencer(sequencer), 1.0, 60, UploadResult.model_validate(told | changes))


def test_the_first_result_and_a_later_uploads_take_the_place() -> None:
    assert result().may_replace(None)
    assert result(sequencer="A1").may_replace(result(sequencer="9"))
    assert result(sequencer="A1", status="failed").may_replace(result(sequencer="9"))


def test_an_earlier_uploads_result_never_does() -> None:
    assert not result(sequencer="9").may_replace(result(sequencer="A1"))
    assert not result(sequencer="9").may_replace(result(sequencer="A1", status="failed"))


def test_of_one_upload_another_jobs_result_does_only_after_a_failure() -> None:
    known = result()
    other = result(job_id="2" * 32)

    assert known.may_replace(known), "it may be told again"
    assert not other.may_replace(known)
    assert other.may_replace(result(status="failed"))
    assert other.may_replace(result(status="failed", job_id=None))
    assert not result(status="failed", job_id=None).may_replace(known)
