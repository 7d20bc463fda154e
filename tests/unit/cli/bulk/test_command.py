"""`pigeonhole bulk local`: what it reads, writes and prints, and how it continues after an interruption."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.inference.images.fetch import ImageFetcher
from pigeonhole.settings import Settings
from pigeonhole.wiring.bulk import LocalPipeline
from pigeonhole_cli.main import app
from support.fake_model import fake_pipeline
from support.fake_web import FakeWeb, image_file

LABELS = ("--label", "red", "--label", "green")


@dataclass
class Machine:
    """The working directory, with the fake model in the place of a prepared one.

    Attributes:
        path: The working directory.
        interrupt_after: After so many groups, Ctrl-C. None for never.
        groups: The number of groups that were classified.
    """

    path: Path
    interrupt_after: int | None = None
    groups: int = field(default=0)

    def load(self, settings: Settings, read_images_by: Callable[[ImageFetcher], ImageFetcher]) -> LocalPipeline:
        inner = fake_pipeline(read_images_by(FakeWeb({"https://a/red.png": image_file("red")})))  # type: ignore[arg-type]
        machine = self

        class Pipeline:
            def ask(self, command: ClassifyCommand) -> list[ChunkResult]:
                machine.groups += 1
                if machine.interrupt_after is not None and machine.groups > machine.interrupt_after:
                    raise KeyboardInterrupt
                return inner.ask(command)

        return LocalPipeline(pipeline=Pipeline(), model=inner.describe())  # type: ignore[arg-type]

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["bulk", "local", *arguments, "--model", str(self.path), "--threads", "1"])

    def rows(self, pattern: str, folder: str = "out") -> list[dict[str, Any]]:
        paths = sorted((self.path / folder).glob(pattern))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def write_manifest(self, count: int, name: str = "in.jsonl") -> None:
        lines = [
            {"type": "text", "value": f"a {'red' if k % 2 else 'green'} car", "custom_id": f"car {k}"} for k in range(count)
        ]
        (self.path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.chdir(tmp_path)
    machine = Machine(tmp_path)
    monkeypatch.setattr("pigeonhole.wiring.bulk.local_pipeline", machine.load)
    return machine


def test_each_line_of_a_manifest_gets_a_row(machine: Machine) -> None:
    machine.write_manifest(3)

    result = machine.run("in.jsonl", "--out", "out", *LABELS)

    assert (result.exit_code, result.stdout) == (0, "")
    assert machine.rows("part-*.jsonl") == [
        {"line": k + 1, "custom_id": f"car {k}", "prediction": "red" if k % 2 else "green"} for k in range(3)
    ]
    assert result.stderr.endswith("out has the results of 3 samples.\n")


def test_lines_with_an_error_are_counted_and_written_apart(machine: Machine) -> None:
    (machine.path / "in.jsonl").write_text('{"type": "text", "value": "red"}\nnonsense\n')

    result = machine.run("in.jsonl", "--out", "out", *LABELS)

    assert result.exit_code == 4
    assert "out has the results of 2 samples. 1 of them have an error: see errors-*.jsonl." in result.stderr
    assert [row["line"] for row in machine.rows("errors-*.jsonl")] == [2]


def test_the_photos_of_a_folder_are_classified_by_their_paths(machine: Machine) -> None:
    for colour in ("red", "green"):
        (machine.path / "photos" / colour).mkdir(parents=True)
        (machine.path / "photos" / colour / "1.png").write_bytes(image_file(colour))
    long_name = "green/" + "x" * 200 + ".png"
    (machine.path / "photos" / long_name).write_bytes(image_file("green"))

    result = machine.run("photos", "--out", "out", *LABELS)

    assert result.exit_code == 0, result.stderr
    assert {row["custom_id"]: row["prediction"] for row in machine.rows("part-*.jsonl")} == {
        "red/1.png": "red",
        "green/1.png": "green",
        long_name: "green",
    }


def test_paths_in_a_manifest_are_relative_to_it(machine: Machine) -> None:
    (machine.path / "data").mkdir()
    (machine.path / "data" / "1.png").write_bytes(image_file("red"))
    values = ["1.png", "https://a/red.png", "s3://a/red.png"]
    lines = [json.dumps({"type": "image", "value": value}) + "\n" for value in values]
    (machine.path / "data" / "in.jsonl").write_text("".join(lines))

    machine.run("data/in.jsonl", "--out", "out", *LABELS)

    assert [row["prediction"] for row in machine.rows("part-*.jsonl")] == ["red", "red"]
    assert [(row["line"], row["code"]) for row in machine.rows("errors-*.jsonl")] == [(3, "forbidden_url")]


def test_labels_and_options_may_come_from_a_file_with_example_images_beside_it(machine: Machine) -> None:
    machine.write_manifest(1)
    (machine.path / "labels").mkdir()
    (machine.path / "labels" / "sea.png").write_bytes(image_file("blue"))
    labels = [{"type": "text", "value": "red"}, {"type": "text", "value": "green"}, {"type": "image", "value": "sea.png"}]
    (machine.path / "labels" / "body.json").write_text(json.dumps({"labels": labels, "scores": True}))

    result = machine.run("in.jsonl", "--out", "out", "--body", "labels/body.json")

    assert result.exit_code == 0, result.stderr
    assert sorted(score["label"] for score in machine.rows("part-*.jsonl")[0]["scores"]) == ["green", "red", "sea.png"]


def test_a_file_may_have_questions(machine: Machine) -> None:
    machine.write_manifest(2)
    labels = [{"type": "text", "value": "red"}, {"type": "image", "value": "green.png", "key": "green"}]
    (machine.path / "labels").mkdir()
    (machine.path / "labels" / "green.png").write_bytes(image_file("green"))
    (machine.path / "labels" / "body.json").write_text(json.dumps({"questions": {"colour": {"labels": labels}}}))

    result = machine.run("in.jsonl", "--out", "out", "--body", "labels/body.json")

    assert result.exit_code == 0, result.stderr
    assert [row["predictions"] for row in machine.rows("part-*.jsonl")] == [{"colour": "green"}, {"colour": "red"}]


@pytest.mark.parametrize("output", ["jsonl", "parquet"])
def test_an_interrupted_run_continues_and_ends_with_the_same_files(machine: Machine, output: str) -> None:
    machine.write_manifest(3_500)
    machine.run("in.jsonl", "--out", "whole", *LABELS, "--format", output)
    machine.groups, machine.interrupt_after = 0, 70

    interrupted = machine.run("in.jsonl", "--out", "out", *LABELS, "--format", output)
    machine.interrupt_after = None
    again = machine.run("in.jsonl", "--out", "out", *LABELS, "--format", output)

    assert interrupted.exit_code == 130
    assert "the same command continues" in interrupted.stderr
    assert again.exit_code == 0
    assert "Classified 1500 samples" in again.stderr  # two spans of 1,000 were complete
    assert {path.name: path.read_bytes() for path in (machine.path / "out").iterdir()} == {
        path.name: path.read_bytes() for path in (machine.path / "whole").iterdir()
    }


def test_a_manifest_that_changes_during_the_run_gets_no_results_manifest(machine: Machine) -> None:
    machine.write_manifest(3)
    load = machine.load

    def change(*arguments: Any) -> LocalPipeline:
        loaded = load(*arguments)
        inner = loaded.pipeline.ask

        def ask_and_change(command: ClassifyCommand) -> list[ChunkResult]:
            (machine.path / "in.jsonl").write_text("{}\n")
            return inner(command)

        loaded.pipeline.ask = ask_and_change  # type: ignore[method-assign, assignment]
        return loaded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pigeonhole.wiring.bulk.local_pipeline", change)
        result = machine.run("in.jsonl", "--out", "out", *LABELS)

    assert result.exit_code == 1
    assert "in.jsonl was changed while it was classified" in result.stderr
    assert not (machine.path / "out" / "_manifest.json").exists()


def test_an_input_whose_name_is_no_utf_8_is_classified(machine: Machine) -> None:
    machine.write_manifest(3)
    try:
        (machine.path / "in.jsonl").rename(machine.path / os.fsdecode(b"bad\xff.jsonl"))
    except OSError:
        pytest.skip("this file system has only names in UTF-8")

    assert machine.run(os.fsdecode(b"bad\xff.jsonl"), "--out", "out", *LABELS).exit_code == 0


def test_a_finished_run_is_not_repeated(machine: Machine) -> None:
    machine.write_manifest(3)
    machine.run("in.jsonl", "--out", "out", *LABELS)
    machine.groups = 0

    again = machine.run("in.jsonl", "--out", "out", *LABELS, "--json")

    assert (again.exit_code, machine.groups) == (0, 0)
    assert json.loads(again.stdout)["counts"] == {"total": 3, "succeeded": 3, "failed": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("in.jsonl", "--label", "red"), 2, "give at least two different labels"),
        (("in.jsonl", *LABELS, "--body", "b.json"), 2, "--body has labels and options"),
        (("missing.jsonl", *LABELS), 1, "missing.jsonl can't be read: No such file"),
        (("in.txt", *LABELS), 1, "is no manifest"),
        (("empty.jsonl", *LABELS), 1, "empty.jsonl has no samples"),
        (("in.jsonl", "--body", "b.json"), 1, "labels: at least 2 distinct labels are needed, got 1"),
        (("in.jsonl", "--body", "missing.json"), 1, "missing.json can't be read"),
        (("in.jsonl", "--label", "a", "--label", "b" * 600), 1, "labels.1.value: the text of a label must have at most 512"),
        (("in.jsonl", *LABELS, "--body", "c.json", "--scores"), 2, "--body has labels and options"),
        (("in.jsonl", "--body", "c.json"), 1, "labels: must be an array"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(machine: Machine, arguments: tuple[str, ...], code: int, message: str) -> None:
    machine.write_manifest(1)
    for name, text in (
        ("in.txt", "a"),
        ("empty.jsonl", "\n"),
        ("b.json", '{"labels": [{"type": "text", "value": "a"}]}'),
        ("c.json", '{"labels": "cat"}'),
    ):
        (machine.path / name).write_text(text)

    result = machine.run(*arguments, "--out", "out")

    assert (result.exit_code, message in " ".join(result.stderr.replace("│", "").split())) == (code, True), result.stderr
    assert not list((machine.path / "out").glob("part-*"))
