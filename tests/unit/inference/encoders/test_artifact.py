"""A broken artifact folder is refused with its name and the command that fixes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.encoders import artifact, registry
from pigeonhole.inference.encoders.artifact import FileFacts, ModelUnavailable
from support import small_models

pytestmark = pytest.mark.torch


@pytest.fixture
def folder(artifacts: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(artifacts["clip"], tmp_path / "clip")


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads((folder / "artifact.json").read_text())
    change(content)
    (folder / "artifact.json").write_text(json.dumps(content))


def rehash(folder: Path, name: str) -> None:
    edit(folder, lambda content: content["files"].update({name: FileFacts.from_file(folder / name).model_dump()}))  # type: ignore[attr-defined]


def shorten(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])


def replace(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    rehash(folder, name)


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda folder: folder.rename(folder.with_name("elsewhere")), "there is no such folder"),
    "no artifact.json": (lambda folder: (folder / "artifact.json").unlink(), "artifact.json is missing"),
    "artifact.json is no JSON": (lambda folder: (folder / "artifact.json").write_text('{"kind": '), "artifact.json: "),
    "artifact.json is empty": (lambda folder: (folder / "artifact.json").write_bytes(b""), "artifact.json: "),
    "another schema": (lambda folder: edit(folder, lambda content: content.update(schema_version=1)), "schema_version"),
    "a field is missing": (lambda folder: edit(folder, lambda content: content.pop("encoder")), "encoder: Field required"),
    "files are not listed": (lambda folder: edit(folder, lambda content: content.update(files={})), "lists other files"),
    "a file out of the folder": (
        lambda folder: edit(folder, lambda content: content["files"].update({"../x": {"bytes": 1, "sha256": ""}})),  # type: ignore[attr-defined]
        "lists other files",
    ),
    "no graph": (lambda folder: (folder / "image.onnx").unlink(), "image.onnx is missing"),
    "no tokenizer": (lambda folder: (folder / "sentence_tokenizer.json").unlink(), "sentence_tokenizer.json is missing"),
    "a file is short": (lambda folder: shorten(folder, "text.onnx"), "text.onnx has "),
    "a graph is no graph": (lambda folder: replace(folder, "text.onnx", b"no"), "text.onnx can't be loaded"),
    "a tokenizer is none": (lambda folder: replace(folder, "tokenizer.json", b"{}"), "tokenizer.json can't be read"),
    "another model's text graph": (
        lambda folder: replace(folder, "text.onnx", (folder / "sentence.onnx").read_bytes()),
        "text.onnx doesn't give embeddings of length 24",
    ),
    "another input side": (
        lambda folder: edit(folder, lambda content: content["encoder"]["image"].update(side=64)),  # type: ignore[index]
        "image.onnx doesn't take",
    ),
    "a calibration is no JSON": (lambda folder: (folder / "calibration.json").write_text("{"), "calibration.json"),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_a_broken_folder_is_refused_with_its_name_and_the_command_that_fixes_it(fault: str, folder: Path) -> None:
    damage, expected = BREAKS[fault]
    damage(folder)

    with pytest.raises(ModelUnavailable) as caught:
        registry.open_towers(registry.load(folder))

    message = str(caught.value)
    assert expected in message
    assert str(folder) in message
    assert "`pigeonhole models prepare MODEL --out" in message
    assert "\n" not in message


@pytest.mark.parametrize("images", [0, 1])  # no images open the tower
def test_towers_of_two_models_are_never_mixed(images: int, folder: Path, artifacts: dict[str, Path]) -> None:
    encoder = registry.load(folder).encoder
    encoder.encode_text(["a cat"])
    folder.rename(folder.with_name("before"))
    small_models.copy_model(artifacts["siglip"], folder)

    with pytest.raises(ModelUnavailable, match="was replaced: start this process again"):
        encoder.encode_image(np.zeros((images, encoder.info.image_side, encoder.info.image_side, 3), np.uint8))
    assert encoder.encode_text(["a cat"]).shape == (1, encoder.info.dim)


def test_a_changed_file_of_the_same_size_is_detected_by_its_hash(folder: Path) -> None:
    content = bytearray((folder / "image.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "image.onnx").write_bytes(content)

    artifact.read_info(folder)
    with pytest.raises(ModelUnavailable, match=r"image\.onnx was changed"):
        artifact.read_info(folder, check_hashes=True)


def test_a_complete_folder_is_read_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    artifact_info = artifact.read_info(folder, check_hashes=True)
    artifact.write_info(tmp_path, artifact_info)

    assert (tmp_path / "artifact.json").read_text() == (folder / "artifact.json").read_text()
