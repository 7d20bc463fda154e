"""Label sets on the deployed stack: kept in versions, named by requests and jobs, and right after their links have died."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pigeonhole_cli.local.command import api_key_manager
from support.loopback import Answer, respond
from support.stack.deployment import BUCKET, PREFIX, Deployment, image, request, text, verify_error
from support.stack.job_calls import submit, wait_until_ended

SETS = "/v1/label-sets"
MOODS = {"labels": [text("positive"), text("negative")]}


@pytest.fixture
def key(deployed: Deployment, request: pytest.FixtureRequest) -> str:
    """A key of a tenant of the test's own."""
    tenant = f"sets-{abs(hash(request.node.name)) % 10**9}"
    return api_key_manager(deployed.stack, deployed.outputs).create(tenant, "one").value


def put(deployed: Deployment, name: str, body: Any, key: str, **headers: str) -> dict[str, Any]:
    sent = {header.replace("_", "-"): value for header, value in headers.items()}
    answer = deployed.call("PUT", f"{SETS}/{name}", body, key=key, headers=sent)
    assert answer.status_code == 200, answer.text
    stored: dict[str, Any] = answer.json()["label_set"]
    assert answer.headers["etag"] == f'"{stored["version"]}"'
    return stored


def embeddings(deployed: Deployment) -> list[str]:
    """The objects that hold what the model made of kept images."""
    listed = deployed.stack.client("s3").list_objects_v2(Bucket=deployed.outputs["JobBucketName"], Prefix="embeddings/")
    return [entry["Key"] for entry in listed.get("Contents", ())]


def forget_embeddings(deployed: Deployment) -> None:
    """As their lifecycle does, or as a new model would find them."""
    for key in embeddings(deployed):
        deployed.stack.client("s3").delete_object(Bucket=deployed.outputs["JobBucketName"], Key=key)


def test_a_set_is_named_in_place_of_labels(deployed: Deployment, key: str) -> None:
    put(deployed, "moods", MOODS, key)
    assert put(deployed, "moods", MOODS | {"scores": True, "multiple_labels": True, "threshold": 0.9}, key)["version"] == 2
    dataset = [text("I love it"), text("terrible")]

    answer = deployed.call("POST", "/v1/classification", {"dataset": dataset, "label_set": "moods"}, key=key)
    body = {"dataset": dataset, "label_set": "moods", "multiple_labels": False}
    plain = deployed.call("POST", "/v1/classification", body, key=key)
    job = wait_until_ended(deployed, submit(deployed, body, key=key).job.id, key=key)

    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == [["positive"], ["negative"]]
    assert answer.json()["label_set"] == {"name": "moods", "version": 2}
    assert plain.json()["predictions"] == job.predictions == ["positive", "negative"]
    assert job.job.label_set is not None
    assert (job.job.label_set.name, job.job.label_set.version) == ("moods", 2)


def test_images_of_labels_are_kept_when_their_links_die(
    deployed: Deployment, web: Any, photos: dict[str, bytes], key: str
) -> None:
    gone: set[str] = set()

    def until_it_is_gone(path: str, photo: bytes) -> Answer:
        return lambda connection, head: respond(b"" if path in gone else photo)(connection, head)

    files = {"/cat.png": photos["cat"], "/rocket.jpg": photos["rocket"]}
    server = web({path: until_it_is_gone(path, photo) for path, photo in files.items()})
    inline = "data:image/jpeg;base64," + base64.b64encode(photos["temple"]).decode()
    labels = [image(server.url("/cat.png"), key="cat"), image(server.url("/rocket.jpg")), image(inline, key="temple")]

    stored = put(deployed, "things", {"labels": labels}, key)
    gone.update(files)
    fetched = len(server.heads)

    names = [label["key"] for label in stored["labels"]]
    assert names == ["cat", server.url("/rocket.jpg"), "temple"]
    assert all(label["value"].startswith("s3://") for label in stored["labels"])
    samples = [image("data:image/png;base64," + base64.b64encode(photos[name]).decode()) for name in ("cat", "rocket")]
    body = {"dataset": samples, "label_set": "things"}
    for _ in range(2):
        answer = deployed.call("POST", "/v1/classification", body, key=key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == names[:2]
    forget_embeddings(deployed)
    assert wait_until_ended(deployed, submit(deployed, body, key=key).job.id, key=key).predictions == names[:2]
    assert len(embeddings(deployed)) == 3, "they were made again"
    forget_embeddings(deployed)
    assert deployed.call("POST", "/v1/classification", body, key=key).json()["predictions"] == names[:2]
    assert len(server.heads) == fetched == 2
    # What was read may be written again, as it is.
    read = deployed.call("GET", f"{SETS}/things", key=key).json()["label_set"]
    again = put(deployed, "things", read, key)
    assert (again["version"], again["labels"]) == (2, stored["labels"])


def test_a_kept_image_that_no_model_has_looked_at_is_looked_at(deployed: Deployment, photos: dict[str, bytes]) -> None:
    """As a new model finds them: here one that was put beside the service."""
    storage, bucket, key = deployed.stack.client("s3"), deployed.outputs["JobBucketName"], "label-sets/tests/by-hand/1"
    storage.put_object(Bucket=bucket, Key=key, Body=photos["cat"])
    sample = image("data:image/png;base64," + base64.b64encode(photos["cat"]).decode())

    answer = deployed.classify(request([sample], [image(f"s3://{bucket}/{key}", key="cat"), text("rocket")]))

    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == ["cat"]
    assert any(stored.startswith("embeddings/tests/by-hand/1.") for stored in embeddings(deployed))


def test_a_set_with_an_image_that_cannot_be_read_is_refused(
    deployed: Deployment, web: Any, photos: dict[str, bytes], key: str
) -> None:
    server = web({"/cat.png": photos["cat"], "/text.png": b"no image"})
    labels = [image(server.url("/cat.png")), image(server.url("/text.png")), image(server.url("/missing.png"))]

    error = verify_error(deployed.call("PUT", f"{SETS}/bad", {"labels": labels}, key=key), "unsupported_media")

    assert [detail["path"] for detail in error.error.details or ()] == ["labels.1.value", "labels.2.value"]
    verify_error(deployed.call("GET", f"{SETS}/bad", key=key), "not_found")


def test_changes_are_conditional_and_versions_go_on(deployed: Deployment, key: str) -> None:
    put(deployed, "moods", MOODS, key, if_none_match="*")
    taken = deployed.call("PUT", f"{SETS}/moods", MOODS, key=key, headers={"if-none-match": "*"})
    verify_error(taken, "precondition_failed")
    put(deployed, "moods", MOODS, key, if_match='"1"')
    verify_error(deployed.call("DELETE", f"{SETS}/moods", key=key, headers={"if-match": '"1"'}), "precondition_failed")

    assert deployed.call("DELETE", f"{SETS}/moods", key=key, headers={"if-match": '"2"'}).status_code == 200
    verify_error(deployed.call("DELETE", f"{SETS}/moods", key=key), "not_found")
    assert put(deployed, "moods", MOODS, key)["version"] == 3


def test_images_of_a_deleted_label_set_are_marked_unused(deployed: Deployment, photos: dict[str, bytes]) -> None:
    storage, bucket = deployed.stack.client("s3"), deployed.outputs["JobBucketName"]
    storage.put_object(Bucket=BUCKET, Key=PREFIX + "of-a-set.png", Body=photos["cat"])
    labels = [image(f"s3://{BUCKET}/{PREFIX}of-a-set.png", key="cat"), text("rocket")]
    stored = put(deployed, "going", {"labels": labels}, deployed.key)
    kept = stored["labels"][0]["value"].removeprefix(f"s3://{bucket}/")
    assert storage.get_object_tagging(Bucket=bucket, Key=kept)["TagSet"] == []

    assert deployed.call("DELETE", f"{SETS}/going").status_code == 200

    assert storage.get_object_tagging(Bucket=bucket, Key=kept)["TagSet"] == [{"Key": "pigeonhole:unused", "Value": "true"}]
    put(deployed, "going", {"labels": labels}, deployed.key)
    assert storage.get_object_tagging(Bucket=bucket, Key=kept)["TagSet"] == [], "it is wanted again"


def test_tenants_see_their_own_sets_and_images(deployed: Deployment, web: Any, photos: dict[str, bytes]) -> None:
    keys = api_key_manager(deployed.stack, deployed.outputs)
    ours, theirs = (keys.create(tenant, "one").value for tenant in ("sets-ours", "sets-theirs"))
    server = web({"/cat.png": photos["cat"]})
    kept = put(deployed, "cats", {"labels": [image(server.url("/cat.png"), key="cat"), text("dog")]}, ours)["labels"][0][
        "value"
    ]

    hidden = verify_error(deployed.call("GET", f"{SETS}/cats", key=theirs), "not_found")
    absent = verify_error(deployed.call("GET", f"{SETS}/none", key=theirs), "not_found")
    assert hidden.message == absent.message
    assert deployed.call("GET", SETS, key=theirs).json()["label_sets"] == []
    verify_error(deployed.call("DELETE", f"{SETS}/cats", key=theirs), "not_found")
    stolen = request([image(kept)], [text("cat"), text("dog")])
    verify_error(deployed.call("POST", "/v1/classification", stolen, key=theirs), "forbidden_url")
    verify_error(
        deployed.call("PUT", f"{SETS}/mine", {"labels": [image(kept, key="x"), text("y")]}, key=theirs), "forbidden_url"
    )
    assert deployed.call("POST", "/v1/classification", stolen, key=ours).status_code == 200


def test_sets_are_listed_page_by_page(deployed: Deployment, key: str) -> None:
    for name in ("c", "a", "b"):
        put(deployed, name, MOODS, key)

    first = deployed.call("GET", f"{SETS}?limit=2", key=key).json()
    second = deployed.call("GET", f"{SETS}?limit=2&cursor={first['cursor']}", key=key).json()

    assert [entry["name"] for entry in first["label_sets"] + second["label_sets"]] == ["a", "b", "c"]
    assert "cursor" not in second
