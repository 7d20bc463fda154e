"""The bundled kind of image tower is the sum of its parts, or is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file

from pigeonhole.inference.encoders import registry, source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import checkpoint, efficientnet, torch_encoder
from pigeonhole.inference.encoders.prepare import prepare
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]

Rows = npt.NDArray[np.float64]


@pytest.fixture
def folder(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(model_folders["image-tower"], tmp_path / "model")


@pytest.fixture
def images(crops: dict[str, npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    return crops["image-tower"]


def embed(folder: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    opened, _ = checkpoint.open_models(source.find_model(str(folder)))
    return torch_encoder.to_encoder(opened).encode_image(images)


def edit(folder: Path, **settings: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | settings
    (folder / "config.json").write_text(json.dumps(config))


def unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def gelu(values: Rows) -> Rows:
    return np.asarray(torch.nn.functional.gelu(torch.from_numpy(values)).numpy())


def features_and_logits(path: Path, images: npt.NDArray[np.uint8]) -> tuple[Rows, Rows]:
    backbone = efficientnet.load(path)
    values = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - torch.tensor([0.4, 0.45, 0.35]).view(3, 1, 1)) / 0.25
    with torch.inference_mode():
        features = backbone.features(values)
        return features.double().numpy(), backbone.logits(features).double().numpy()


def test_an_embedding_is_the_weighted_sum_of_its_parts(
    folder: Path, images: npt.NDArray[np.uint8], small_backbone: Path
) -> None:
    tensors = {name: tensor.double().numpy() for name, tensor in small_models.load_weights(folder).items()}
    features, logits = features_and_logits(small_backbone, images)
    centred = features - tensors["feature_mean"]
    hidden = gelu(centred / tensors["feature_scale"] @ tensors["adapter.in.weight"].T + tensors["adapter.in.bias"])
    shares = np.exp((logits + hidden @ tensors["adapter.out.weight"].T + tensors["adapter.out.bias"]) / 2)
    for row in shares:
        row[np.argsort(row)[:-5]] = 0
    classes = unit((shares / shares.sum(axis=1, keepdims=True)) @ tensors["class_embeddings"])
    regression = unit(centred @ tensors["regression"])

    expected = classes + 0.5 * regression + 0.8 * centred @ tensors["correction"]

    np.testing.assert_allclose(embed(folder, images), unit(expected), atol=1e-5)


def test_a_tower_may_have_fewer_parts(folder: Path, images: npt.NDArray[np.uint8], small_backbone: Path) -> None:
    tensors = small_models.load_weights(folder)
    kept = {name: tensors[name] for name in ("feature_mean", "regression")}
    save_file(kept, folder / "model.safetensors")
    edit(folder, weights={"regression": 2.0})
    features, _ = features_and_logits(small_backbone, images)

    expected = unit((features - kept["feature_mean"].double().numpy()) @ kept["regression"].double().numpy())

    np.testing.assert_allclose(embed(folder, images), expected, atol=1e-5)


def test_the_logits_need_no_adapter(folder: Path, images: npt.NDArray[np.uint8], small_backbone: Path) -> None:
    tensors = small_models.load_weights(folder)
    save_file({name: tensor for name, tensor in tensors.items() if "adapter" not in name}, folder / "model.safetensors")
    edit(folder, weights={"classes": 1.0}, best_classes=1)
    _, logits = features_and_logits(small_backbone, images)

    expected = unit(tensors["class_embeddings"].double().numpy()[logits.argmax(axis=1)])

    np.testing.assert_allclose(embed(folder, images), expected, atol=1e-5)


def test_an_embedding_does_not_depend_on_the_other_images(artifacts: dict[str, Path], images: npt.NDArray[np.uint8]) -> None:
    encoder = registry.load(artifacts["image-tower"]).encoder

    alone = np.concatenate([encoder.encode_image(images[row : row + 1]) for row in range(len(images))])

    np.testing.assert_allclose(encoder.encode_image(images), alone, atol=1e-6)


def test_the_artifact_has_hyponyms_and_generic_photos(folder: Path, artifacts: dict[str, Path], tmp_path: Path) -> None:
    background = registry.load(artifacts["image-tower"]).background
    tensors = small_models.load_weights(folder)

    assert background.hyponyms is not None
    np.testing.assert_array_equal(background.hyponyms.classes, tensors["class_embeddings"].float().numpy())
    assert background.hyponyms.find(["animal"]) == [0, 2, 3]
    assert background.generic_photos is not None
    np.testing.assert_allclose(background.generic_photos, unit(tensors["generic_photos"].double().numpy()), atol=1e-6)


def test_a_tower_without_hyponyms_or_generic_photos_is_complete(folder: Path, tmp_path: Path) -> None:
    (folder / "hyponyms.json").unlink()
    tensors = small_models.load_weights(folder)
    save_file({name: tensor for name, tensor in tensors.items() if name != "generic_photos"}, folder / "model.safetensors")
    prepare(str(folder), tmp_path / "artifact")

    background = registry.load(tmp_path / "artifact").background
    assert background.hyponyms is None
    assert background.generic_photos is None


def test_a_tower_without_classes_has_no_hyponyms(folder: Path, tmp_path: Path) -> None:
    edit(folder, weights={"regression": 1.0})
    prepare(str(folder), tmp_path / "artifact")

    assert registry.load(tmp_path / "artifact").background.hyponyms is None


def test_hyponyms_of_other_classes_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "hyponyms.json").write_text('{"animal": [1000]}')

    with pytest.raises(ModelUnavailable, match=r"hyponyms\.json.*animal"):
        prepare(str(folder), tmp_path / "artifact")


def test_other_hyponyms_make_another_revision(folder: Path) -> None:
    revision = source.find_model(str(folder)).compute_revision()
    (folder / "hyponyms.json").write_text('{"animal": [1]}')

    assert source.find_model(str(folder)).compute_revision() != revision


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"weights": {"classes": 1.0, "tail": 1.0}}, "`weights` must name some of the parts classes, regression, correction"),
        ({"weights": {}}, "`weights` must name some of the parts"),
        ({"weights": "all"}, r"weights don't fit its config\.json"),
        ({"class_temperature": "high"}, r"weights don't fit its config\.json"),
        ({"best_classes": 21}, r"weights don't fit its config\.json"),
        ({"backbone": "resnet"}, r"unknown backbone: config\.json must name efficientnet-lite0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], fault: str, folder: Path) -> None:
    edit(folder, **settings)

    with pytest.raises(ModelUnavailable, match=fault):
        checkpoint.open_models(source.find_model(str(folder)))


@pytest.mark.parametrize(
    "name", ["class_embeddings", "feature_mean", "feature_scale", "regression", "correction", "adapter.out.bias"]
)
@pytest.mark.parametrize("shape", [None, (3, 5)])
def test_weights_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...] | None, folder: Path) -> None:
    tensors = small_models.load_weights(folder)
    del tensors[name]
    save_file(tensors | ({name: torch.zeros(shape)} if shape else {}), folder / "model.safetensors")

    with pytest.raises(ModelUnavailable, match=r"weights don't fit its config\.json"):
        checkpoint.open_models(source.find_model(str(folder)))


def test_embeddings_of_another_length_than_those_of_texts_are_refused(tmp_path: Path) -> None:
    small_models.image_tower(tmp_path, dim=48)

    with pytest.raises(ModelUnavailable, match="another length than those of the sentence encoder"):
        checkpoint.open_models(source.find_model(str(tmp_path)))
