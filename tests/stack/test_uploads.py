"""Uploads on the deployed stack: sent to S3 by a form, and named by s3:// by their own tenant only."""

from __future__ import annotations

import pytest

from pigeonhole_cli.local.command import api_key_manager
from support.stack.deployment import Deployment, image, request, text, verify_error
from support.stack.job_calls import submit, wait_until_ended
from support.stack.uploads import UPLOADS, create_form, send_form

THINGS = [text("cat"), text("rocket"), text("temple")]


def test_an_upload_is_classified_by_its_address(deployed: Deployment, photos: dict[str, bytes]) -> None:
    form = create_form(deployed, size=len(photos["cat"]), filename="my cat.png")
    sent = send_form(form, photos["cat"])
    assert sent.status_code == 204, sent.text
    assert form["s3_uri"].endswith("-my-cat.png")

    body = request([image(form["s3_uri"])], THINGS)

    assert deployed.classify(body).json()["predictions"] == ["cat"]
    assert wait_until_ended(deployed, submit(deployed, body).job.id).predictions == ["cat"]
    account = deployed.call("GET", "/v1/account").json()
    assert form["s3_uri"].startswith(account["upload_prefix"])
    assert account["upload_prefix"] in account["s3_prefixes"]


def test_an_upload_may_be_the_image_of_a_label_set(deployed: Deployment, photos: dict[str, bytes]) -> None:
    form = create_form(deployed)
    assert send_form(form, photos["rocket"]).status_code == 204

    labels = [image(form["s3_uri"], key="rocket"), text("temple")]
    answer = deployed.call("PUT", "/v1/label-sets/uploaded", {"labels": labels})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (None, {"key": "uploads/others/x.png"}),
        (None, {"key": "inputs/x.png"}),
        (None, {"Content-Type": "text/html"}),
        (7, {}),
    ],
)
def test_a_form_accepts_only_the_file_that_it_was_created_for(
    deployed: Deployment, photos: dict[str, bytes], size: int | None, changes: dict[str, str]
) -> None:
    form = create_form(deployed, **({"size": size} if size else {}))

    assert send_form(form, photos["cat"], **changes).status_code in (400, 403)
    listed = deployed.stack.client("s3").list_objects_v2(Bucket=deployed.outputs["UploadBucketName"])
    keys = [entry["Key"] for entry in listed.get("Contents", ())]
    assert not {changes.get("key"), form["fields"]["key"]} & set(keys)


def test_another_tenants_upload_is_refused(deployed: Deployment, photos: dict[str, bytes]) -> None:
    theirs = api_key_manager(deployed.stack, deployed.outputs).create("uploaders", "one").value
    form = create_form(deployed, theirs)
    assert send_form(form, photos["cat"]).status_code == 204

    verify_error(deployed.classify(request([image(form["s3_uri"])], THINGS)), "forbidden_url")
    body = request([image(form["s3_uri"])], THINGS)
    assert deployed.call("POST", "/v1/classification", body, key=theirs).json()["predictions"] == ["cat"]


def test_a_type_that_is_not_an_image_is_refused_before_the_upload(deployed: Deployment) -> None:
    for body in ({"content_type": "text/html"}, {"content_type": "image/png", "size": 10**9}, {}):
        verify_error(deployed.call("POST", UPLOADS, body), "invalid_request")
