"""`pigeonhole labels`, run as a user runs it against the deployed stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.stack.deployment import Deployment
from support.stack.shell import Shell, tenant_name


@pytest.fixture
def shell(deployed: Deployment, tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    return Shell(deployed, tenant_name(request), tmp_path)


def test_words_and_images_are_stored_shown_used_and_deleted(shell: Shell, photos: dict[str, bytes]) -> None:
    folder = shell.folder / "photos"
    folder.mkdir()
    for name in ("cat", "temple"):
        (folder / f"{name}.png").write_bytes(photos[name])

    assert shell("labels", "put", "sights", "--label", "cat", "--image", "temple=photos/temple.png") == "sights version 1\n"

    words, image = [line.split() for line in shell("labels", "get", "sights").split("\n\n")[1].splitlines()[1:]]
    assert words == ["cat", "text", "cat"]
    assert image[:2] == ["temple", "image"]
    assert image[2].startswith("s3://")
    assert [row.split()[:3] for row in shell("labels", "list").splitlines()[1:]] == [["sights", "1", "2"]]

    assert shell("jobs", "submit", "photos", "--label-set", "sights", "--wait") == "0\tcat\n1\ttemple\n"
    job_id = shell("jobs", "submit", "photos", "--label-set", "sights").strip()
    assert json.loads(shell("jobs", "wait", job_id, "--json"))["job"]["label_set"] == {"name": "sights", "version": 1}

    shell("labels", "rm", "sights")
    shell("labels", "get", "sights", exit_code=1)
    assert shell("labels", "list").splitlines()[1:] == []
    shell("jobs", "submit", "photos", "--label-set", "sights", exit_code=1)
    assert "label_set: there is none called 'sights'" in shell.stderr


def test_an_unchanged_label_set_that_is_put_back_is_a_new_version(shell: Shell, photos: dict[str, bytes]) -> None:
    (shell.folder / "cat.png").write_bytes(photos["cat"])
    labels = ("--label", "temple", "--image", "cat=cat.png")
    shell("labels", "put", "pets", *labels, "--multiple", "--threshold", "0.25", "--template", "a {}")
    first = json.loads(shell("labels", "get", "pets", "--json"))

    assert shell("labels", "put", "pets", "--body", "-", "--if-version", "1", stdin=json.dumps(first)) == "pets version 2\n"

    second = json.loads(shell("labels", "get", "pets", "--json"))
    times = ("version", "updated_at")
    assert {name: first[name] for name in first if name not in times} == {
        name: second[name] for name in second if name not in times
    }


def test_what_is_not_as_expected_stays_as_it_is_and_the_way_on_is_told(shell: Shell) -> None:
    words = ("--label", "positive", "--label", "negative")
    shell("labels", "put", "moods", *words, "--new")

    for command in (("put", "moods", *words, "--new"), ("put", "moods", *words, "--if-version", "7")):
        shell("labels", *command, exit_code=1)
        assert "`pigeonhole labels get moods` shows its version, which --if-version takes" in shell.stderr
    shell("labels", "rm", "moods", "--if-version", "7", exit_code=1)
    assert "`pigeonhole labels get moods`" in shell.stderr

    assert json.loads(shell("labels", "get", "moods", "--json"))["version"] == 1
    shell("labels", "rm", "moods", "--if-version", "1")
