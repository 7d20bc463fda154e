"""`pigeonhole classify` with an API: what it sends and prints, its errors and its exit codes."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pigeonhole.client import RetryPolicy
from support.cli.api_server import Answer
from support.cli.classify_api import ClassifyApi

WITHOUT_MODELS = """
import sys
for package in ("numpy", "onnxruntime", "PIL", "pyarrow", "tokenizers", "torch", "transformers"):
    sys.modules[package] = None  # its import fails, as if it were not installed
from pigeonhole_cli.__main__ import main
main()
"""
LABELS = ("--label", "red", "--label", "green")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.classify.deployed.RETRIES", RetryPolicy(min_pause_s=0, connect_attempts=1))


def test_texts_are_classified_by_one_request(classify_api: ClassifyApi) -> None:
    result = classify_api.run("a red car", "a green car", *LABELS, "--instruction", "cars")

    assert (result.stdout, result.stderr) == ("a red car\tred\t0.750000\na green car\tgreen\t0.750000\n", "")
    (request,) = classify_api.requests
    assert (request.method, request.path) == ("POST", "/prod/v1/classification")
    assert request.json()["labels"] == [{"type": "text", "value": "red"}, {"type": "text", "value": "green"}]
    assert request.json()["instruction"] == "cars"


def test_texts_and_images_are_two_requests_and_keep_their_order(classify_api: ClassifyApi, folder: Path) -> None:
    result = classify_api.run("https://a/red", "a red car", "one.png", "mail.txt", *LABELS)

    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["https://a/red", "a red car", "one.png", "mail.txt"]
    inline = "data:application/octet-stream;base64," + base64.b64encode(b"red").decode()
    assert classify_api.samples == [
        ("text", "a red car"),
        ("text", "red\nwine"),
        ("image", "https://a/red"),
        ("image", inline),
    ]


@pytest.mark.parametrize("arguments", [(), ("-",), ("--texts", "-")])
def test_standard_input_has_a_text_in_each_line(classify_api: ClassifyApi, arguments: tuple[str, ...]) -> None:
    result = classify_api.run(*arguments, *LABELS, input="a red car\n\na green car\n")

    assert result.stdout == "a red car\tred\t0.750000\na green car\tgreen\t0.750000\n"


def test_a_label_set_stands_in_place_of_labels(classify_api: ClassifyApi) -> None:
    assert classify_api.run("saved", "--label-set", "topics").stdout == "saved\tsaved\t0.750000\n"
    assert classify_api.requests[0].json()["label_set"] == "topics"


def test_a_label_set_decides_whether_samples_get_several_labels(classify_api: ClassifyApi) -> None:
    classify_api.run("saved", "--label-set", "topics")
    classify_api.run("saved", "--label-set", "topics", "--multiple")

    assert [request.json().get("multiple_labels") for request in classify_api.requests] == [None, True]


def test_scores_add_a_field_for_each_label(classify_api: ClassifyApi) -> None:
    assert classify_api.run("red", *LABELS, "--scores").stdout == "red\tred\t0.750000\tred=0.750000\tgreen=0.250000\n"


def test_multiple_labels_have_a_threshold(classify_api: ClassifyApi) -> None:
    classify_api.run("red", *LABELS, "--multiple", "--threshold", "0.3")

    assert classify_api.requests[0].json() | {"multiple_labels": True, "threshold": 0.3} == classify_api.requests[0].json()


def test_json_has_an_object_for_each_sample(classify_api: ClassifyApi) -> None:
    result = classify_api.run("red", "faulty", *LABELS, "--json", "--scores", exit_code=4)

    good, bad = json.loads(result.stdout)["results"]
    assert good == {
        "sample": "red",
        "type": "text",
        "labels": ["red"],
        "probability": 0.75,
        "scores": [
            {"label": "red", "probability": 0.75, "similarity": 0.5},
            {"label": "green", "probability": 0.25, "similarity": 0.5},
        ],
        "error": None,
    }
    assert (bad["labels"], bad["error"]) == ([], {"code": "unreadable_image", "message": "it is faulty"})


def test_csv_has_a_header_and_a_row_for_each_sample(classify_api: ClassifyApi) -> None:
    result = classify_api.run('a "red", car', "faulty", *LABELS, "--csv", "--scores", exit_code=4)

    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["sample", "label", "probability", "error", "green", "red"],
        ['a "red", car', "red", "0.750000", "", "0.25", "0.75"],
        ["faulty", "", "", "unreadable_image: it is faulty", "", ""],
    ]


def test_csv_has_no_text_that_a_spreadsheet_runs_as_a_formula(classify_api: ClassifyApi) -> None:
    result = classify_api.run("=1+1", "+red", "@red", *LABELS, "--csv")

    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert [row[0] for row in rows[1:]] == ["'=1+1", "'+red", "'@red"]


def test_a_line_has_no_line_breaks_and_no_control_characters(classify_api: ClassifyApi) -> None:
    assert classify_api.run("red\n\x1b[2J", *LABELS).stdout == "red\\n\\x1b[2J\tred\t0.750000\n"


def test_a_sample_with_an_error_shows_in_its_line_and_in_the_exit_code(classify_api: ClassifyApi) -> None:
    result = classify_api.run("red", "faulty", *LABELS, exit_code=4)

    assert result.stdout.splitlines()[1] == "faulty\t\t\tunreadable_image: it is faulty"
    assert result.stderr == "1 sample of 2 could not be classified.\n"


def test_files_that_cannot_be_read_do_not_affect_the_others(classify_api: ClassifyApi, folder: Path) -> None:
    (folder / "program").write_bytes(b"\x7fELF\xff")

    result = classify_api.run("gone.png", "program", "red", *LABELS, exit_code=4)

    assert [line.split("\t")[1] for line in result.stdout.splitlines()] == ["", "", "red"]
    assert "gone.png can't be read: No such file" in result.stdout
    assert "program is not UTF-8 text" in result.stdout


def test_a_warning_names_its_sample(classify_api: ClassifyApi) -> None:
    assert classify_api.run("an unusual red", *LABELS).stderr == "warning: 'an unusual red': is unusual\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "--label", "red"), "give at least two different labels"),
        (("x",), "give at least two different labels"),
        (("x", *LABELS, "--label-set", "topics"), "--label-set can't be combined with --label"),
        (("x", "--label-set", "a b"), "--label-set"),
        (("x", *LABELS, "--json", "--csv"), "--json and --csv exclude each other"),
        (("x", "--local", "--label-set", "topics"), "--local has no label sets"),
        (("x", *LABELS, "--threshold", "2"), "less than or equal to 1"),
        (("x", *LABELS, "--url", "example.com"), "must begin with https:// or http://"),
        (("x", *LABELS, "--key", "a b"), "printable ASCII"),
    ],
)
def test_wrong_arguments_are_named(classify_api: ClassifyApi, arguments: tuple[str, ...], message: str) -> None:
    assert message in classify_api.run(*arguments, exit_code=2).stderr
    assert classify_api.requests == []


def test_without_an_api_the_error_names_the_way_without_one(classify_api: ClassifyApi) -> None:
    result = classify_api.run("x", *LABELS, exit_code=2, JIGSAWSTACK_API_URL="")

    assert "Set JIGSAWSTACK_API_URL" in result.stderr
    assert "--local" in result.stderr


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_input_is_an_error(classify_api: ClassifyApi, text: str) -> None:
    assert classify_api.run(*LABELS, input=text, exit_code=1).stderr == "error: There is no text in the input.\n"


def test_a_wrong_key_is_an_error_that_says_where_the_key_belongs(classify_api: ClassifyApi) -> None:
    classify_api.refuse("invalid_api_key", 401)

    result = classify_api.run("x", *LABELS, exit_code=1)

    assert result.stderr.startswith("error: It is invalid_api_key. (invalid_api_key, log_id log-1)\n")
    assert "--key or JIGSAWSTACK_API_KEY" in result.stderr
    assert len(classify_api.requests) == 1


def test_the_faults_of_a_request_are_listed(classify_api: ClassifyApi) -> None:
    classify_api.refuse("invalid_request", 400, ("labels.0.value", "is too long"), ("instruction", "is blank"))

    result = classify_api.run("x", *LABELS, exit_code=1)

    assert result.stderr.splitlines()[1:] == ["  labels.0.value: is too long", "  instruction: is blank"]


def test_an_address_without_an_api_is_an_error(classify_api: ClassifyApi) -> None:
    result = classify_api.run("x", *LABELS, "--url", "http://127.0.0.1:1", exit_code=1)
    assert "http://127.0.0.1:1 can't be reached" in result.stderr

    classify_api.refusal = Answer("<html>", 404)
    assert "isn't one of Pigeonhole" in classify_api.run("x", *LABELS, exit_code=1).stderr


def test_ctrl_c_ends_the_command_at_once(classify_api: ClassifyApi) -> None:
    classify_api.is_hanging = True
    with classify_api.start("red", *LABELS) as process:
        classify_api.wait_for_request()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, output, errors) == (130, b"", b"Interrupted.\n")


def test_an_api_needs_no_package_of_the_models(classify_api: ClassifyApi, folder: Path) -> None:
    """The extra `cli` has none of them."""
    command = [sys.executable, "-c", WITHOUT_MODELS, "classify", "a red car", "one.png", *LABELS]
    environment = os.environ | classify_api.environment

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
