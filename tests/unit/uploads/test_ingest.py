"""Uploads become a few jobs for each label set. A file that can't be classified gets a fault. Nothing is lost."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.records import JobInput, decode_job_input
from pigeonhole.object_keys import job_input_key
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.ingest import STOP_S, IngestSummary
from pigeonhole.uploads.read_files import UNREADABLE
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer
from support.fakes import FailOnce
from support.job_fixtures import ACME, ZETA, Jobs

WORDS = {"labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}]}
LINES = b'{"type": "text", "value": "1"}\n\n{"type": "text", "value": "2"}\r\n'


def by_name(command: ClassifyCommand, **_: Any) -> ChunkResult:
    """Classify by the last digit: odd or even."""
    last = [[digit for digit in "0" + sample.value if digit.isdecimal()][-1] for sample in command.request.dataset]
    predictions: list[list[str] | None] = [[("even", "odd")[int(digit) % 2]] for digit in last]
    return ChunkResult(predictions=predictions, input_tokens=1, output_tokens=1, inference_ms=1)


def create_jobs(*tenants: Tenant, **more: Any) -> Jobs:
    """Create services, and a label set called `numbers` for each tenant."""
    jobs = Jobs(run=by_name, **more)
    for tenant in tenants or (ACME,):
        jobs.tenants.tenants[tenant.id] = tenant
        jobs.sets.put(WORDS, "numbers", tenant=tenant, log_id="log-0")
    return jobs


def upload_file(
    jobs: Jobs, name: str, data: bytes = b"12345", *, sequencer: str = "1", folder: str = "acme/numbers"
) -> UploadedFile:
    """Store a file in the upload bucket. Return what S3's notification reports."""
    key, version_id = f"incoming/{folder}/{name}", f"v{sequencer}"
    jobs.uploaded.versions[key, version_id] = jobs.uploaded.objects[key] = data
    jobs.tags.tags[key, version_id] = {}
    return UploadedFile(key=key, version_id=version_id, sequencer=sequencer, size=len(data))


def ingest(jobs: Jobs, *uploads: UploadedFile) -> IngestSummary:
    return jobs.ingester.ingest(uploads, log_id="log-1")


def created_jobs(jobs: Jobs) -> list[tuple[Job, JobInput]]:
    """Return all jobs with their inputs, by the keys of their first files."""
    data = [(job, jobs.objects.objects[job_input_key(job.tenant_id, job.id)]) for job in jobs.store.jobs.values()]
    inputs = [(job, decode_job_input(job_input)) for job, job_input in data]
    return sorted(inputs, key=lambda item: item[1].uploads[0].key)


def finish(jobs: Jobs) -> None:
    jobs.work()
    jobs.notify()


def stored_result(jobs: Jobs, upload: UploadedFile) -> UploadResult:
    result: UploadResult = jobs.results.results[upload.key.split("/")[1], upload.key]
    return result


# --- jobs --------------------------------------------------------------------------------------------------------------------


def test_images_become_a_job_texts_another_and_each_jsonl_file_one_of_its_own() -> None:
    jobs = create_jobs()
    images = [upload_file(jobs, "1.jpg"), upload_file(jobs, "2")]
    texts = [upload_file(jobs, "a.txt", b"\xef\xbb\xbf 3 \n"), upload_file(jobs, "b.TXT", "fünf 5".encode())]
    lists = [upload_file(jobs, "a.jsonl", LINES), upload_file(jobs, "b.jsonl", LINES[:31])]

    summary = ingest(jobs, *images, *texts, *lists)

    assert summary == IngestSummary(jobs=4, samples=7)
    samples = {
        tuple(upload.key for upload in job_input.uploads): job_input.request.dataset for _, job_input in created_jobs(jobs)
    }
    assert {keys: [sample.value for sample in dataset] for keys, dataset in samples.items()} == {
        tuple(upload.key for upload in images): [f"s3://uploads/{upload.key}" for upload in images],
        tuple(upload.key for upload in texts): ["3", "fünf 5"],
        (lists[0].key,): ["1", "2"],
        (lists[1].key,): ["1"],
    }
    assert {sample.type for sample in samples[images[0].key, images[1].key]} == {"image"}


def test_a_job_records_its_label_set_and_the_versions_of_its_files() -> None:
    jobs = create_jobs()
    image, text = upload_file(jobs, "1.jpg", sequencer="2F"), upload_file(jobs, "a.jsonl", LINES)
    ingest(jobs, image, text)

    (of_image, job_input), (of_text, lines) = created_jobs(jobs)
    assert of_text.label_set == of_image.label_set == LabelSetRef(name="numbers", version=1)
    assert of_text.has_uploads
    assert of_image.has_uploads
    assert job_input.uploads == (image,)
    assert lines.uploads == (text.model_copy(update={"samples": 2, "is_lines": True}),)
    assert (job_input.log_id, job_input.request.scores, [label.name for label in job_input.request.labels]) == (
        "log-1",
        True,
        ["even", "odd"],
    )


def test_each_tenant_and_label_set_has_its_own_jobs() -> None:
    jobs = create_jobs(ACME, ZETA)
    jobs.sets.put(WORDS, "other", tenant=ACME, log_id="l")
    folders = ("acme/numbers", "acme/other", "zeta/numbers")

    assert ingest(jobs, *(upload_file(jobs, "1.jpg", folder=folder) for folder in folders)).jobs == 3

    owners = [(job.tenant_id, job.label_set.name if job.label_set else None) for job, _ in created_jobs(jobs)]
    assert sorted(owners) == [("acme", "numbers"), ("acme", "other"), ("zeta", "numbers")]


def test_files_above_the_limit_of_a_job_become_several_jobs() -> None:
    jobs = create_jobs()
    few = replace(jobs.ingester, limits=RequestLimits(max_samples=2))

    summary = few.ingest([upload_file(jobs, f"{number}.jpg") for number in range(5)], log_id="l")

    assert (summary.jobs, summary.samples) == (3, 5)
    assert sorted(job.total for job, _ in created_jobs(jobs)) == [1, 2, 2]


def test_a_file_that_is_notified_twice_is_one_sample() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")

    assert ingest(jobs, upload, upload) == IngestSummary(jobs=1, samples=1)


def test_the_last_upload_of_a_key_counts() -> None:
    jobs = create_jobs()
    uploads = [
        upload_file(jobs, "1.txt", value, sequencer=sequencer) for sequencer, value in (("B1", b"3"), ("9", b"2"), ("b", b"4"))
    ]

    assert ingest(jobs, *uploads) == IngestSummary(jobs=1, samples=1, known=2)
    finish(jobs)

    assert (stored_result(jobs, uploads[0]).version_id, stored_result(jobs, uploads[0]).prediction) == ("vB1", "odd")


def test_the_same_uploads_in_another_order_are_the_same_job() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, "1.jpg"), upload_file(jobs, "2.jpg"), upload_file(jobs, "3.txt")]

    ingest(jobs, *uploads)
    ingest(jobs, *reversed(uploads))

    assert len(jobs.store.jobs) == 2


def test_a_second_upload_of_a_key_is_another_job() -> None:
    jobs = create_jobs()

    ingest(jobs, upload_file(jobs, "1.jpg"))
    ingest(jobs, upload_file(jobs, "1.jpg", sequencer="2"))

    assert len(jobs.store.jobs) == 2


def test_an_upload_that_has_a_result_and_an_older_one_are_skipped_but_not_a_newer_one() -> None:
    jobs = create_jobs()
    older, known, newer = (upload_file(jobs, "1.txt", b"5", sequencer=sequencer) for sequencer in ("9", "A", "A1"))
    ingest(jobs, known)
    finish(jobs)

    assert ingest(jobs, known) == ingest(jobs, older) == IngestSummary(known=1)
    assert ingest(jobs, newer, upload_file(jobs, "2.txt", b"6")) == IngestSummary(jobs=1, samples=2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_result_of_the_last_upload_stays_when_notifications_are_late(order: tuple[int, int]) -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, "a.txt", value, sequencer=sequencer) for sequencer, value in (("1", b"1"), ("2", b"2"))]
    for number in order:
        ingest(jobs, uploads[number])
    finish(jobs)

    assert (stored_result(jobs, uploads[1]).version_id, stored_result(jobs, uploads[1]).prediction) == ("v2", "even")


# --- refused -----------------------------------------------------------------------------------------------------------------

TWO = {"type": "text", "value": "2"}


def lines(*values: object) -> bytes:
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in values).encode()


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("1.jpg", b"", "unsupported_media"),
        ("1.txt", b"x" * 1_081, "too_large"),
        ("1.jsonl", lines(TWO, "{}"), "invalid_request"),
    ],
)
def test_a_file_that_cannot_be_classified_gets_a_fault_and_the_other_files_a_job(name: str, data: bytes, code: str) -> None:
    jobs = create_jobs()
    limits = RequestLimits(max_samples=3, max_text_chars=20, max_body_bytes=100, max_upload_bytes=200)
    bad, good = upload_file(jobs, name, data), upload_file(jobs, "good.txt", b"8")

    summary = replace(jobs.ingester, limits=limits).ingest([bad, good], log_id="l")
    finish(jobs)

    assert summary == IngestSummary(jobs=1, samples=1, refused=1)
    result = stored_result(jobs, bad)
    assert (result.status, result.fault and result.fault.code, result.job_id, result.version_id) == ("failed", code, None, "v1")
    assert (result.label_set, result.expires_at) == (LabelSetRef(name="numbers", version=1), 2_000)
    assert stored_result(jobs, good).prediction == "even"
    assert {event.key for event in jobs.bus.uploads} == {bad.key, good.key}


@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x\n.txt"])
def test_a_file_that_cannot_be_read_gets_a_fault_and_the_other_files_a_job(name: str) -> None:
    """It was deleted, or S3 denies it: see S3BlobStore. No retry would help, and none of the other files is tried again."""
    jobs = create_jobs()
    good, bad = [upload_file(jobs, f"{number}.txt", b"8") for number in range(9)], upload_file(jobs, name)
    del jobs.uploaded.versions[bad.key, bad.version_id]

    assert ingest(jobs, *good, bad) == IngestSummary(jobs=1, samples=9, refused=1)

    finish(jobs)
    assert stored_result(jobs, bad).fault == UploadFault("unfetchable_url", UNREADABLE)
    assert {stored_result(jobs, upload).prediction for upload in good} == {"even"}


@pytest.mark.parametrize(
    ("name", "said"), [("pets", "PUT /v1/label-sets/pets first"), ("No Name", "no label set can have this name")]
)
def test_each_file_of_a_missing_label_set_gets_a_fault(name: str, said: str) -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, filename, folder=f"acme/{name}") for filename in ("1.jpg", "2.txt")]

    assert ingest(jobs, *uploads) == IngestSummary(refused=2)

    for upload in uploads:
        result = stored_result(jobs, upload)
        assert result.fault is not None
        assert (result.fault.code, result.label_set) == ("not_found", None)
        assert said in result.fault.message


def test_a_refused_upload_is_classified_once_its_label_set_exists() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg", folder="acme/pets")
    ingest(jobs, upload)
    jobs.sets.put(WORDS, "pets", tenant=ACME, log_id="l")

    assert ingest(jobs, upload) == IngestSummary(jobs=1, samples=1)
    finish(jobs)
    assert stored_result(jobs, upload).prediction == "odd"


def test_a_label_set_above_the_present_limits_is_a_fault_of_its_uploads() -> None:
    jobs = create_jobs()
    upload = upload_file(jobs, "1.jpg")

    summary = replace(jobs.ingester, limits=RequestLimits(max_labels=1, min_labels=1)).ingest([upload], log_id="l")

    assert (summary.jobs, summary.refused) == (0, 1)
    assert "The label set can't be applied: labels: must have at most 1 labels" in stored_result(jobs, upload).fault.message  # type: ignore[union-attr]


def test_files_in_no_tenants_folder_get_no_result() -> None:
    jobs = create_jobs()
    strays = [upload_file(jobs, "1.jpg", folder=folder) for folder in ("unknown/numbers", "unknown", "/numbers")]
    folders = [upload_file(jobs, "", b"", folder=folder) for folder in ("acme/numbers", "acme", "unknown/x")]

    assert ingest(jobs, *strays, *folders) == IngestSummary(strays=3)
    assert (jobs.results.results, jobs.bus.published, jobs.store.jobs) == ({}, [], {})


@pytest.mark.parametrize("folder", ["acme", "acme/"])
def test_the_fault_of_a_file_outside_a_label_sets_folder_names_the_folder(folder: str) -> None:
    jobs = create_jobs()
    stray = upload_file(jobs, "1.jpg", folder=folder)

    assert ingest(jobs, stray) == IngestSummary(refused=1)
    result = stored_result(jobs, stray)
    assert result.fault is not None
    assert "incoming/TENANT/LABEL_SET/" in result.fault.message


def test_lines_get_no_scores() -> None:
    """No result shows them, and ten thousand lines by twenty-four labels would be large."""
    jobs = create_jobs()
    ingest(jobs, upload_file(jobs, "1.jsonl", lines(TWO)), upload_file(jobs, "1.txt", b"7"))

    requests = [decode_job_input(data).request for data in jobs.objects.objects.values()]
    assert {request.scores for request in requests if len(request.dataset) == 1} == {True, False}


# --- errors ------------------------------------------------------------------------------------------------------------------


def test_files_whose_results_would_be_too_large_for_one_job_become_several() -> None:
    jobs = create_jobs()
    few = replace(jobs.ingester, limits=RequestLimits(max_samples=10, max_result_bytes=350))  # the scores of two files

    summary = few.ingest([upload_file(jobs, f"{number}.txt", b"8") for number in range(5)], log_id="l")

    assert (summary.jobs, summary.samples, summary.refused) == (3, 5, 0)


@pytest.mark.parametrize("error", [Overloaded(), RuntimeError("a fault")])
@pytest.mark.parametrize("port", ["objects", "store", "results", "bus"])
def test_an_error_leaves_only_the_uploads_of_its_batch(port: str, error: Exception) -> None:
    jobs = create_jobs(ACME, ZETA)
    files = [("1.jpg", b"1"), ("2.txt", b"2"), ("bad.txt", b" ")]
    uploads = [upload_file(jobs, *file, folder=f"{tenant}/numbers") for tenant in ("acme", "zeta") for file in files]
    getattr(jobs, port).before = FailOnce(0, error)

    summary = ingest(jobs, *uploads)

    assert summary.left in [{image} for image in (uploads[0], uploads[3])] + [{*uploads[1:3]}, {*uploads[4:6]}]
    ((tenant_id, raised),) = summary.errors
    assert (tenant_id, raised) == (next(iter(summary.left)).key.split("/")[1], error)
    finish(jobs)
    assert {key for _, key in jobs.results.results} >= {upload.key for upload in set(uploads) - summary.left}
    assert ingest(jobs, *summary.left).left == set()
    finish(jobs)
    assert {key for _, key in jobs.results.results} == {upload.key for upload in uploads}


@pytest.mark.parametrize("error", [Overloaded(), RuntimeError("a fault")])
def test_a_read_that_fails_leaves_only_its_file(error: Exception) -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, f"{number}.txt", b"8") for number in range(9)]
    jobs.uploaded.before = FailOnce(4, error)

    summary = ingest(jobs, *uploads)

    assert (summary.jobs, summary.samples, len(summary.left), summary.errors) == (1, 8, 1, (("acme", error),))
    finish(jobs)
    assert ingest(jobs, *uploads).known == 8
    finish(jobs)
    assert {stored_result(jobs, upload).prediction for upload in uploads} == {"even"}


@pytest.mark.parametrize("error", [Overloaded(), RuntimeError("a fault")])
def test_a_failed_lookup_leaves_only_the_uploads_of_its_tenant(error: Exception) -> None:
    jobs = create_jobs(ACME, ZETA)
    real = jobs.tenants.get_tenant
    jobs.tenants.get_tenant = lambda tenant_id: _raise(error) if tenant_id == "zeta" else real(tenant_id)
    of_acme, of_zeta = (
        [upload_file(jobs, name, folder=f"{tenant}/numbers") for name in ("1", "2.txt")] for tenant in ("acme", "zeta")
    )

    summary = ingest(jobs, *of_acme, *of_zeta)

    assert summary == IngestSummary(jobs=2, samples=2, left=frozenset(of_zeta), errors=(("zeta", error),))


def _raise(error: Exception) -> None:
    raise error


def test_uploads_for_which_there_is_no_time_are_left_without_an_error() -> None:
    jobs = create_jobs()
    uploads = [upload_file(jobs, "1.jpg"), upload_file(jobs, "2.txt"), upload_file(jobs, "a.jsonl", LINES)]
    left = iter([STOP_S, STOP_S, STOP_S - 1, STOP_S - 1])  # for looking, and for one job

    summary = jobs.ingester.ingest(uploads, log_id="l", time_left_s=left.__next__)

    assert (summary.jobs, len(summary.left), summary.errors) == (1, 2, ())
    assert ingest(jobs, *summary.left).jobs == 2
    finish(jobs)
    assert {key for _, key in jobs.results.results} == {upload.key for upload in uploads}


class Lost(BaseException):
    """The process crashes."""


HOOKED = ("store", "objects", "queue", "uploaded", "results", "tags", "bus")


@pytest.mark.parametrize("in_between", [False, True], ids=["", "other functions run in between"])
@pytest.mark.parametrize("error", [Lost(), Overloaded()], ids=["lost", "overloaded"])
def test_a_crash_at_any_call_leaves_each_file_with_one_job_and_one_result(error: BaseException, in_between: bool) -> None:
    for number in itertools.count():
        jobs = create_jobs()
        uploads = [
            upload_file(jobs, name, LINES if name.endswith("l") else b"12") for name in ("1.jpg", "2", "3.txt", "4.jsonl")
        ]
        bad = [upload_file(jobs, "5.jpg", b""), upload_file(jobs, "6.txt", b"")]
        hook = FailOnce(number, error)
        for port in HOOKED:
            getattr(jobs, port).before = hook
        with suppress(Lost):
            ingest(jobs, *uploads, *bad)
        for port in HOOKED:
            getattr(jobs, port).before = lambda: None
        if in_between:
            finish(jobs)

        assert ingest(jobs, *uploads, *bad).left == set()
        jobs.now += 60
        jobs.sweeper.sweep()  # the sweeper queues a job whose messages were lost
        finish(jobs)

        assert len(jobs.store.jobs) == 3, number
        assert {key for _, key in jobs.results.results} == {upload.key for upload in (*uploads, *bad)}
        assert [stored_result(jobs, upload).status for upload in (*uploads, *bad)] == ["succeeded"] * 4 + ["failed"] * 2
        assert {event.key for event in jobs.bus.uploads} == {upload.key for upload in (*uploads, *bad)}
        assert [result.sequencer for result in jobs.results.results.values()] == [to_sortable_sequencer("1")] * 6
        if not hook.raised:
            assert number > 15, "there are so many calls, at least"
            return
