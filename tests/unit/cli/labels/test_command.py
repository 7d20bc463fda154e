"""`pigeonhole labels put` and `rm`: what they send and print, and how they refuse wrong arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli.api_server import API_KEY, Answer, error_body
from support.cli.label_api import LabelApi, label_set_answer

WORDS = ("--label", "cat", "--label", "dog")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory. It holds an image."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.PNG").write_bytes(b"picture")
    return tmp_path


def test_only_name_and_version_are_printed(label_api: LabelApi) -> None:
    label_api.prepare(label_set_answer(version=3))

    result = label_api.run("put", "pets", *WORDS)

    assert (result.stdout, result.stderr) == ("pets version 3\n", "")
    (request,) = label_api.requests
    assert (request.method, request.path) == ("PUT", "/prod/v1/label-sets/pets")
    assert request.headers["x-api-key"] == API_KEY
    assert "if-match" not in {name.lower() for name in request.headers}
    assert request.json() == {"labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}]}


def test_an_image_is_sent_inline_or_by_its_address_under_its_label(label_api: LabelApi, folder: Path) -> None:
    label_api.prepare(label_set_answer())
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
    label_api.prepare(label_set_answer())
    options = ("--multiple", "--threshold", "0", "--top-k", "2", "--instruction", "pets of a zoo")

    label_api.run("put", "pets", *WORDS, *options, "--template", "a {}", "--template", "the {}")

    body = label_api.requests[0].json()
    del body["labels"]
    assert body == {
        "multiple_labels": True,
        "threshold": 0,
        "top_k": 2,
        "instruction": "pets of a zoo",
        "prompt_templates": ["a {}", "the {}"],
    }


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_complete_body_is_sent_byte_for_byte(label_api: LabelApi, folder: Path, source: str) -> None:
    label_api.prepare(label_set_answer())
    body = b'{"labels": [],\n "name": "cats", "anything": 1.50}'
    (folder / "b.json").write_bytes(body)

    label_api.run("put", "pets", "--body", "b.json" if source == "file" else "-", input=body if source != "file" else None)

    assert label_api.requests[0].body == body


def test_the_whole_answer_is_printed_as_json(label_api: LabelApi) -> None:
    answer = label_set_answer(instruction="größer") | {"something": "new"}
    label_api.prepare(answer)

    assert json.loads(label_api.run("put", "pets", *WORDS, "--json").stdout) == answer


@pytest.mark.parametrize(
    ("option", "header"), [(("--new",), ("if-none-match", "*")), (("--if-version", "7"), ("if-match", '"7"'))]
)
def test_a_precondition_that_fails_is_reported_with_how_to_see_the_version(
    label_api: LabelApi, option: tuple[str, ...], header: tuple[str, str]
) -> None:
    label_api.prepare(Answer(error_body("precondition_failed", "The version differs."), 412))

    stderr = label_api.run("put", "pets", *WORDS, *option, exit_code=1).stderr

    name, value = header
    assert label_api.requests[0].headers[name] == value
    assert stderr.startswith("error: The version differs.\n")
    assert "`pigeonhole labels get pets`" in stderr


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
def test_wrong_arguments_send_nothing(label_api: LabelApi, arguments: tuple[str, ...]) -> None:
    label_api.run("put", "pets", *arguments, exit_code=2)

    assert label_api.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--label", "cat", "--image", "dog=gone.jpg"),
            "gone.jpg can't be read: No such file or directory. An example image is",
        ),
        (("--label", "cat", "--image", "dog=."), ". can't be read: Is a directory."),
        (("--body", "gone.json"), "gone.json can't be read: No such file or directory."),
        (("--body", "list.json"), "list.json must be a label set"),
    ],
)
def test_input_that_cannot_be_sent_is_reported_in_one_line(
    label_api: LabelApi, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    (folder / "list.json").write_text("[]")

    stderr = label_api.run("put", "pets", *arguments, exit_code=1).stderr

    assert stderr.startswith(f"error: {message}")
    assert stderr.count("\n") == 1
    assert label_api.requests == []


def test_rm_deletes_a_label_set_of_this_version(label_api: LabelApi) -> None:
    label_api.prepare({"success": True, "log_id": "l"})

    result = label_api.run("rm", "pets", "--if-version", "7")

    assert (result.stdout, result.stderr) == ("", "Label set pets is removed.\n")
    assert [(request.method, request.path) for request in label_api.requests] == [("DELETE", "/prod/v1/label-sets/pets")]
    assert label_api.requests[0].headers["if-match"] == '"7"'


def test_rm_reports_a_version_that_differs_with_how_to_see_it(label_api: LabelApi) -> None:
    label_api.prepare(Answer(error_body("precondition_failed", "The version differs."), 412))

    assert "`pigeonhole labels get pets` shows its version" in label_api.run("rm", "pets", exit_code=1).stderr


@pytest.mark.parametrize("command", ["get", "rm"])
def test_a_label_set_that_does_not_exist_is_reported(label_api: LabelApi, command: str) -> None:
    label_api.prepare(Answer(error_body("not_found", "There is no label set of this name."), 404))

    assert label_api.run(command, "pets", exit_code=1).stderr == "error: There is no label set of this name.\n"
