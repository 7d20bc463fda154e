"""The printed forms of label sets: `pigeonhole labels get` and `list`."""

from __future__ import annotations

import json
from typing import Any

from support.cli.label_api import CAT_AND_DOG, LabelApi, label_set, label_set_answer


def page(*sets: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    return {"success": True, "log_id": "l", "label_sets": list(sets)} | ({"cursor": cursor} if cursor else {})


def calls(api: LabelApi) -> list[tuple[str, str]]:
    return [(request.method, request.path.removeprefix("/prod/v1/label-sets")) for request in api.requests]


def test_a_label_set_is_shown_with_its_labels(label_api: LabelApi) -> None:
    label_api.prepare(label_set_answer(version=3))

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
    assert calls(label_api) == [("GET", "/pets")]


def test_options_are_shown_if_set(label_api: LabelApi) -> None:
    options = {"multiple_labels": True, "threshold": 0.0, "top_k": 2, "prompt_templates": ["a {}", "the {}"]}
    label_api.prepare(label_set_answer(instruction="line\nbreak", **options))

    lines = label_api.run("get", "pets").stdout.split("\n\n")[0].splitlines()[4:]

    assert lines == [
        "multiple     yes",
        "threshold    0.0",
        "top k        2",
        "instruction  line\\nbreak",
        "template     a {}",
        "template     the {}",
    ]


def test_labels_are_named_as_in_answers_and_control_characters_are_escaped(label_api: LabelApi) -> None:
    labels = [{"key": 7, "type": "text", "value": "\x1b[31mred"}, {"type": "image", "value": "s3://b/k", "text": "a dog"}]
    label_api.prepare(label_set_answer(labels=labels))

    rows = label_api.run("get", "pets").stdout.splitlines()[-2:]

    assert rows[0].split() == ["7", "text", "\\x1b[31mred"]
    assert rows[1].split() == ["s3://b/k", "image", "s3://b/k", "a", "dog"]


def test_the_printed_json_can_be_saved_unchanged(label_api: LabelApi) -> None:
    label_api.prepare(label_set_answer(something="new"), label_set_answer(version=2))

    stdout = label_api.run("get", "pets", "--json").stdout
    label_api.run("put", "pets", "--body", "-", input=stdout)

    assert json.loads(stdout) == label_set(something="new")
    assert label_api.requests[1].json()["labels"] == list(CAT_AND_DOG)


def test_list_prints_a_table_of_all_pages(label_api: LabelApi) -> None:
    twice = [*CAT_AND_DOG, {"key": "cat", "type": "text", "value": "kitten"}]
    label_api.prepare(page(label_set("a", 12, twice), cursor="c1"), page(label_set("pets")))

    assert label_api.run("list").stdout == (
        "NAME  VERSION  LABELS  UPDATED\n"
        "a     12       2       2026-05-05 11:21 UTC\n"
        "pets  1        2       2026-05-05 11:21 UTC\n"
    )
    assert calls(label_api) == [("GET", "?limit=100"), ("GET", "?limit=100&cursor=c1")]


def test_list_prints_whole_label_sets_as_json(label_api: LabelApi) -> None:
    sets = [label_set("a", instruction="größer"), label_set("b", threshold=0.5)]
    label_api.prepare(page(*sets))

    assert json.loads(label_api.run("list", "--json").stdout) == sets


def test_list_without_label_sets_prints_only_the_header(label_api: LabelApi) -> None:
    label_api.prepare(page())

    assert label_api.run("list").stdout == "NAME  VERSION  LABELS  UPDATED\n"
