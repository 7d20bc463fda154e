"""An artifact folder is complete or not made, and is made only if its graphs give the embeddings of the original model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch

from pigeonhole.inference.encoders import artifact, export, optimize, registry, source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints.checkpoint import Checkpoint
from pigeonhole.inference.encoders.checkpoints.graphs import ImageGraph
from pigeonhole.inference.encoders.image_spec import ImageSpec
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(model_folders["image-tower"], tmp_path / "model")


@pytest.fixture
def out(artifacts: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(artifacts["image-tower"], tmp_path / "artifacts" / "model")


def test_an_export_lists_each_file_with_its_size_and_hash(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    artifact_info = export.export_model(source.find_model(str(folder)), tmp_path / "new")

    assert artifact.read_info(tmp_path / "new", check_hashes=True) == artifact_info
    assert set(artifact_info.files) == {
        "image.onnx",
        "image.bin",
        "text.onnx",
        "text.bin",
        "tokenizer.json",
        "background_photos.npy",
        "background_texts.npy",
        "generic_photos.npy",
        "hyponyms.json",
        "trained_classes.npy",
        "multilingual.onnx",
        "multilingual.bin",
        "multilingual_tokenizer.json",
        "background_multilingual.npy",
    }
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("kind", ["clip", "siglip", "dual-encoder", "image-tower"])
def test_graphs_take_any_number_of_rows(kind: str, artifacts: dict[str, Path]) -> None:
    for name in ("image.onnx", "text.onnx"):
        session = onnxruntime.InferenceSession(artifacts[kind] / name)
        shapes = [graph_input.shape for graph_input in session.get_inputs()]

        assert all(isinstance(shape[0], str) for shape in shapes)
        if name == "text.onnx" and kind != "clip":  # whose inputs aren't rows: test_token_tree.py
            assert all(shape[1] == 64 if kind == "siglip" else isinstance(shape[1], str) for shape in shapes)


@pytest.mark.parametrize("kind", ["clip", "siglip", "dual-encoder", "image-tower"])
def test_weights_are_beside_the_graphs_that_use_them(kind: str, artifacts: dict[str, Path]) -> None:
    import onnx

    for name in ("image.onnx", "text.onnx"):
        graph = onnx.load(artifacts[kind] / name, load_external_data=False).graph
        stored = [tensor for tensor in graph.initializer if tensor.external_data]
        inside = [tensor for tensor in graph.initializer if not tensor.external_data]

        locations = {entry.value for tensor in stored for entry in tensor.external_data if entry.key == "location"}
        assert locations == {artifact.weights_of(name)}
        assert all(tensor.ByteSize() < 2 * optimize.MIN_BYTES for tensor in inside)


def test_a_new_export_replaces_the_old_one(folder: Path, out: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")

    export.export_model(source.find_model(str(folder)), out)

    assert artifact.read_info(out).encoder.licence == "mit"
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failed_export_leaves_the_old_artifact_unchanged(
    failure: type[BaseException], folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(out)

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(export, "_export_text", fail)
    with pytest.raises(failure):
        export.export_model(source.find_model(str(folder)), out)

    assert contents(out) == before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_the_folder_of_a_killed_run_is_deleted(folder: Path, out: Path) -> None:
    left = out.parent / f".{out.name}.abc{export.PARTIAL}"
    left.mkdir()
    (left / "image.onnx").write_bytes(b"half")

    export.export_model(source.find_model(str(folder)), out)

    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("name", [artifact.IMAGE, artifact.MULTILINGUAL])
def test_the_padding_of_a_convolution_is_part_of_it(name: str, artifacts: dict[str, Path]) -> None:
    """By itself, it would take a third of the image tower's time: ONNX Runtime converts the layout before it and after it."""
    graph = onnx.load(artifacts["image-tower"] / name, load_external_data=False).graph
    operators = [node.op_type for node in graph.node]

    assert any("Conv" in operator for operator in operators)
    assert "Pad" not in operators


def test_a_folder_with_other_files_is_refused_and_left_unchanged(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")

    with pytest.raises(ModelUnavailable, match="is no model artifact: give another folder"):
        export.export_model(source.find_model(str(folder)), home)

    assert (home / "thesis.txt").read_text() == "years of work"


def test_a_graph_that_answers_otherwise_than_its_original_is_refused(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, honest = contents(out), export.export_image

    def darker(model: Checkpoint, path: Path) -> None:
        assert model.image is not None
        assert isinstance(model.facts.image, ImageSpec)
        dark = ImageGraph(model.image.features, replace(model.facts.image, mean=(0.9, 0.1, 0.9)))
        honest(replace(model, image=dark), path)

    monkeypatch.setattr(export, "export_image", darker)
    with pytest.raises(ModelUnavailable, match="cosine"):
        export.export_model(source.find_model(str(folder)), out)
    assert contents(out) == before


def test_only_a_calibration_of_this_revision_is_copied(folder: Path, out: Path) -> None:
    for revision, expected in (("another", None), (source.find_model(str(folder)).compute_revision(), 1)):
        (folder / "calibration.json").write_text(json.dumps({"revision": revision, "answer": 1}))
        export.export_model(source.find_model(str(folder)), out)

        calibration = registry.read_calibration(out)
        assert (calibration and calibration["answer"]) == expected


def test_exporting_leaves_torch_as_it_was(folder: Path, out: Path) -> None:
    export.export_model(source.find_model(str(folder)), out)

    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
