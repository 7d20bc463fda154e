"""`pigeonhole classify --local` with the fake model in the place of a prepared one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pigeonhole.inference.images.fetch import ImageFetcher
from pigeonhole.settings import Settings
from pigeonhole.wiring.bulk import LocalPipeline
from pigeonhole_cli.main import app
from support.fake_model import fake_pipeline
from support.fake_web import FakeWeb, image_file

Run = Callable[..., Result]
LABELS = ("--label", "red", "--label", "green")


def load(settings: Settings, read_images_by: Callable[[ImageFetcher], ImageFetcher]) -> LocalPipeline:
    inner = fake_pipeline(read_images_by(FakeWeb({"https://a/red.png": image_file("red")})))  # type: ignore[arg-type]
    return LocalPipeline(pipeline=inner, model=inner.describe())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in a working directory of its own, without an API in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pigeonhole.wiring.bulk.local_pipeline", load)

    def run(*arguments: str, exit_code: int = 0) -> Result:
        environment = {"JIGSAWSTACK_API_URL": None, "JIGSAWSTACK_API_KEY": None}
        result = CliRunner().invoke(app, ["classify", "--local", "--model", str(tmp_path), *arguments], env=environment)
        assert result.exit_code == exit_code, result.output + repr(result.exception)
        return result

    return run


def labels(result: Result) -> list[tuple[str, str]]:
    return [(line.split("\t")[0], line.split("\t")[1]) for line in result.stdout.splitlines()]


def test_texts_and_files_need_no_api(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for colour in ("red", "green"):
        (tmp_path / "photos" / f"{colour}.png").write_bytes(image_file(colour))

    result = run("a green car", "photos", "https://a/red.png", *LABELS)

    assert labels(result) == [
        ("a green car", "green"),
        ("photos/green.png", "green"),
        ("photos/red.png", "red"),
        ("https://a/red.png", "red"),
    ]


def test_an_image_may_have_any_name(run: Run, tmp_path: Path) -> None:
    name = "ü &#? 100%.png"
    (tmp_path / name).write_bytes(image_file("red"))

    assert labels(run(name, *LABELS)) == [(name, "red")]


def test_many_texts_keep_their_order(run: Run, tmp_path: Path) -> None:
    colours = ["red" if number % 3 else "green" for number in range(150)]
    (tmp_path / "texts.txt").write_text("".join(f"{colour} car\n" for colour in colours))

    assert [label for _, label in labels(run("--texts", "texts.txt", *LABELS))] == colours


def test_scores_are_those_of_all_labels(run: Run) -> None:
    (result,) = json.loads(run("a red car", *LABELS, "--json", "--scores").stdout)["results"]

    assert [score["label"] for score in result["scores"]] == ["red", "green"]
    assert sum(score["probability"] for score in result["scores"]) == pytest.approx(1, abs=1e-5)


def test_a_sample_with_an_error_does_not_affect_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")

    result = run("broken.png", "gone.png", "https://a/gone.png", "x" * 9_000, "a red car", *LABELS, exit_code=4)

    assert [label for _, label in labels(result)] == ["", "", "", "", "red"]
    assert [line.split("\t")[3].partition(":")[0] for line in result.stdout.splitlines()[:4]] == [
        "unsupported_media",
        "unfetchable_url",
        "unfetchable_url",
        "invalid_request",
    ]


def test_a_label_that_breaks_the_contract_is_named(run: Run) -> None:
    result = run("a red car", "--label", "red", "--label", "x" * 600, exit_code=1)

    assert result.stderr.startswith("error: labels.1.value: ")


def test_a_model_that_is_not_prepared_is_named_with_the_command(run: Run) -> None:
    result = run("a red car", *LABELS, "--model", "clip-b32", "--cache", "nowhere", exit_code=1)

    assert "pigeonhole models prepare clip-b32" in result.stderr
