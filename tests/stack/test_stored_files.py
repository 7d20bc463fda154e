"""The reference's file store, through both of its clients, unmodified: stored files are images of requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jigsawstack import JigsawStack
from jigsawstack.exceptions import JigsawStackError

from support.stack.clients import JavaScriptClient
from support.stack.deployment import Deployment, image, request, text, verify_error


@pytest.fixture
def client(deployed: Deployment) -> JigsawStack:
    return JigsawStack(api_key=deployed.key, base_url=deployed.url)


def test_a_stored_photo_is_classified_by_both_of_its_addresses(client: JigsawStack, photos: dict[str, bytes]) -> None:
    stored = client.store.upload(photos["cat"], {"key": "cat.png", "content_type": "image/png", "temp_public_url": True})

    assert (stored["key"], stored["size"]) == ("cat.png", len(photos["cat"]))
    samples = [image(stored["url"]), image(stored["temp_public_url"])]
    answer = client.classification(request(samples, [text(label) for label in photos]))
    assert answer["predictions"] == ["cat", "cat"]


def test_a_stored_file_is_read_as_it_was_sent_until_it_is_deleted(client: JigsawStack, photos: dict[str, bytes]) -> None:
    client.store.upload(photos["rocket"], {"key": "rocket.bin"})

    assert client.store.get("rocket.bin") == photos["rocket"]
    assert client.store.delete("rocket.bin")["success"] is True
    with pytest.raises(JigsawStackError, match="no such file"):
        client.store.get("rocket.bin")


def test_a_file_is_never_replaced_unless_it_may_be(client: JigsawStack) -> None:
    client.store.upload(b"first", {"key": "note", "content_type": "text/plain"})

    with pytest.raises(JigsawStackError, match="Another file has this key"):
        client.store.upload(b"second", {"key": "note", "overwrite": False})
    assert client.store.get("note") == b"first"


@pytest.mark.parametrize("options", [{"key": "from-node.png", "content_type": "image/png", "overwrite": True}, None])
def test_the_javascript_client_stores_reads_and_deletes_a_file(
    deployed: Deployment, javascript: Path, photos: dict[str, bytes], options: dict[str, Any] | None
) -> None:
    outcome = JavaScriptClient(deployed.url, deployed.key, javascript).store_and_delete(photos["cat"], options)

    assert outcome["stored"]["success"] is True
    assert outcome["stored"]["size"] == len(photos["cat"])
    assert outcome["stored"]["url"].endswith(f"/files/{outcome['stored']['key']}")
    assert options is None or outcome["stored"]["key"] == options["key"]
    assert outcome["read"] == photos["cat"]
    assert outcome["deleted"]["success"] is True
    assert (outcome["missing"]["error"]["code"], outcome["missing"]["success"]) == ("not_found", False)


def test_a_file_above_the_limit_is_refused(deployed: Deployment) -> None:
    verify_error(deployed.call("POST", "/v1/store/file?key=large", b"x" * 4_000_001), "too_large")
