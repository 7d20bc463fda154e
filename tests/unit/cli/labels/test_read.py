"""`pigeonhole labels get`, `list` and `rm`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.cli.api_server import Answer, refusal
from support.cli.label_api import CAT_AND_DOG, LabelApi, label_set, told


def page(*sets: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    return {"success": True, "log_id": "l", "label_sets": list(sets)} | ({"cursor": cursor} if cursor else {})


def asked(api: LabelApi) -> list[tuple[str, str]]:
    return [(request.method, request.path.removeprefix("/prod/v1/label-sets")) for request in api.requests]


def test_a_label_set_is_shown_with_its_labels(label_api: LabelApi) -> None:
    label_api.says(told(version=3))

    assert label_api.run("get", "pets").stdout == (
        "label set  pets\n"
        "version    3\n"
        "created    2026-05-04 10:20 UTC\n"
        "updated    2026-05-05 11:21 UTC\n"
        "\n"
        "LABEL  TYPE   VALUE                           TEXT\n"
        "cat    text   cat\n"
        "dog    image  s3://kept/label-sets/t/pets/1f\n"
    )
    assert asked(label_api) == [("GET", "/pets")]


def test_options_are_shown_where_there_are_any(label_api: LabelApi) -> None:
    options = {"multiple_labels": True, "threshold": 0.0, "top_k": 2, "prompt_templates": ["a {}", "the {}"]}
    label_api.says(told(instruction="line\nbreak", **options))

    shown = label_api.run("get", "pets").stdout.split("\n\n")[0].splitlines()[4:]

    assert shown == [
        "multiple     yes",
        "threshold    0.0",
        "top k        2",
        "instruction  line\\nbreak",
        "template     a {}",
        "template     the {}",
    ]


def test_labels_are_named_as_in_answers_and_steer_no_terminal(label_api: LabelApi) -> None:
    labels = [{"key": 7, "type": "text", "value": "\x1b[31mred"}, {"type": "image", "value": "s3://b/k", "text": "a dog"}]
    label_api.says(told(labels=labels))

    rows = label_api.run("get", "pets").stdout.splitlines()[-2:]

    assert rows[0].split() == ["7", "text", "\\x1b[31mred"]
    assert rows[1].split() == ["s3://b/k", "image", "s3://b/k", "a", "dog"]


def test_what_json_prints_can_be_put_as_it_is(label_api: LabelApi) -> None:
    label_api.says(told(something="new"), told(version=2))

    printed = label_api.run("get", "pets", "--json").stdout
    label_api.run("put", "pets", "--body", "-", input=printed)

    assert json.loads(printed) == label_set(something="new")
    assert label_api.requests[1].json()["labels"] == list(CAT_AND_DOG)


def test_label_sets_are_a_table_of_all_pages(label_api: LabelApi) -> None:
    twice = [*CAT_AND_DOG, {"key": "cat", "type": "text", "value": "kitten"}]
    label_api.says(page(label_set("a", 12, twice), cursor="c1"), page(label_set("pets")))

    assert label_api.run("list").stdout == (
        "NAME  VERSION  LABELS  UPDATED\n"
        "a     12       2       2026-05-05 11:21 UTC\n"
        "pets  1        2       2026-05-05 11:21 UTC\n"
    )
    assert asked(label_api) == [("GET", "?limit=100"), ("GET", "?limit=100&cursor=c1")]


def test_a_list_as_json_has_all_of_each(label_api: LabelApi) -> None:
    sets = [label_set("a", instruction="größer"), label_set("b", threshold=0.5)]
    label_api.says(page(*sets))

    assert json.loads(label_api.run("list", "--json").stdout) == sets


def test_a_list_of_none_is_its_head(label_api: LabelApi) -> None:
    label_api.says(page())

    assert label_api.run("list").stdout == "NAME  VERSION  LABELS  UPDATED\n"


def test_a_removed_label_set_is_told(label_api: LabelApi) -> None:
    label_api.says({"success": True, "log_id": "l"})

    result = label_api.run("rm", "pets", "--if-version", "7")

    assert (result.stdout, result.stderr) == ("", "Label set pets is removed.\n")
    assert asked(label_api) == [("DELETE", "/pets")]
    assert label_api.requests[0].headers["if-match"] == '"7"'


def test_removing_is_asked_for_once(label_api: LabelApi) -> None:
    label_api.says(Answer(refusal("overloaded", "Busy."), 503))

    assert label_api.run("rm", "pets", exit_code=1).stderr == (
        "error: Busy. (overloaded, log_id log-1)\n"
        "  It may have been done all the same: `pigeonhole labels get pets` shows it.\n"
    )
    assert len(label_api.requests) == 1


def test_a_changed_label_set_is_not_removed_and_the_way_on_is_told(label_api: LabelApi) -> None:
    label_api.says(Answer(refusal("precondition_failed", "It isn't as it was."), 412))

    assert "`pigeonhole labels get pets` shows its version" in label_api.run("rm", "pets", exit_code=1).stderr


@pytest.mark.parametrize("command", ["get", "rm"])
def test_a_label_set_that_is_not_there_is_told(label_api: LabelApi, command: str) -> None:
    label_api.says(Answer(refusal("not_found", "There is no label set of this name."), 404))

    assert label_api.run(command, "pets", exit_code=1).stderr == "error: There is no label set of this name.\n"


@pytest.mark.parametrize("command", [("put", "--label", "a", "--label", "b"), ("get",), ("rm",)])
@pytest.mark.parametrize("name", ["", "Pets", "../account", "a/b", "x" * 65, "a?b"])
def test_what_is_no_name_is_not_asked_for(label_api: LabelApi, command: tuple[str, ...], name: str) -> None:
    stderr = label_api.run(*command, name, exit_code=2).stderr

    assert "lower-case letters" in stderr
    assert label_api.requests == []


def test_something_else_at_the_address_is_told(label_api: LabelApi) -> None:
    label_api.says({"success": True, "log_id": "l", "label_set": {"name": "pets"}})

    assert "does not answer like Pigeonhole" in label_api.run("get", "pets", exit_code=1).stderr


def test_a_missing_key_is_told(label_api: LabelApi) -> None:
    stderr = label_api.run("list", exit_code=2, JIGSAWSTACK_API_KEY="").stderr

    assert stderr.startswith("error: an API key is needed.")
