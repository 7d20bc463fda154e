"""`pigeonhole models`: what `prepare`, `export` and `list` print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pigeonhole.inference.encoders import source
from pigeonhole.inference.encoders.artifact import Int8Parity, ModelUnavailable, Precision
from pigeonhole_cli.models import app
from support.cli.small_artifact import write_artifact


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIGEONHOLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_prepared_model_is_left_unchanged_and_described(cache: Path) -> None:
    write_artifact(cache / "models" / "clip-b32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K")

    result = run("prepare", "clip-b32")

    assert result.exit_code == 0
    assert f"clip-b32: already prepared at {cache / 'models' / 'clip-b32'}" in result.output
    assert "revision 0123456789abcdef, not calibrated, 5 MB, licence MIT" in result.output
    assert "text model sentence-transformers/all-MiniLM-L6-v2" in result.output


@pytest.mark.parametrize(
    ("precision", "parity", "phrase"),
    [
        ("fp32", None, "image tower in fp32\n"),
        (
            "int8",
            Int8Parity(cosine=0.99, same_label=1),
            "image tower in int8: mean cosine with fp32 0.990, same best concept for 100 % of the photos\n",
        ),
        ("fp32", Int8Parity(cosine=0.8, same_label=1), "image tower in fp32, because int8 differs too much: mean cosine"),
    ],
)
def test_the_precision_is_printed_with_what_was_measured(
    precision: Precision, parity: Int8Parity | None, phrase: str, tmp_path: Path
) -> None:
    write_artifact(tmp_path / "here", "someone/some-clip", precision=precision, int8_parity=parity)

    assert phrase in run("prepare", "someone/some-clip", "--out", tmp_path / "here").output


def test_another_precision_needs_the_model_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> source.ModelSource:
        raise ModelUnavailable("no network")

    monkeypatch.setattr(source, "find_model", offline)
    write_artifact(tmp_path / "here", "someone/some-clip")

    result = run("prepare", "someone/some-clip", "--out", tmp_path / "here", "--precision", "int8")

    assert (result.exit_code, result.output) == (1, "error: no network\n")


@pytest.mark.parametrize("command", [("prepare", "mine", "--out"), ("export", "mine")])
def test_the_text_model_is_named_by_an_option_or_by_the_environment(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []

    def find(_: str, sentence: str) -> source.ModelSource:
        named.append(sentence)
        raise ModelUnavailable("no such model")

    monkeypatch.setattr(source, "find_model", find)
    run(*command, tmp_path / "here")
    run(*command, tmp_path / "here", "--sentence", "multilingual-e5-small")
    monkeypatch.setenv("SENTENCE_MODEL_ID", "bge-small-en-v1.5")
    run(*command, tmp_path / "here")

    assert named == ["all-MiniLM-L6-v2", "multilingual-e5-small", "bge-small-en-v1.5"]


def test_a_hugging_face_id_has_a_folder_of_its_own(cache: Path) -> None:
    write_artifact(cache / "models" / "someone--some-clip", "someone/some-clip")

    assert "already prepared" in run("prepare", "someone/some-clip").output


def test_out_names_a_folder_in_place_of_the_cache(cache: Path, tmp_path: Path) -> None:
    write_artifact(tmp_path / "here", "someone/some-clip")

    assert f"already prepared at {tmp_path / 'here'}" in run("prepare", "someone/some-clip", "--out", tmp_path / "here").output
    assert not cache.exists()


def test_export_always_prepares_the_model_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_artifact(tmp_path / "here", "someone/some-clip")
    downloads: list[str] = []

    def offline(repository: str, *_: object) -> Path:
        downloads.append(repository)
        raise ModelUnavailable("no network here")

    monkeypatch.setattr(source, "_download", offline)

    result = run("export", "someone/some-clip", tmp_path / "here")

    assert downloads == ["someone/some-clip"]
    assert (result.exit_code, result.output) == (1, "error: no network here\n")


@pytest.mark.parametrize("command", [("prepare", "nonsense"), ("export", "nonsense", "somewhere")])
def test_a_model_that_cannot_be_prepared_is_reported_in_one_line(command: tuple[str, ...], cache: Path) -> None:
    result = run(*command)

    assert result.exit_code == 1
    assert result.output.startswith("error: 'nonsense' is no preset (tiny, clip-b32, siglip2-b16), no folder")
    assert result.output.count("\n") == 1


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("PIGEONHOLE_CACHE", str(tmp_path / "cache"))

    result = run("prepare", "tiny")

    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert "can't be written" in result.output


def test_the_list_contains_presets_and_prepared_models(cache: Path) -> None:
    write_artifact(cache / "models" / "clip-b32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K")
    write_artifact(cache / "models" / "mine", "mine")
    (cache / "models" / "mine" / "calibration.json").write_text('{"revision": "0123456789abcdef"}')
    (cache / "models" / "clip-b32" / "calibration.json").write_text('{"revision": "of another day"}')

    result = run("list", "--json")

    assert result.exit_code == 0
    by_name = {model["name"]: model for model in json.loads(result.output)}
    assert set(by_name) == {"tiny", "clip-b32", "siglip2-b16", "mine"}
    assert not by_name["siglip2-b16"]["prepared"]
    assert by_name["siglip2-b16"]["good_for"]
    assert by_name["clip-b32"] == {
        "name": "clip-b32",
        "model_id": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "licence": "MIT",
        "good_for": by_name["clip-b32"]["good_for"],
        "folder": str(cache / "models" / "clip-b32"),
        "prepared": True,
        "revision": "0123456789abcdef",
        "calibrated": False,
        "megabytes": 5,
        "text_model": "sentence-transformers/all-MiniLM-L6-v2",
        "fault": None,
    }
    assert by_name["mine"]["calibrated"]


def test_the_list_is_a_table(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_artifact(cache / "models" / "mine", "mine")
    monkeypatch.setenv("COLUMNS", "200")

    output = run("list").output

    row = next(line for line in output.splitlines() if " mine " in line)
    assert [cell.strip() for cell in row.split("│")[1:7]] == ["mine", "yes", "0123456789abcdef", "no", "5", "MIT"]
    assert "siglip2-b16" in output
    assert "deberta-v3-base-zeroshot-v2.0: " in output


def test_check_reports_a_changed_file(cache: Path) -> None:
    folder = cache / "models" / "mine"
    write_artifact(folder, "mine")
    (folder / "image.onnx").write_bytes(b"y" * 1_000_000)

    assert run("list").exit_code == 0
    result = run("list", "--check")
    assert result.exit_code == 1
    assert "image.onnx was changed since it was made" in result.output
    assert "broken" in result.output


def test_a_broken_artifact_is_listed_with_how_to_fix_it(cache: Path) -> None:
    write_artifact(cache / "models" / "tiny", "tiny")
    (cache / "models" / "tiny" / "text.onnx").unlink()

    result = run("list")

    assert result.exit_code == 1
    assert f"`pigeonhole models prepare MODEL --out {cache / 'models' / 'tiny'}`" in result.output
