"""An image tower in int8 is used only where it is close to the one in float32, and an answer never depends on its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pigeonhole.inference.encoders import artifact, export, onnx_encoder, quantize, registry, source
from pigeonhole.inference.encoders.artifact import IMAGE, ArtifactInfo, Int8Parity, ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]


# Random weights give photos near ties between concepts, and processors round differently: one photo of 96 may go either way.
SAME_LABEL_OF_RANDOM_WEIGHTS = 0.95


@pytest.fixture
def random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MIN_INT8_SAME_LABEL", SAME_LABEL_OF_RANDOM_WEIGHTS)


@pytest.fixture(scope="module")
def int8(
    model_folders: dict[str, Path], sentence_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ArtifactInfo]:
    """Return the artifact of a small CLIP with an image tower in int8."""
    from pigeonhole.inference.encoders import packages

    out = tmp_path_factory.mktemp("int8") / "clip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "sentence_folder", lambda: sentence_model)
        patch.setattr(artifact, "MIN_INT8_SAME_LABEL", SAME_LABEL_OF_RANDOM_WEIGHTS)
        return out, export.export_model(source.find_model(str(model_folders["clip"])), out, precision="int8")


def test_int8_is_close_to_float32(
    int8: tuple[Path, ArtifactInfo], artifacts: dict[str, Path], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    folder, artifact_info = int8

    quantized, exact = (registry.load(path).encoder.encode_image(crops["clip"]) for path in (folder, artifacts["clip"]))

    assert artifact_info == artifact.read_info(folder, check_hashes=True)
    assert artifact_info.precision == "int8"
    assert registry.load(folder).encoder.info.engine == "onnxruntime-int8"
    assert not np.array_equal(quantized, exact)
    assert (quantized * exact).sum(axis=1).mean() >= artifact.MIN_INT8_COSINE


def test_the_weights_of_the_image_tower_are_bytes(int8: tuple[Path, ArtifactInfo], artifacts: dict[str, Path]) -> None:
    import onnx

    (folder, _), exact = int8, artifacts["clip"]

    def types_of_matrices(path: Path) -> set[int]:
        """Return the types of the matrices. In both towers, the position embeddings are float32."""
        return {tensor.data_type for tensor in onnx.load(path / IMAGE).graph.initializer if len(tensor.dims) == 2}

    assert types_of_matrices(exact) == {onnx.TensorProto.FLOAT}
    assert onnx.TensorProto.INT8 in types_of_matrices(folder)


def test_an_answer_does_not_depend_on_its_batch(
    int8: tuple[Path, ArtifactInfo], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    encoder = registry.load(int8[0]).encoder

    alone = np.concatenate([encoder.encode_image(crop[None]) for crop in crops["clip"]])

    assert np.allclose(encoder.encode_image(crops["clip"]), alone, atol=1e-5)


def test_float32_stays_where_int8_differs_too_much(
    model_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "measure_parity", lambda *_: Int8Parity(cosine=0.97, same_label=1.0))
    out = tmp_path / "clip"

    artifact_info, _ = prepare(str(model_folders["clip"]), out, precision="int8")

    assert (artifact_info.precision, artifact_info.int8_parity) == ("fp32", Int8Parity(cosine=0.97, same_label=1.0))
    assert artifact.read_info(out, check_hashes=True) == artifact_info
    # The trial isn't made again.
    assert not prepare(str(model_folders["clip"]), out, precision="int8")[1]


def test_a_graph_that_cannot_be_quantized_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / IMAGE).write_bytes(b"no graph")

    with pytest.raises(ModelUnavailable, match=r"can't be quantized .*: use --precision fp32"):
        quantize.quantize(tmp_path / IMAGE, tmp_path / "out.onnx", np.zeros((8, 4, 4, 3), dtype=np.uint8))


@pytest.mark.parametrize(("cosine", "same_label", "holds"), [(0.98, 0.98, True), (0.979, 1, False), (1, 0.979, False)])
def test_parity_needs_the_cosine_and_the_labels(cosine: float, same_label: float, holds: bool) -> None:
    assert Int8Parity(cosine=cosine, same_label=same_label).holds is holds


@pytest.mark.usefixtures("random_weights")
def test_another_precision_makes_the_artifact_again(model_folders: dict[str, Path], tmp_path: Path) -> None:
    name, out = str(model_folders["clip"]), tmp_path / "clip"
    prepare(name, out, precision="fp32")

    assert not prepare(name, out)[1]  # no precision is named
    assert prepare(name, out, precision="int8")[0].precision == "int8"
    assert not prepare(name, out)[1]
    assert prepare(name, out, precision="fp32")[0].precision == "fp32"


@pytest.mark.usefixtures("random_weights")
def test_photos_ask_for_a_calibration_of_their_own(
    model_folders: dict[str, Path], photos: dict[str, Image.Image], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for name, photo in photos.items():
        photo.save(tmp_path / "photos" / f"{name}.png")
    name, out = str(model_folders["clip"]), tmp_path / "clip"
    before, _ = prepare(name, out)

    after, is_new = prepare(name, out, photos=tmp_path / "photos")

    assert is_new
    assert after.files[IMAGE] != before.files[IMAGE]


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize(("kind", "precision"), [("clip", "int8"), ("image-tower", "fp32")])
def test_each_kind_has_a_default(kind: str, precision: str, model_folders: dict[str, Path], tmp_path: Path) -> None:
    artifact_info, _ = prepare(str(model_folders[kind]), tmp_path / kind)

    assert artifact_info.precision == precision
    assert (artifact_info.int8_parity is not None) == (precision == "int8")


def test_no_photo_is_both_in_the_calibration_and_in_the_check(artifacts: dict[str, Path], tmp_path: Path) -> None:
    for index in range(6):
        Image.new("RGB", (80, 60), (40 * index, 0, 0)).save(tmp_path / f"{index}.png")
    spec = artifact.read_info(artifacts["clip"]).encoder.image
    assert spec is not None

    calibration, checked = quantize.open_crops(tmp_path, spec)

    assert set(calibration[..., 0].flat) == {0, 40, 120, 160}
    assert set(checked[..., 0].flat) == {80, 200}
    assert (len(calibration), len(checked)) == (quantize.CALIBRATION_CROPS, quantize.CHECKED_CROPS)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has 0 photos (JPEG, PNG, WebP): give a folder with at least 3"),
        (dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), b"no photo"), "a.jpg can't be read"),
    ],
)
def test_unusable_photos_are_named(files: dict[str, bytes], message: str, artifacts: dict[str, Path], tmp_path: Path) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    spec = artifact.read_info(artifacts["clip"]).encoder.image
    assert spec is not None

    with pytest.raises(ModelUnavailable) as raised:
        quantize.open_crops(tmp_path, spec)

    assert message in str(raised.value)


def test_a_graph_of_another_model_is_refused(artifacts: dict[str, Path]) -> None:
    facts = artifact.read_info(artifacts["clip"]).encoder.model_copy(update={"image": None})

    with pytest.raises(ModelUnavailable, match="describes no images"):
        onnx_encoder.load_image_tower(artifacts["clip"] / IMAGE, facts)
