"""`pigeonhole eval`, as typed: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from pigeonhole.inference.classifier import Classifier
from pigeonhole_cli.evaluation import command, plots, report, run
from support.fake_model import RecordingEncoder, classifier
from support.fake_web import image_file

app = typer.Typer()
app.command()(command.evaluate)
FILES = {"results.json", "report.md", "reliability.png"}


class Bench:
    """A folder with photos and two "models", which are the fake encoder; and the command line in front of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos, self.out = folder / "photos", folder / "out"
        self.models = [folder / "one", folder / "two"]
        for colour in ("red", "green", "blue"):
            for number in range(4):
                self.put(colour, f"{number}.png", image_file(colour))
        self.put("red", "mistaken.png", image_file("blue"))
        for model in self.models:
            model.mkdir()

    def put(self, label: str, name: str, data: bytes) -> None:
        (self.photos / label).mkdir(parents=True, exist_ok=True)
        (self.photos / label / name).write_bytes(data)

    def run(self, *arguments: str | Path, data: Path | None = None, exit_code: int = 0, models: int = 1) -> Result:
        chosen = [each for model in self.models[:models] for each in ("--model", str(model))]
        typed = [str(data or self.photos), *chosen, "--out", str(self.out), *map(str, arguments)]
        result = CliRunner().invoke(app, typed)
        assert result.exit_code == exit_code, result.output
        return result

    def results(self, model: str = "one") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / model / "results.json").read_text())
        return found

    def report(self) -> str:
        return (self.out / "one" / "report.md").read_text()

    def texts(self, rows: str, name: str = "texts.csv") -> Path:
        (self.folder / name).write_text(rows)
        return self.folder / name


@pytest.fixture
def drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(command, "open_classifier", lambda folder, workers, calibrated: classifier())
    monkeypatch.setenv("COLUMNS", "160")
    return Bench(tmp_path)


@pytest.fixture
def bench(drawing: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Without charts, whose drawing takes longer than all the rest; for the tests that don't look at them."""
    for chart in ("reliability", "confusion"):
        monkeypatch.setattr(plots, chart, lambda evaluation: None)
    monkeypatch.setattr(plots, "save", lambda figure, path: path.write_bytes(b"a chart"))
    return drawing


def row(output: str, title: str) -> list[str]:
    line = next(line for line in output.splitlines() if title in line)
    return [cell.strip() for cell in re.split("[│┃]", line.strip("│┃"))]


def test_the_table_has_each_metric_with_its_interval(bench: Bench) -> None:
    output = bench.run().stdout

    title, value = row(output, " accuracy ")
    assert title == "accuracy"
    assert value.startswith("92.3 % (")
    assert row(output, "samples ") == ["samples", "13"]
    assert row(output, "calibrated") == ["calibrated", "no"]
    assert str(bench.out / "one" / "report.md") in output


def test_the_results_hold_what_was_measured_and_how(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pigeonhole", "eval", "my photos"])
    bench.run("--template", "a {}", "--template", "the {}", "--instruction", "colours")
    found = bench.results()

    assert found["schema_version"] == 1
    assert found["command"] == "pigeonhole eval 'my photos'"
    assert found["made_by"].startswith("pigeonhole 0.")
    assert found["model"]["model_id"] == "fake"
    assert found["model"]["revision"] == "fake-64"
    assert found["model"]["engine"] == "fake"
    assert found["model"]["calibrated"] is False
    assert found["data"] == {"path": str(bench.photos), "limit": None, "seed": 0}
    assert found["options"]["templates"] == ["a {}", "the {}"]
    assert found["options"]["instruction"] == "colours"
    assert found["counts"] == {"tasks": 1, "items": 13, "answered": 13, "faults": 0}
    accuracy = found["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(12 / 13, abs=1e-6)
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    (task,) = found["tasks"]
    assert task["metrics"] == found["metrics"]
    red = next(each for each in task["classes"] if each["label"] == "red")
    assert red == {"label": "red", "precision": 1.0, "recall": 0.8, "f1": pytest.approx(8 / 9, abs=1e-6), "support": 5}


def test_the_report_shows_all_of_it(drawing: Bench) -> None:
    drawing.run()
    folder = drawing.out / "one"

    assert {path.name for path in folder.iterdir()} == FILES | {"confusion.png", "mistakes.png"}
    for name in ("reliability.png", "confusion.png", "mistakes.png"):
        assert f"]({name})" in drawing.report()
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 150
    assert "| accuracy | 92.3 % (" in drawing.report()
    assert "| red | blue | 1 | 20 % |" in drawing.report()
    assert "| red | 100.0 % | 80.0 % | 88.9 % | 5 |" in drawing.report()


def test_mistakes_with_texts_are_a_table_that_no_text_can_break(bench: Bench) -> None:
    data = bench.texts('text,label\nred,red\n"blue | <b>\n[x]",red\nblue,blue\n')
    bench.run(data=data)

    assert "| blue \\| \\<b\\> \\[x\\] | red | blue | " in bench.report()
    assert not (bench.out / "one" / "mistakes.png").exists()


def test_labels_that_matplotlib_would_read_as_formulas_are_drawn(drawing: Bench) -> None:
    drawing.run(data=drawing.texts("text,label\nred,$red_\nblue,blue$^\n犬,犬\n"))

    assert (drawing.out / "one" / "confusion.png").exists()


@pytest.mark.parametrize("classes", [15, 60])
def test_many_classes_have_a_confusion_matrix_too(drawing: Bench, classes: int) -> None:
    rows = "".join(f"word{k} word{k * 7 % classes},word{k}\n" for k in range(classes))
    drawing.run(data=drawing.texts("text,label\n" + rows))

    assert (drawing.out / "one" / "confusion.png").exists()
    assert ("10 more are in results.json" in drawing.report()) == (classes == 60)


def test_several_labels_have_their_own_metrics_and_no_confusion(bench: Bench) -> None:
    lines = [{"type": "text", "value": "red and blue", "label": ["red", "blue"]}, {"type": "text", "value": "x", "label": []}]
    data = bench.texts("\n".join(map(json.dumps, lines)), "texts.jsonl")
    output = bench.run("--multiple-labels", "--threshold", "0.3", data=data).stdout

    assert "micro F1" in output
    assert "balanced accuracy" not in output
    assert bench.results()["tasks"][0]["multiple_labels"] is True
    assert bench.results()["options"]["threshold"] == 0.3
    assert not (bench.out / "one" / "confusion.png").exists()


def test_several_tasks_are_listed_and_their_mean_is_the_result(bench: Bench) -> None:
    lines = [
        {"type": "text", "value": "red", "label": "red", "labels": ["red", "blue"], "task": "colours"},
        {"type": "text", "value": "cat", "label": "dog", "labels": ["cat", "dog"], "task": "animals"},
    ]
    bench.run(data=bench.texts("\n".join(map(json.dumps, lines)), "texts.jsonl"))

    assert [task["name"] for task in bench.results()["tasks"]] == ["colours", "animals"]
    assert [task["metrics"]["accuracy"]["value"] for task in bench.results()["tasks"]] == [1, 0]
    assert bench.results()["metrics"]["accuracy"]["value"] == 0.5
    assert "| animals | 1 | 2 | 0.0 %" in bench.report()


def test_models_are_compared_in_one_table_each_with_a_report_of_its_own(bench: Bench) -> None:
    output = bench.run(models=2).stdout

    assert row(output, "metric") == ["metric", "one", "two"]
    assert len(row(output, " accuracy ")) == 3
    assert {path.name for path in bench.out.iterdir()} == {"one", "two"}
    assert bench.results("two")["name"] == "two"


def test_json_is_all_that_standard_output_has(bench: Bench) -> None:
    printed = json.loads(bench.run("--json", models=2).stdout)

    assert printed == [bench.results("one"), bench.results("two")]


def test_what_cannot_be_read_is_counted_said_and_named(bench: Bench) -> None:
    bench.put("green", "broken.png", b"no picture")
    ran = bench.run()

    assert row(ran.stdout, "could not be read") == ["could not be read", "1"]
    assert "one: 1 samples could not be read and are in no figure" in ran.stderr
    assert bench.results()["counts"]["faults"] == 1
    (fault,) = bench.results()["tasks"][0]["faults"]
    assert fault["where"].endswith("green/broken.png")
    assert "broken.png" in bench.report()


def test_labels_may_be_given_with_one_for_all_others(bench: Bench) -> None:
    bench.run("--labels", "red, green,none of these")

    assert [each["label"] for each in bench.results()["tasks"][0]["classes"]] == ["red", "green", "none of these"]
    assert bench.results()["tasks"][0]["classes"][2]["support"] == 4


def test_labels_may_be_a_files_lines(bench: Bench) -> None:
    file = bench.texts("red, as of roses\nred\n\ngreen\nblue\n", "labels.txt")
    bench.run("--labels-file", file)

    assert bench.results()["tasks"][0]["classes"][0]["label"] == "red, as of roses"


def test_a_limit_is_in_the_results_and_all_labels_stay(bench: Bench) -> None:
    bench.run("--limit", "2", "--seed", "7")

    assert bench.results()["counts"]["items"] == 2
    assert bench.results()["data"]["limit"] == 2
    assert len(bench.results()["tasks"][0]["classes"]) == 3


def test_a_new_report_replaces_the_old_one_whole(bench: Bench) -> None:
    bench.run()
    (bench.out / "one" / "notes.txt").write_text("mine")
    bench.run(data=bench.texts("text,label\nred,red\nblue,blue\n"))

    # Of the photos' report, the sheet of mistakes has nothing to do with the texts'. What isn't ours stays.
    assert {path.name for path in (bench.out / "one").iterdir()} == FILES | {"confusion.png", "notes.txt"}


def error(ran: Result) -> str:
    (line,) = ran.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--labels", "green,blue"), "'red' is not among the labels: name it, too"),
        (
            ("--model", "clip-b32"),
            "clip-b32 isn't prepared and is no artifact folder: run `pigeonhole models prepare clip-b32`",
        ),
    ],
)
def test_a_fault_is_one_line_and_exit_1(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("PIGEONHOLE_CACHE", str(bench.folder / "cache"))
    line = error(bench.run(*arguments, exit_code=1))

    assert line.startswith("error: ")
    assert said in line
    assert not bench.out.exists()


def test_a_missing_file_is_one_line_and_exit_1(bench: Bench) -> None:
    assert "there is no such file or folder" in error(bench.run(data=bench.folder / "nowhere.csv", exit_code=1))


def test_data_of_which_nothing_can_be_read_is_a_fault(bench: Bench) -> None:
    data = bench.texts("image,label\ngone.png,red\ngone.png,blue\n")

    assert "none of the 2 samples could be read; the first," in error(bench.run(data=data, exit_code=1))
    assert not bench.out.exists()


def test_an_out_that_is_a_file_is_one_line(bench: Bench) -> None:
    bench.out.write_text("")

    assert f"error: {bench.out}" in error(bench.run(exit_code=1))


def test_a_folder_that_is_no_model_is_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "open_classifier", run.open_classifier)

    assert "is no complete model artifact" in error(bench.run(exit_code=1))


def test_without_matplotlib_nothing_is_begun(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None)

    assert "need matplotlib: pip install -e '.[eval]'" in error(bench.run(exit_code=1))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--labels", "a,b", "--labels-file", "f"), "either --labels or --labels-file"),
        (("--labels", "a, ,"), "name two labels"),
        (("--labels-file", "nowhere.txt"), "nowhere.txt can't be read: No such file"),
        (("--template", "a photo"), "a template has {} once"),
        (("--threshold", "0.5"), "it needs --multiple-labels"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_a_wrong_option_ends_with_2(bench: Bench, arguments: tuple[str, ...], said: str) -> None:
    assert said in bench.run(*arguments, exit_code=2).stderr


class Stopping(RecordingEncoder):
    """An encoder during whose work somebody presses Ctrl-C."""

    def encode_image(self, pixels: object) -> Any:
        raise KeyboardInterrupt


def test_ctrl_c_ends_with_130_and_a_line_and_leaves_whole_reports_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(folder: Path, workers: int, calibrated: bool) -> Classifier:
        return classifier(Stopping()) if folder.name == "two" else classifier()

    monkeypatch.setattr(command, "open_classifier", opened)

    ran = bench.run(models=2, exit_code=130)

    assert error(ran).startswith("stopped")
    assert [path.name for path in bench.out.iterdir()] == ["one"]


def test_ctrl_c_while_a_report_is_written_leaves_the_earlier_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run("--limit", "5")
    before = {path: path.read_bytes() for path in (bench.out / "one").iterdir()}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "sheet", stop)
    bench.run(exit_code=130)

    assert {path: path.read_bytes() for path in (bench.out / "one").iterdir()} == before
    assert [path.name for path in bench.out.iterdir()] == ["one"]
