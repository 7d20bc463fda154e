"""A model is found by preset, folder or hub id, and its revision changes with its embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from pigeonhole.inference.encoders import source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from support import small_models

pytestmark = pytest.mark.torch


def append(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b" ")


@pytest.fixture
def folder(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(model_folders["clip"], tmp_path / "my-clip")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json"])
def test_the_revision_changes_with_every_file_that_changes_an_embedding(name: str, folder: Path) -> None:
    before = source.find_model(str(folder)).compute_revision()
    append(name)(folder)

    assert source.find_model(str(folder)).compute_revision() != before


def test_the_revision_depends_only_on_the_content(folder: Path, tmp_path: Path) -> None:
    before = source.find_model(str(folder)).compute_revision()
    (folder / "README.md").write_text("# A model")
    (folder / "training.json").write_text("{}")

    assert source.find_model(str(small_models.copy_model(folder, tmp_path / "renamed"))).compute_revision() == before
    assert len(before) == 16


def test_the_revision_changes_with_the_reading_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source.find_model(str(folder)).compute_revision()
    monkeypatch.setattr(source, "READING_VERSION", source.READING_VERSION + 1)

    assert source.find_model(str(folder)).compute_revision() != before


@pytest.mark.parametrize(("kind", "changes"), [("image-tower", True), ("clip", False)])
def test_the_revision_of_an_image_tower_changes_with_its_text_tower_whichever_model_compares_texts(
    kind: str, changes: bool, model_folders: dict[str, Path], sentence_model: Path, sentence_parts: Path
) -> None:
    name, sentence = str(model_folders[kind]), str(sentence_model)
    before = source.find_model(name, sentence).compute_revision()
    (sentence_parts / "text_delta.safetensors").write_bytes(b"another delta")

    assert (source.find_model(name, sentence).compute_revision() != before) == changes


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model", "apache-2.0"),
        ("# Model\nlicense: mit", "unknown"),
        ("---\nlanguage: en\n---\nlicense: mit", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_of_a_folder_is_that_of_its_model_card(card: str | None, licence: str, folder: Path) -> None:
    if card is not None:
        (folder / "README.md").write_text(card)

    assert source.find_model(str(folder)).licence == licence


def test_safetensors_have_priority_over_a_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"")

    assert [path.name for path in source.find_model(str(folder)).find_weights()] == ["model.safetensors"]
    (folder / "model.safetensors").unlink()
    assert [path.name for path in source.find_model(str(folder)).find_weights()] == ["pytorch_model.bin"]


@pytest.mark.parametrize("name", ["no-such-thing", "a/b/c", "", "../elsewhere"])
def test_an_unknown_name_is_refused_with_the_presets(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="no preset \\(tiny, clip-b32, siglip2-b16\\), no folder and no Hugging Face id"):
        source.find_model(name)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"config\.json is missing"):
        _ = source.find_model(str(tmp_path)).config
    with pytest.raises(ModelUnavailable, match="holds no weights"):
        source.find_model(str(tmp_path)).find_weights()


def test_the_bundled_model_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(source, "repository_folder", lambda _: tmp_path / "models" / "tiny")

    with pytest.raises(ModelUnavailable, match="the bundled model isn't at"):
        source.find_model("tiny")


def test_without_a_network_a_download_fails_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("Cannot find the snapshot.\nPlease check your connection.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)

    with pytest.raises(ModelUnavailable) as caught:
        source.find_model("clip-b32")
    message = str(caught.value)
    assert message.startswith("laion/CLIP-ViT-B-32-laion2B-s34B-b79K can't be downloaded from the Hugging Face hub")
    assert "give a local folder" in message
    assert "\n" not in message


def test_a_pickle_is_downloaded_only_where_there_are_no_safetensors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    downloads = []

    def download(repository: str, *, revision: str, allow_patterns: list[str]) -> str:
        downloads.append((repository, revision, [pattern for pattern in allow_patterns if "model" in pattern]))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    model_source = source.find_model("someone/some-clip")
    (tmp_path / "model.safetensors").write_bytes(b"")
    source.find_model("someone/some-clip")

    first, pickle, only = downloads
    assert first == only
    assert first[:2] == ("someone/some-clip", "main")
    assert "pytorch_model*.bin" in pickle[2]
    assert "pytorch_model*.bin" not in first[2]
    assert (model_source.model_id, model_source.hub_revision, model_source.folder) == ("someone/some-clip", "main", tmp_path)
