"""`pigeonhole eval`: what it prints and writes, and its exit codes."""

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
from pigeonhole_cli.evaluation import classifier as evaluation_classifier
from pigeonhole_cli.evaluation import command, plots, report
from support.fake_model import RecordingEncoder, classifier
from support.fake_web import image_file

app = typer.Typer()
app.command()(command.evaluate)
FILES = {"results.json", "report.md", "reliability.png"}


class Bench:
    """A folder with photos and two fake models, and the command line that evaluates them."""

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
        options = [option for model in self.models[:models] for option in ("--model", str(model))]
        command_line = [str(data or self.photos), *options, "--out", str(self.out), *map(str, arguments)]
        result = CliRunner().invoke(app, command_line)
        assert result.exit_code == exit_code, result.output
        return result

    def results(self, model: str = "one") -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.out / model / "results.json").read_text())
        return content

    def report(self) -> str:
        return (self.out / "one" / "report.md").read_text()

    def texts(self, rows: str, name: str = "texts.csv") -> Path:
        (self.folder / name).write_text(rows)
        return self.folder / name


@pytest.fixture
def bench_with_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(command, "open_classifier", lambda folder, workers, calibrated: classifier())
    monkeypatch.setenv("COLUMNS", "160")
    return Bench(tmp_path)


@pytest.fixture
def bench(bench_with_charts: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Without charts, whose drawing takes longer than everything else."""
    for chart in ("plot_reliability", "plot_confusion"):
        monkeypatch.setattr(plots, chart, lambda evaluation: None)
    monkeypatch.setattr(plots, "save", lambda figure, path: path.write_bytes(b"a chart"))
    return bench_with_charts


def row(output: str, title: str) -> list[str]:
    line = next(line for line in output.splitlines() if title in line)
    return [cell.strip() for cell in re.split("[│┃]", line.strip("│┃"))]


def test_the_table_shows_each_metric_with_its_interval(bench: Bench) -> None:
    output = bench.run().stdout

    title, value = row(output, " accuracy ")
    assert title == "accuracy"
    assert value.startswith("92.3 % (")
    assert row(output, "samples ") == ["samples", "13"]
    assert row(output, "calibrated") == ["calibrated", "no"]
    assert str(bench.out / "one" / "report.md") in output


def test_results_json_has_the_metrics_and_how_they_were_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pigeonhole", "eval", "my photos"])
    bench.run("--template", "a {}", "--template", "the {}", "--instruction", "colours")
    content = bench.results()

    assert content["schema_version"] == 1
    assert content["command"] == "pigeonhole eval 'my photos'"
    assert content["made_by"].startswith("pigeonhole 0.")
    assert content["model"]["model_id"] == "fake"
    assert content["model"]["revision"] == "fake-64"
    assert content["model"]["engine"] == "fake"
    assert content["model"]["calibrated"] is False
    assert content["data"] == {"path": str(bench.photos), "limit": None, "seed": 0}
    assert content["options"]["templates"] == ["a {}", "the {}"]
    assert content["options"]["instruction"] == "colours"
    assert content["counts"] == {"tasks": 1, "items": 13, "answered": 13, "faults": 0}
    accuracy = content["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(12 / 13, abs=1e-6)
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    (task,) = content["tasks"]
    assert task["metrics"] == content["metrics"]
    red = next(entry for entry in task["classes"] if entry["label"] == "red")
    assert red == {"label": "red", "precision": 1.0, "recall": 0.8, "f1": pytest.approx(8 / 9, abs=1e-6), "support": 5}


def test_the_report_has_figures_and_tables(bench_with_charts: Bench) -> None:
    bench_with_charts.run()
    folder = bench_with_charts.out / "one"

    assert {path.name for path in folder.iterdir()} == FILES | {"confusion.png", "mistakes.png"}
    for name in ("reliability.png", "confusion.png", "mistakes.png"):
        assert f"]({name})" in bench_with_charts.report()
        with Image.open(folder / name) as image:
            assert min(image.size) > 150
    assert "| accuracy | 92.3 % (" in bench_with_charts.report()
    assert "| red | blue | 1 | 20 % |" in bench_with_charts.report()
    assert "| red | 100.0 % | 80.0 % | 88.9 % | 5 |" in bench_with_charts.report()


def test_mistaken_texts_are_a_table_with_escaped_markup(bench: Bench) -> None:
    data = bench.texts('text,label\nred,red\n"blue | <b>\n[x]",red\nblue,blue\n')
    bench.run(data=data)

    assert "| blue \\| \\<b\\> \\[x\\] | red | blue | " in bench.report()
    assert not (bench.out / "one" / "mistakes.png").exists()


def test_labels_that_look_like_formulas_are_drawn(bench_with_charts: Bench) -> None:
    bench_with_charts.run(data=bench_with_charts.texts("text,label\nred,$red_\nblue,blue$^\n犬,犬\n"))

    assert (bench_with_charts.out / "one" / "confusion.png").exists()


@pytest.mark.parametrize("classes", [15, 60])
def test_many_classes_have_a_confusion_matrix(bench_with_charts: Bench, classes: int) -> None:
    rows = "".join(f"word{k} word{k * 7 % classes},word{k}\n" for k in range(classes))
    bench_with_charts.run(data=bench_with_charts.texts("text,label\n" + rows))

    assert (bench_with_charts.out / "one" / "confusion.png").exists()
    assert ("10 more are in results.json" in bench_with_charts.report()) == (classes == 60)


def test_several_labels_have_other_metrics_and_no_confusion_matrix(bench: Bench) -> None:
    lines = [{"type": "text", "value": "red and blue", "label": ["red", "blue"]}, {"type": "text", "value": "x", "label": []}]
    data = bench.texts("\n".join(map(json.dumps, lines)), "texts.jsonl")
    output = bench.run("--multiple-labels", "--threshold", "0.3", data=data).stdout

    assert "micro F1" in output
    assert "balanced accuracy" not in output
    assert bench.results()["tasks"][0]["multiple_labels"] is True
    assert bench.results()["options"]["threshold"] == 0.3
    assert not (bench.out / "one" / "confusion.png").exists()


def test_several_tasks_are_listed_and_averaged(bench: Bench) -> None:
    lines = [
        {"type": "text", "value": "red", "label": "red", "labels": ["red", "blue"], "task": "colours"},
        {"type": "text", "value": "cat", "label": "dog", "labels": ["cat", "dog"], "task": "animals"},
    ]
    bench.run(data=bench.texts("\n".join(map(json.dumps, lines)), "texts.jsonl"))

    assert [task["name"] for task in bench.results()["tasks"]] == ["colours", "animals"]
    assert [task["metrics"]["accuracy"]["value"] for task in bench.results()["tasks"]] == [1, 0]
    assert bench.results()["metrics"]["accuracy"]["value"] == 0.5
    assert "| animals | 1 | 2 | 0.0 %" in bench.report()


SETS = """text,label,set,split
red,red,colours,dev
blue,blue,colours,dev
cat,cat,animals,dev
cat,dog,animals,dev
one,one,numbers,hard
two,two,numbers,hard
"""


def test_each_set_of_a_table_is_measured_with_its_own_labels_and_the_mean_is_printed(bench: Bench) -> None:
    output = bench.run("--split", "dev", data=bench.texts(SETS), models=2).stdout

    assert row(output, "colours ")[:3] == ["colours", "2", "2"]
    assert row(output, "colours ")[3].startswith("100.0 % (")
    assert row(output, "animals ")[4].startswith("50.0 % (")
    assert row(output, "mean of 2 sets: dev")[3].startswith("75.0 % (")
    assert row(output, "│ balanced accuracy")[1].startswith("75.0 % (")
    assert "| **mean of 2 sets: dev** | 4 |  | 75.0 %" in bench.report()


def test_splits_have_a_mean_each(bench: Bench) -> None:
    output = bench.run(data=bench.texts(SETS)).stdout

    assert row(output, "balanced accuracy, dev")[1].startswith("75.0 % (")
    assert row(output, "balanced accuracy, hard")[1].startswith("100.0 % (")
    assert [(group["name"], group["tasks"]) for group in bench.results()["groups"]] == [("dev", 2), ("hard", 1)]
    assert bench.results()["groups"][0]["metrics"]["balanced_accuracy"]["value"] == 0.75
    assert "| metric | dev (95 % interval) | hard (95 % interval) |" in bench.report()


def test_sets_are_selected_by_patterns(bench: Bench) -> None:
    bench.run("--set", "num*", "--set", "animals", data=bench.texts(SETS))

    assert [task["name"] for task in bench.results()["tasks"]] == ["animals", "numbers"]


def test_a_balanced_limit_keeps_rare_labels(bench: Bench) -> None:
    rows = "".join(f"red {k},red\n" for k in range(50)) + "blue,blue\n"
    bench.run("--limit", "10", "--balanced", data=bench.texts("text,label\n" + rows))

    assert [entry["support"] for entry in bench.results()["tasks"][0]["classes"]] == [1, 9]


@pytest.mark.parametrize("count", [1, 2])
def test_several_suites_have_a_folder_each(bench: Bench, count: int) -> None:
    suites = [
        bench.texts(f'ask = "{ask}"\ntasks = 2\nlabels = 2\nitems = 4\n', f"{ask}.toml") for ask in ("negation", "episodes")
    ]
    bench.run(*(option for path in suites[:count] for option in ("--suite", path)))

    folders = [bench.out] if count == 1 else [bench.out / "negation", bench.out / "episodes"]
    contents = [json.loads((folder / "one" / "results.json").read_text()) for folder in folders]
    assert [content["counts"]["tasks"] for content in contents] == [2] * count


def test_models_are_compared_in_one_table_and_have_a_report_each(bench: Bench) -> None:
    output = bench.run(models=2).stdout

    assert row(output, "metric") == ["metric", "one", "two"]
    assert len(row(output, " accuracy ")) == 3
    assert {path.name for path in bench.out.iterdir()} == {"one", "two"}
    assert bench.results("two")["name"] == "two"


def test_with_json_standard_output_is_only_json(bench: Bench) -> None:
    content = json.loads(bench.run("--json", models=2).stdout)

    assert content == [bench.results("one"), bench.results("two")]


def test_samples_that_cannot_be_read_are_counted_and_named(bench: Bench) -> None:
    bench.put("green", "broken.png", b"no image")
    result = bench.run()

    assert row(result.stdout, "could not be read") == ["could not be read", "1"]
    assert "one: 1 samples could not be read and are in no metric" in result.stderr
    assert bench.results()["counts"]["faults"] == 1
    (fault,) = bench.results()["tasks"][0]["faults"]
    assert fault["where"].endswith("green/broken.png")
    assert "broken.png" in bench.report()


def test_labels_may_be_given_with_none_of_these_for_all_others(bench: Bench) -> None:
    bench.run("--labels", "red, green,none of these")

    assert [entry["label"] for entry in bench.results()["tasks"][0]["classes"]] == ["red", "green", "none of these"]
    assert bench.results()["tasks"][0]["classes"][2]["support"] == 4


def test_labels_may_be_the_lines_of_a_file(bench: Bench) -> None:
    file = bench.texts("red, as of roses\nred\n\ngreen\nblue\n", "labels.txt")
    bench.run("--labels-file", file)

    assert bench.results()["tasks"][0]["classes"][0]["label"] == "red, as of roses"


def test_a_file_of_labels_may_be_utf_16(bench: Bench) -> None:
    file = bench.texts("", "labels.txt")
    file.write_text("rosé\ngreen\nred\nblue\n", encoding="utf-16")
    bench.run("--labels-file", file)

    assert bench.results()["tasks"][0]["classes"][0]["label"] == "rosé"


def test_a_limit_keeps_all_labels(bench: Bench) -> None:
    bench.run("--limit", "2", "--seed", "7")

    assert bench.results()["counts"]["items"] == 2
    assert bench.results()["data"]["limit"] == 2
    assert len(bench.results()["tasks"][0]["classes"]) == 3


def test_a_new_report_replaces_all_files_of_the_old_one(bench: Bench) -> None:
    bench.run()
    (bench.out / "one" / "notes.txt").write_text("mine")
    bench.run(data=bench.texts("text,label\nred,red\nblue,blue\n"))

    # The photos' sheet of mistakes is removed, because the texts have none. Other files are not touched.
    assert {path.name for path in (bench.out / "one").iterdir()} == FILES | {"confusion.png", "notes.txt"}


def error_line(result: Result) -> str:
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "green,blue"), "'red' is not among the labels"),
        (
            ("--model", "clip-b32"),
            "clip-b32 isn't prepared and is no artifact folder: run `pigeonhole models prepare clip-b32`",
        ),
    ],
)
def test_a_fault_is_one_line_and_exit_code_1(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setenv("PIGEONHOLE_CACHE", str(bench.folder / "cache"))
    line = error_line(bench.run(*arguments, exit_code=1))

    assert line.startswith("error: ")
    assert message in line
    assert not bench.out.exists()


def test_a_missing_file_is_one_line_and_exit_code_1(bench: Bench) -> None:
    assert "there is no such file or folder" in error_line(bench.run(data=bench.folder / "nowhere.csv", exit_code=1))


def test_data_without_any_readable_sample_is_a_fault(bench: Bench) -> None:
    data = bench.texts("image,label\ngone.png,red\ngone.png,blue\n")

    assert "none of the 2 samples could be read; the first," in error_line(bench.run(data=data, exit_code=1))
    assert not bench.out.exists()


def test_an_output_folder_that_is_a_file_is_reported(bench: Bench) -> None:
    bench.out.write_text("")

    assert f"error: {bench.out}" in error_line(bench.run(exit_code=1))


def test_a_folder_that_is_no_model_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "open_classifier", evaluation_classifier.open_classifier)

    assert "is no complete model artifact" in error_line(bench.run(exit_code=1))


def test_without_matplotlib_nothing_is_evaluated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None)

    assert "need matplotlib: pip install -e '.[eval]'" in error_line(bench.run(exit_code=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "a,b", "--labels-file", "f"), "can't be combined with --labels-file"),
        (("--labels", "a, ,"), "at least two labels"),
        (("--labels-file", "nowhere.txt"), "nowhere.txt can't be read: No such file"),
        (("--template", "a photo"), "{} exactly once"),
        (("--threshold", "0.5"), "needs --multiple-labels"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_a_wrong_option_has_exit_code_2(bench: Bench, arguments: tuple[str, ...], message: str) -> None:
    assert message in bench.run(*arguments, exit_code=2).stderr


class Interrupting(RecordingEncoder):
    """An encoder that is interrupted by Ctrl-C."""

    def encode_image(self, pixels: object) -> Any:
        raise KeyboardInterrupt


def test_ctrl_c_has_exit_code_130_and_leaves_only_complete_reports(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_fake(folder: Path, workers: int, calibrated: bool) -> Classifier:
        return classifier(Interrupting()) if folder.name == "two" else classifier()

    monkeypatch.setattr(command, "open_classifier", open_fake)

    result = bench.run(models=2, exit_code=130)

    assert error_line(result).startswith("stopped")
    assert [path.name for path in bench.out.iterdir()] == ["one"]


def test_ctrl_c_while_a_report_is_written_keeps_the_earlier_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run("--limit", "5")
    before = {path: path.read_bytes() for path in (bench.out / "one").iterdir()}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "draw_mistakes", stop)
    bench.run(exit_code=130)

    assert {path: path.read_bytes() for path in (bench.out / "one").iterdir()} == before
    assert [path.name for path in bench.out.iterdir()] == ["one"]
