"""`pigeonhole bulk fetch`: what it fetches, checks and writes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pigeonhole.contract.bulk_results import Counts, PartFile, ResultsManifest
from support.cli.api_server import Answer
from support.cli.bulk_api import BulkApi
from support.cli.job_api import ID, job_answer

PART, ERRORS = b'{"line":1,"prediction":"cat"}\n', b'{"line":2,"code":"x","message":"y"}\n'


def part(name: str, data: bytes) -> PartFile:
    return PartFile(name=name, rows=1, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def ended_job(api: BulkApi, *, links: int = 1, data: bytes = PART) -> list[Any]:
    """The answers to a fetch: the job, its results manifest, its part, its errors part."""
    manifest = ResultsManifest(
        input="s3://b/in.jsonl",
        model_id="tiny",
        model_revision="abc",
        labels=["cat"],
        options={},
        counts=Counts(total=2, succeeded=1, failed=1),
        results=[part("part-00000.jsonl", PART)],
        errors=[part("errors-00000.jsonl", ERRORS)],
    )
    results = {
        "prefix": "s3://jobs/bulk/acme/1/results/",
        "manifest_url": f"{api.url}/manifest",
        "parts": [{"name": "part-00000.jsonl", "rows": 1, "url": f"{api.url}/part"}][:links],
        "errors": [{"name": "errors-00000.jsonl", "rows": 1, "url": f"{api.url}/errors"}],
    }
    job = job_answer(total=2, succeeded=1, failed=1, results=results)
    return [job, Answer(manifest.model_dump_json()), Answer(data.decode()), Answer(ERRORS.decode())]


def test_the_results_are_fetched_checked_and_not_fetched_again(bulk_api: BulkApi, tmp_path: Path) -> None:
    bulk_api.prepare(*ended_job(bulk_api))

    bulk_api.run("fetch", ID, "--out", str(tmp_path / "out"), exit_code=4)
    assert (tmp_path / "out" / "part-00000.jsonl").read_bytes() == PART
    assert (tmp_path / "out" / "errors-00000.jsonl").read_bytes() == ERRORS
    assert (tmp_path / "out" / "_manifest.json").is_file()
    bulk_api.requests.clear()
    bulk_api.prepare(*ended_job(bulk_api)[:2])
    bulk_api.run("fetch", ID, "--out", str(tmp_path / "out"), exit_code=4)

    assert [sent.path for sent in bulk_api.requests] == [f"/prod/v1/classification/jobs/{ID}", "/manifest"]


def test_a_file_that_differs_is_not_stored(bulk_api: BulkApi, tmp_path: Path) -> None:
    bulk_api.prepare(*ended_job(bulk_api, data=b"something else\n"))

    result = bulk_api.run("fetch", ID, "--out", str(tmp_path / "out"), exit_code=1)

    assert "part-00000.jsonl is not what the job wrote" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_files_without_a_link_are_left_to_the_users_own_permissions(bulk_api: BulkApi, tmp_path: Path) -> None:
    bulk_api.prepare(*ended_job(bulk_api, links=0))

    result = bulk_api.run("fetch", ID, "--out", str(tmp_path / "out"), exit_code=1)

    assert "aws s3 cp --recursive s3://jobs/bulk/acme/1/results/" in result.stderr


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (job_answer("processing"), "Wait for its end: pigeonhole jobs wait"),
        (job_answer("canceled"), "it is canceled, or no bulk job"),
        (job_answer(predictions=["cat"]), "or no bulk job"),
    ],
)
def test_a_job_without_files_is_told(bulk_api: BulkApi, tmp_path: Path, answer: dict[str, Any], message: str) -> None:
    bulk_api.prepare(answer)

    assert message in bulk_api.run("fetch", ID, "--out", str(tmp_path / "out"), exit_code=1).stderr
