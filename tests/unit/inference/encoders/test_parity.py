"""ONNX against torch, and torch against transformers itself, for every kind of model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, Siglip2Tokenizer

from pigeonhole.inference.encoders import registry, source, torch_encoder
from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

KINDS = ("clip", "clip-legacy", "siglip", "siglip2", "dual-encoder", "image-tower")
TRANSFORMERS_KINDS = KINDS[:-1]
TEXTS = list(small_models.texts())

Rows = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def in_onnx(artifacts: dict[str, Path]) -> dict[str, LoadedModel]:
    return {name: registry.load(folder, threads=1) for name, folder in artifacts.items()}


@pytest.fixture(scope="module")
def in_torch(model_folders: dict[str, Path], sentence_model: Path) -> dict[str, LoadedModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "sentence_folder", lambda: sentence_model)
        return {name: torch_encoder.load(str(folder)) for name, folder in model_folders.items()}


@pytest.fixture(scope="module")
def crops(photos: dict[str, Image.Image], in_torch: dict[str, LoadedModel]) -> dict[str, npt.NDArray[np.uint8]]:
    return {name: np.stack([model.encoder.fit(photo) for photo in photos.values()]) for name, model in in_torch.items()}


def cosines(one: Rows, other: Rows) -> Rows:
    return np.asarray((one * other).sum(axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_embeds_texts_as_torch_does(kind: str, in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel]) -> None:
    for made, reference in ((in_onnx[kind].encoder, in_torch[kind].encoder), (in_onnx[kind].sentence, in_torch[kind].sentence)):
        assert cosines(made.encode_text(TEXTS), reference.encode_text(TEXTS)).min() >= 0.9999


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_embeds_pictures_as_torch_does(
    kind: str,
    in_onnx: dict[str, LoadedModel],
    in_torch: dict[str, LoadedModel],
    crops: dict[str, npt.NDArray[np.uint8]],
) -> None:
    made, reference = in_onnx[kind].encoder, in_torch[kind].encoder

    assert cosines(made.encode_image(crops[kind]), reference.encode_image(crops[kind])).min() >= 0.9999
    assert cosines(made.encode_image(crops[kind][:1]), reference.encode_image(crops[kind][:1])).min() >= 0.9999


@pytest.mark.parametrize("kind", KINDS)
def test_random_models_tell_inputs_apart(
    kind: str, in_torch: dict[str, LoadedModel], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    """Else every parity test above would hold for a model that ignores its input."""
    texts, images = in_torch[kind].encoder.encode_text(TEXTS), in_torch[kind].encoder.encode_image(crops[kind])

    for rows in (texts, images):
        assert np.median((rows @ rows.T)[~np.eye(len(rows), dtype=bool)]) < 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_unit_rows_of_float32(
    kind: str, in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    for model in (in_onnx[kind], in_torch[kind]):
        for rows in (model.encoder.encode_text(TEXTS), model.encoder.encode_image(crops[kind])):
            assert rows.dtype == np.float32
            assert rows.shape[1] == model.encoder.info.dim
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_the_same_alone_and_in_company(
    kind: str, in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    for model in (in_onnx[kind], in_torch[kind]):
        for encoder in (model.encoder, model.sentence):
            alone = np.concatenate([encoder.encode_text([text]) for text in TEXTS])
            np.testing.assert_allclose(encoder.encode_text(TEXTS), alone, atol=1e-5)
            np.testing.assert_allclose(encoder.encode_text([*TEXTS, *TEXTS * 9])[: len(TEXTS)], alone, atol=1e-5)
        images = crops[kind]
        alone = np.concatenate([model.encoder.encode_image(images[row : row + 1]) for row in range(len(images))])
        np.testing.assert_allclose(model.encoder.encode_image(images), alone, atol=1e-5)


def test_the_bundled_kind_embeds_a_picture_and_its_mirror_image_alike(
    in_onnx: dict[str, LoadedModel], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    encoder, pictures = in_onnx["image-tower"].encoder, crops["image-tower"]

    np.testing.assert_allclose(encoder.encode_image(pictures[:, :, ::-1]), encoder.encode_image(pictures), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_texts_and_no_pictures_give_no_rows(kind: str, in_onnx: dict[str, LoadedModel]) -> None:
    encoder = in_onnx[kind].encoder
    side = encoder.info.image_side

    assert encoder.encode_text([]).shape == (0, encoder.info.dim)
    assert encoder.encode_image(np.zeros((0, side, side, 3), dtype=np.uint8)).shape == (0, encoder.info.dim)
    assert encoder.count_tokens([]) == []


@pytest.mark.parametrize("kind", ["clip", "clip-legacy", "dual-encoder"])
def test_torch_embeds_texts_as_transformers_does(
    kind: str, in_torch: dict[str, LoadedModel], model_folders: dict[str, Path]
) -> None:
    model = AutoModel.from_pretrained(model_folders[kind])
    tokenizer = AutoTokenizer.from_pretrained(model_folders[kind])

    batch = tokenizer(TEXTS, padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        reference = model.get_text_features(batch.input_ids, attention_mask=batch.attention_mask).pooler_output

    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    np.testing.assert_allclose(in_torch[kind].encoder.encode_text(TEXTS), expected, atol=1e-5)


def test_siglip2_reads_texts_as_its_training_did(in_torch: dict[str, LoadedModel], model_folders: dict[str, Path]) -> None:
    """Lower case, an end, padded on the right to 64, no mask: transformers' tokenizer for it, told which side."""
    model = AutoModel.from_pretrained(model_folders["siglip2"])
    tokenizer = Siglip2Tokenizer.from_pretrained(model_folders["siglip2"], padding_side="right", add_eos_token=True)

    batch = tokenizer(TEXTS, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        reference = model.get_text_features(batch.input_ids).pooler_output

    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    np.testing.assert_allclose(in_torch["siglip2"].encoder.encode_text(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("kind", TRANSFORMERS_KINDS)
def test_torch_embeds_pictures_as_transformers_does(
    kind: str, in_torch: dict[str, LoadedModel], model_folders: dict[str, Path], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    model = AutoModel.from_pretrained(model_folders[kind])
    processor = AutoImageProcessor.from_pretrained(model_folders[kind], backend="pil")

    batch = processor(images=[Image.fromarray(crop) for crop in crops[kind]], return_tensors="pt")
    with torch.inference_mode():
        reference = model.get_image_features(pixel_values=batch.pixel_values).pooler_output

    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    np.testing.assert_allclose(in_torch[kind].encoder.encode_image(crops[kind]), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "scale", "bias", "activation"),
    [
        ("clip", np.exp(3.5), 0.0, "softmax"),
        ("siglip", np.exp(4.7), -16.5, "sigmoid"),
        ("siglip2", np.exp(4.7), -16.5, "sigmoid"),
        ("dual-encoder", np.exp(2.6592), 0.0, "softmax"),
        ("image-tower", 31.5, 0.0, "softmax"),
    ],
)
def test_logits_are_the_models_own(
    kind: str,
    scale: float,
    bias: float,
    activation: str,
    in_onnx: dict[str, LoadedModel],
    in_torch: dict[str, LoadedModel],
) -> None:
    for model in (in_onnx[kind], in_torch[kind]):
        info = model.encoder.info
        assert info.logit_scale == pytest.approx(scale, rel=1e-5)
        assert (info.logit_bias, info.activation) == (bias, activation)


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_describe_the_model_alike(
    kind: str, in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel]
) -> None:
    made, reference = in_onnx[kind].encoder.info, in_torch[kind].encoder.info

    assert (made.engine, reference.engine) == ("onnxruntime", "torch")
    assert {**vars(made), "engine": ""} == {**vars(reference), "engine": ""}
    assert made.image_patches == (1 if kind == "image-tower" else 16)
