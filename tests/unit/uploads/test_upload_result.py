"""Which of two results of the same object key is stored."""

from __future__ import annotations

from typing import Any

from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer

KEY = "incoming/acme/pets/cat.jpg"
FAULT = UploadFault("too_large", "it is")


def result(*, sequencer: str = "5", **changes: Any) -> UploadResult:
    fields: dict[str, Any] = {"job_id": "1" * 32, "results_uri": "s3://uploads/results/acme/pets/cat.jpg.json"}
    return UploadResult(
        tenant_id="acme",
        object_key=KEY,
        sequencer=to_sortable_sequencer(sequencer),
        classified_at=1.0,
        expires_at=60,
        **fields | changes,
    )


def test_the_first_result_and_that_of_a_later_upload_are_stored() -> None:
    assert result().may_replace(None)
    assert result(sequencer="A1").may_replace(result(sequencer="9"))
    assert result(sequencer="A1", fault=FAULT).may_replace(result(sequencer="9"))


def test_the_result_of_an_earlier_upload_never_replaces_a_later_one() -> None:
    assert not result(sequencer="9").may_replace(result(sequencer="A1"))
    assert not result(sequencer="9").may_replace(result(sequencer="A1", fault=FAULT))


def test_another_job_replaces_the_result_of_the_same_upload_only_after_a_failure() -> None:
    known = result()
    other = result(job_id="2" * 32)

    assert known.may_replace(known), "it may be published again"
    assert not other.may_replace(known)
    assert other.may_replace(result(fault=FAULT))
    assert other.may_replace(result(fault=FAULT, job_id=None))
    assert not result(fault=FAULT, job_id=None).may_replace(known)
