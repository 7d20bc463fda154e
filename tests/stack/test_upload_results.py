"""Files uploaded to the deployed stack: each gets one result, in the table, in a results object, as tags and in an event."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from PIL import Image

from pigeonhole.aws.events import UPLOADS_CLASSIFIED
from pigeonhole.contract.upload_results import UploadResultsResponse
from pigeonhole.uploads.upload_tags import LABEL_TAG, SCORE_TAG
from pigeonhole_cli.local.command import api_key_manager
from support.stack.deployment import Deployment, image, request, text, verify_error
from support.stack.job_calls import EventRecorder, submit, wait_until_ended
from support.stack.uploads import RESULTS, UPLOADS, UploadFolder, create_form, send_form

THINGS = ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple")
NASTY = (
    "a cat.png",
    "a+b plus++.png",
    "100%.png",
    "%41%2F%00.png",
    "grün 猫 🐈.png",
    "what?#&=;,@:$!'()*~.png",
    'quote" and \\ backslash.png',
    "sub/folder//double/../dots.png",
    ".hidden",
    "no-suffix",
    "UPPER.PNG",
    " leading and trailing ",
    "x" * 900 + ".png",
    "a\ttab.png",  # and no line break: ministack's policies don't match one
)


@pytest.fixture(scope="module")
def folder(deployed: Deployment) -> UploadFolder:
    answer = deployed.call("PUT", "/v1/label-sets/shown", {"labels": [text(thing) for thing in THINGS]})
    assert answer.status_code == 200, answer.text
    return UploadFolder(deployed, EventRecorder(deployed.stack, "upload-results", UPLOADS_CLASSIFIED), "shown")


def generated(number: int) -> bytes:
    """Return a small picture, different for each number."""
    target = io.BytesIO()
    Image.new("RGB", (40 + number % 7, 40), (number % 256, 255 - number % 256, number * 7 % 256)).save(target, "PNG")
    return target.getvalue()


def large() -> bytes:
    """Return a picture that is uploaded in two parts: a part has at least 5 MB."""
    target = io.BytesIO()
    Image.effect_noise((2_500, 2_500), 64).save(target, "BMP")
    return target.getvalue()


def test_each_of_three_hundred_uploads_of_any_kind_has_one_result(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    sure = photos.keys() - {"person"}  # The bundled model takes the astronaut for a motorcycle.
    by_put = photos | {f"put-{n}": generated(n) for n in range(86)}
    sent: dict[str, str | None] = {}  # object key -> the label that the picture shows
    for name, data in by_put.items():
        sent[folder.upload(f"ways/{name}.png", data, colour="red", owner="me")] = name if name in sure else None
    for number, name in enumerate(NASTY):
        sent[folder.upload(name, generated(1_000 + number))] = None
    by_form = photos | {f"form {n} {NASTY[n % len(NASTY)]}"[:200]: generated(200 + n) for n in range(86)}
    for name, data in by_form.items():
        form = create_form(folder.deployed, label_set="shown", size=len(data), filename=name)
        assert send_form(form, data).status_code == 204
        sent[form["key"]] = name if name in sure else None
    by_parts = photos | {f"{n} {NASTY[n % len(NASTY)]}"[:900]: generated(400 + n) for n in range(92)} | {"two parts": large()}
    in_parts = TransferConfig(multipart_threshold=1, multipart_chunksize=5 * 2**20)
    for name, data in by_parts.items():
        key = f"{folder.prefix}parts/{name}"
        folder.storage.upload_fileobj(io.BytesIO(data), folder.bucket, key, Config=in_parts)
        sent[key] = name if name in sure else None
    assert len(sent) == 300

    results = folder.wait_for_results(sent)

    assert {key: result.error for key, result in results.items() if result.status != "succeeded"} == {}
    assert {key: results[key].prediction for key, label in sent.items() if label} == {
        key: label for key, label in sent.items() if label
    }
    for key, result in results.items():
        assert result.scores is not None
        expected = {LABEL_TAG: result.prediction, SCORE_TAG: f"{result.scores[0].probability:.4f}"}
        other = {"colour": "red", "owner": "me"} if "/ways/" in key else {}
        folder.wait_for_tag(key, LABEL_TAG, str(result.prediction))
        assert folder.tags(key) == other | expected
        assert (result.label_set.name, result.label_set.version) == ("shown", 1) if result.label_set else False
        stored = folder.read_stored(result)
        assert (stored["key"], stored["prediction"], len(stored["scores"])) == (key, result.prediction, len(THINGS))
    folder.wait_for_events(next(iter(sent)))  # waits long enough for a second event of any file
    assert folder.count_events(sent) == dict.fromkeys(sent, 1)


def test_results_are_listed_by_key_and_by_time(folder: UploadFolder) -> None:
    before = datetime.now(UTC)
    keys = [folder.upload(f"listed/{name}.png", generated(2_000 + number)) for number, name in enumerate("cab")]
    folder.wait_for_results(keys)
    listed = folder.prefix + "listed/"

    assert [result.key for result in folder.list_results(prefix=listed, limit="1")] == sorted(keys)
    since = before.isoformat().replace("+00:00", "Z")
    newest = list(folder.list_results(prefix=listed, since=since, limit="2"))
    assert {result.key for result in newest} == set(keys)
    assert [result.classified_at for result in newest] == sorted((result.classified_at for result in newest), reverse=True)
    long_ago = (before - timedelta(days=2)).isoformat()
    assert list(folder.list_results(prefix=listed, since=long_ago, until=(before - timedelta(days=1)).isoformat())) == []


def test_texts_and_lines_are_classified(folder: UploadFolder, deployed: Deployment) -> None:
    moods = [text("positive"), text("negative")]
    assert deployed.call("PUT", "/v1/label-sets/moods", {"labels": moods}).status_code == 200
    of_moods = folder.of_label_set("moods")
    lines = [{"type": "text", "value": "I love it, it works perfectly!"}, {"type": "text", "value": "Terrible. It broke."}]
    one = of_moods.upload("review.txt", b"I love this product, it is wonderful!\n")
    many = of_moods.upload("reviews.jsonl", "\n".join(json.dumps(line) for line in lines).encode())
    form = create_form(deployed, label_set="moods", content_type="text/plain", filename="note")
    assert send_form(form, b"This is the worst experience I have ever had.").status_code == 204

    assert of_moods.wait_for_result(one).prediction == "positive"
    assert of_moods.wait_for_result(form["key"]).prediction == "negative"
    result = of_moods.wait_for_result(many)
    assert result.samples is not None
    assert (result.status, result.samples.succeeded, result.prediction) == ("succeeded", 2, None)
    assert folder.read_stored(result)["predictions"] == ["positive", "negative"]
    assert LABEL_TAG not in of_moods.tags(many)


@pytest.mark.parametrize("name", ["mixed.jsonl", "large.jsonl"])
def test_lines_that_no_other_job_can_take_become_a_bulk_job(
    folder: UploadFolder, deployed: Deployment, photos: dict[str, bytes], name: str
) -> None:
    cat = create_form(deployed)
    assert send_form(cat, photos["cat"]).status_code == 204
    image_or_text = image(cat["s3_uri"]) if name == "mixed.jsonl" else text("a cat on a sofa")
    lines = [json.dumps(text("a rocket in the sky")), json.dumps(image_or_text), "no json"]
    if name == "large.jsonl":
        lines.append(" " * 4_000_000)
    else:
        lines.pop()  # a bad line of a small file is an error of the whole file
    form = create_form(deployed, label_set="shown", content_type="application/jsonl", filename=name)
    assert send_form(form, "\n".join(lines).encode()).status_code == 204

    result = folder.wait_for_result(form["key"])

    counts = {"mixed.jsonl": (2, 2, 0), "large.jsonl": (3, 2, 1)}
    assert result.samples is not None
    assert (result.samples.total, result.samples.succeeded, result.samples.failed) == counts[name]
    assert (result.status, result.results_line) == ("succeeded", None)
    assert result.results is not None
    assert result.results_uri == f"{result.results.prefix}_manifest.json"
    rows = [json.loads(line) for part in result.results.parts for line in httpx.get(part.url).text.splitlines()]
    assert [(row["line"], row["prediction"]) for row in rows] == [(1, "rocket"), (2, "cat")]
    faults = [json.loads(line) for part in result.results.errors for line in httpx.get(part.url).text.splitlines()]
    assert [fault["line"] for fault in faults] == [3] * counts[name][2]
    (event,) = folder.wait_for_events(form["key"])
    assert (event.job_id, event.results_uri, event.uploads[0].status) == (result.job_id, result.results_uri, "succeeded")


def test_the_folder_of_a_label_set_can_be_classified_again_by_a_bulk_job(
    folder: UploadFolder, deployed: Deployment, photos: dict[str, bytes]
) -> None:
    for name in ("cat", "rocket"):
        folder.upload(f"again/{name}.png", photos[name])
    body = {"input": {"s3_prefix": f"s3://{folder.bucket}/{folder.prefix}again/"}, "label_set": "shown"}

    ended = wait_until_ended(deployed, submit(deployed, body).job.id)

    assert (ended.job.progress.succeeded, ended.job.progress.failed) == (2, 0)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("paper.pdf", b"%PDF-1.7 and so on", "unsupported_media"),
        ("broken.png", generated(1)[:60], "unreadable_image"),
        ("empty.png", b"", "unsupported_media"),
        ("large.png", b"x" * 20_000_001, "too_large"),
        ("latin.txt", "süß".encode("latin-1"), "unsupported_media"),
        ("long.txt", b"x" * 8_001, "invalid_request"),
        ("bad.jsonl", b'{"type": "text", "value": "a"}\nno json', "invalid_request"),
    ],
)
def test_a_file_that_cannot_be_classified_has_a_result_with_the_error(
    folder: UploadFolder, name: str, data: bytes, code: str
) -> None:
    key = folder.upload(name, data, keep="this")

    result = folder.wait_for_result(key)

    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.code, result.prediction) == (code, None)
    assert len(result.error.message) > 10
    assert folder.tags(key) == {"keep": "this"}
    (event,) = folder.wait_for_events(key)
    upload = event.uploads[0]
    assert (upload.status, upload.error, upload.labels) == ("failed", code, [])
    assert (result.job_id is None) == (result.results_uri is None)
    assert result.job_id is None or folder.read_stored(result)["error"]["code"] == code


def test_an_unknown_label_set_is_reported(folder: UploadFolder, deployed: Deployment, photos: dict[str, bytes]) -> None:
    nowhere = folder.of_label_set("nowhere")
    key = nowhere.upload("cat.png", photos["cat"])

    result = nowhere.wait_for_result(key)

    assert result.error is not None
    assert result.error.code == "not_found"
    assert "PUT /v1/label-sets/nowhere" in result.error.message
    (event,) = nowhere.wait_for_events(key)
    assert (event.label_set, event.label_set_version, event.uploads[0].error) == ("nowhere", None, "not_found")

    # Once the set is there, the file has only to be uploaded again.
    assert deployed.call("PUT", "/v1/label-sets/nowhere", {"labels": [text("cat"), text("temple")]}).status_code == 200
    source = {"Bucket": folder.bucket, "Key": key}
    again = folder.storage.copy_object(**source, CopySource=source, MetadataDirective="REPLACE")
    assert nowhere.wait_for_result(key, again["VersionId"]).prediction == "cat"
    assert [event.uploads[0].labels for event in nowhere.wait_for_events(key, times=2)] == [[], ["cat"]]


def test_a_tenant_reaches_no_others_files(folder: UploadFolder, deployed: Deployment, photos: dict[str, bytes]) -> None:
    theirs = api_key_manager(deployed.stack, deployed.outputs).create("uploaders", "one").value
    refused = deployed.call("POST", UPLOADS, {"content_type": "image/png", "label_set": "shown"}, key=theirs)
    verify_error(refused, "invalid_request")  # the set is not theirs
    assert deployed.call("PUT", "/v1/label-sets/shown", {"labels": [text("a"), text("b")]}, key=theirs).status_code == 200
    form = create_form(deployed, theirs, label_set="shown")
    assert form["key"].startswith("incoming/uploaders/shown/")

    # S3 refuses a form for any other key.
    for key in (
        folder.prefix + "theirs.png",
        "incoming/uploaders/other/x.png",
        "results/tests/shown/x.json",
        "uploads/tests/x",
    ):
        assert send_form(form, photos["cat"], key=key).status_code in (400, 403)
    # They can't name a file of ours in a request, a job or a label set.
    ours = folder.upload("ours.png", photos["cat"])
    folder.wait_for_result(ours)
    address = f"s3://{folder.bucket}/{ours}"
    body = request([image(address)], [text("cat"), text("temple")])
    assert deployed.classify(body).json()["predictions"] == ["cat"], "it is ours to name"
    verify_error(deployed.call("POST", "/v1/classification", body, key=theirs), "forbidden_url")
    job = wait_until_ended(deployed, submit(deployed, body, key=theirs).job.id, key=theirs)
    assert job.errors is not None
    assert [fault.code for fault in job.errors] == ["forbidden_url"]
    labels = {"labels": [image(address, key="x"), text("y")]}
    verify_error(deployed.call("PUT", "/v1/label-sets/stolen", labels, key=theirs), "forbidden_url")
    # They can't read its result by key, by address or in a list.
    for key in (ours, address):
        answer = deployed.http.get(deployed.url + RESULTS, params={"key": key}, headers={"x-api-key": theirs})
        verify_error(answer, "not_found")
    for query in ({}, {"prefix": folder.prefix}, {"prefix": "incoming/"}):
        answer = deployed.http.get(deployed.url + RESULTS, params=query, headers={"x-api-key": theirs})
        assert answer.json()["results"] == []
    # A line of theirs that names it is an error.
    lines = [{"type": "image", "value": address}, {"type": "image", "value": f"s3://{folder.bucket}/{form['key']}"}]
    in_lines = create_form(deployed, theirs, label_set="shown", content_type="application/jsonl")
    assert send_form(form, photos["cat"]).status_code == 204
    assert send_form(in_lines, "\n".join(map(json.dumps, lines)).encode()).status_code == 204
    events = folder.wait_for_events(in_lines["key"])
    assert [event.tenant_id for event in events] == ["uploaders"]
    results = deployed.http.get(deployed.url + RESULTS, params={"key": in_lines["key"]}, headers={"x-api-key": theirs})
    stored = folder.read_stored(UploadResultsResponse.model_validate(results.json()).results[0])
    assert [fault["index"] for fault in stored["errors"]] == [0]
    assert stored["errors"][0]["code"] == "forbidden_url"


@pytest.mark.parametrize("label_set", ["../tests/shown", "shown/../..", "THINGS", "a/b", ""])
def test_a_form_for_an_impossible_label_set_is_refused(folder: UploadFolder, label_set: str) -> None:
    answer = folder.deployed.call("POST", UPLOADS, {"content_type": "image/png", "label_set": label_set})

    assert verify_error(answer, "invalid_request").error.details


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "since=2030-01-02&until=2030-01-01", "until=5", "cursor=!!", "cursor=YQ", "limit=0", "key=a&prefix=b"],
)
def test_a_query_that_makes_no_sense_is_refused(deployed: Deployment, query: str) -> None:
    verify_error(deployed.call("GET", f"{RESULTS}?{query}"), "invalid_request")


def test_the_account_states_where_to_upload_files(folder: UploadFolder, deployed: Deployment) -> None:
    account = deployed.call("GET", "/v1/account").json()

    assert account["incoming_prefix"] == f"s3://{folder.bucket}/incoming/tests/"
    assert account["incoming_prefix"] in account["s3_prefixes"]
