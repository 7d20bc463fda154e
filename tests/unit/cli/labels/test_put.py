"""`pigeonhole labels put`: what it sends of what was named, what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli.api_server import KEY, Answer, refusal
from support.cli.label_api import LabelApi, told

WORDS = ("--label", "cat", "--label", "dog")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs, with an image."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.PNG").write_bytes(b"picture")
    return tmp_path


def test_name_and_version_are_all_that_is_printed(label_api: LabelApi) -> None:
    label_api.says(told(version=3))

    result = label_api.run("put", "pets", *WORDS)

    assert (result.stdout, result.stderr) == ("pets version 3\n", "")
    (request,) = label_api.requests
    assert (request.method, request.path) == ("PUT", "/prod/v1/label-sets/pets")
    assert request.headers["x-api-key"] == KEY
    assert "if-match" not in {name.lower() for name in request.headers}
    assert request.json() == {"labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}]}


def test_an_image_is_sent_inline_or_as_its_address_under_its_label(label_api: LabelApi, files: Path) -> None:
    label_api.says(told())
    addresses = "https://example.com/d.jpg?size=9", "s3://bucket/key.jpg"

    label_api.run(
        "put", "pets", "--label", "cat", "--image", "cat=a=b.PNG", *(f"--image=dog={address}" for address in addresses)
    )

    assert label_api.requests[0].json()["labels"] == [
        {"type": "text", "value": "cat"},
        {"key": "cat", "type": "image", "value": "data:image/png;base64,cGljdHVyZQ=="},
        {"key": "dog", "type": "image", "value": addresses[0]},
        {"key": "dog", "type": "image", "value": addresses[1]},
    ]


def test_options_are_sent(label_api: LabelApi) -> None:
    label_api.says(told())
    options = ("--multiple", "--threshold", "0", "--top-k", "2", "--instruction", "pets of a zoo")

    label_api.run("put", "pets", *WORDS, *options, "--template", "a {}", "--template", "the {}")

    sent = label_api.requests[0].json()
    del sent["labels"]
    assert sent == {
        "multiple_labels": True,
        "threshold": 0,
        "top_k": 2,
        "instruction": "pets of a zoo",
        "prompt_templates": ["a {}", "the {}"],
    }


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_whole_body_is_sent_byte_for_byte(label_api: LabelApi, files: Path, way: str) -> None:
    label_api.says(told())
    body = b'{"labels": [],\n "name": "cats", "anything": 1.50}'
    (files / "b.json").write_bytes(body)

    label_api.run("put", "pets", "--body", "b.json" if way == "file" else "-", input=body if way != "file" else None)

    assert label_api.requests[0].body == body


def test_json_prints_the_whole_answer(label_api: LabelApi) -> None:
    answer = told(instruction="größer") | {"something": "new"}
    label_api.says(answer)

    assert json.loads(label_api.run("put", "pets", *WORDS, "--json").stdout) == answer


@pytest.mark.parametrize(
    ("option", "header"), [(("--new",), ("if-none-match", "*")), (("--if-version", "7"), ("if-match", '"7"'))]
)
def test_what_has_to_be_so_is_sent_along_and_the_way_on_is_told_where_it_is_not(
    label_api: LabelApi, option: tuple[str, ...], header: tuple[str, str]
) -> None:
    label_api.says(Answer(refusal("precondition_failed", "It isn't as it was."), 412))

    stderr = label_api.run("put", "pets", *WORDS, *option, exit_code=1).stderr

    name, value = header
    assert label_api.requests[0].headers[name] == value
    assert stderr == (
        "error: It isn't as it was.\n  `pigeonhole labels get pets` shows its version, which --if-version takes.\n"
    )


def test_a_try_that_was_lost_is_made_again(label_api: LabelApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.FIRST_PAUSE_S", 0.01)
    label_api.says(Answer(refusal("overloaded", "Busy."), 503), told(version=2))

    assert label_api.run("put", "pets", *WORDS).stdout == "pets version 2\n"


def test_with_a_precondition_it_is_not_for_the_first_try_may_have_broken_it(label_api: LabelApi) -> None:
    label_api.says(Answer(refusal("internal_error", "Something went wrong."), 500), told())

    stderr = label_api.run("put", "pets", *WORDS, "--new", exit_code=1).stderr

    assert len(label_api.requests) == 1
    assert "It may have been done all the same: `pigeonhole labels get pets` shows it." in stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--label", "cat"),
        ("--label", "cat", "--label", "cat"),
        ("--label", "cat", "--image", "cat=https://example.com/c.jpg"),
        (*WORDS, "--image", "dog.jpg"),
        (*WORDS, "--image", "=dog.jpg"),
        (*WORDS, "--image", "dog="),
        (*WORDS, "--threshold", "1.5"),
        (*WORDS, "--top-k", "0"),
        (*WORDS, "--body", "b.json"),
        ("--body", "b.json", "--threshold", "0"),
        (*WORDS, "--new", "--if-version", "1"),
        (*WORDS, "--if-version", "0"),
    ],
)
def test_a_wrong_call_sends_nothing(label_api: LabelApi, arguments: tuple[str, ...]) -> None:
    label_api.run("put", "pets", *arguments, exit_code=2)

    assert label_api.requests == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("--label", "cat", "--image", "dog=gone.jpg"),
            "gone.jpg can't be read: No such file or directory. An example image is a file, or an https:// or s3:// address.",
        ),
        (("--label", "cat", "--image", "dog=."), ". can't be read: Is a directory."),
        (("--body", "gone.json"), "gone.json can't be read: No such file or directory."),
        (("--body", "list.json"), "list.json is no label set: a JSON object with `labels`."),
    ],
)
def test_what_cannot_be_sent_is_told_in_a_line(label_api: LabelApi, files: Path, arguments: tuple[str, ...], why: str) -> None:
    (files / "list.json").write_text("[]")

    assert label_api.run("put", "pets", *arguments, exit_code=1).stderr == f"error: {why}\n"
    assert label_api.requests == []


@pytest.mark.parametrize("way", ["image", "body"])
def test_what_is_too_large_is_told_before_it_is_sent(label_api: LabelApi, files: Path, way: str) -> None:
    with (files / "huge.png").open("wb") as file:
        file.truncate(1 << 40)  # a hole: reading it would end this process
    arguments = ("--label", "cat", "--image", "dog=huge.png") if way == "image" else ("--body", "-")

    result = label_api.run("put", "pets", *arguments, input=json.dumps({"a": "x" * 4_000_001}), exit_code=1)

    assert result.stderr == (
        "error: the request is larger than the 4 MB that are taken. "
        "Give large images by https:// or s3:// address; files are sent inline.\n"
    )
    assert label_api.requests == []


def test_a_refusal_is_told_with_each_fault_at_its_path(label_api: LabelApi) -> None:
    faults = ("labels.0.value", "must not be empty"), ("top_k", "must be 1 or more")
    label_api.says(Answer(refusal("invalid_request", "labels.0.value: must not be empty (and 1 more)", *faults), 400))

    assert label_api.run("put", "pets", "--body", "-", input="{}", exit_code=1).stderr == (
        "error: labels.0.value: must not be empty (and 1 more)\n"
        "  labels.0.value: must not be empty\n"
        "  top_k: must be 1 or more\n"
    )
