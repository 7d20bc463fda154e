"""ONNX Runtime embeds texts and images as torch does, for every kind of model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

pytestmark = pytest.mark.torch

KINDS = ("clip", "clip-legacy", "siglip", "siglip2", "dual-encoder", "image-tower")
TEXTS = list(small_models.texts())

Rows = npt.NDArray[np.float32]


def cosines(first: Rows, second: Rows) -> Rows:
    return np.asarray((first * second).sum(axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_embeds_texts_as_torch_does(kind: str, in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel]) -> None:
    for exported, reference in (
        (in_onnx[kind].encoder, in_torch[kind].encoder),
        (in_onnx[kind].sentence, in_torch[kind].sentence),
    ):
        assert cosines(exported.encode_text(TEXTS), reference.encode_text(TEXTS)).min() >= 0.9999


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_embeds_images_as_torch_does(
    kind: str,
    in_onnx: dict[str, LoadedModel],
    in_torch: dict[str, LoadedModel],
    crops: dict[str, npt.NDArray[np.uint8]],
) -> None:
    exported, reference = in_onnx[kind].encoder, in_torch[kind].encoder

    assert cosines(exported.encode_image(crops[kind]), reference.encode_image(crops[kind])).min() >= 0.9999
    assert cosines(exported.encode_image(crops[kind][:1]), reference.encode_image(crops[kind][:1])).min() >= 0.9999


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
def test_an_embedding_does_not_depend_on_the_other_inputs(
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


@pytest.mark.parametrize("kind", KINDS)
def test_no_texts_and_no_images_give_no_rows(kind: str, in_onnx: dict[str, LoadedModel]) -> None:
    encoder = in_onnx[kind].encoder
    side = encoder.info.image_side

    assert encoder.encode_text([]).shape == (0, encoder.info.dim)
    assert encoder.encode_image(np.zeros((0, side, side, 3), dtype=np.uint8)).shape == (0, encoder.info.dim)
    assert encoder.count_tokens([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_describe_the_model_equally(
    kind: str, in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel]
) -> None:
    exported, reference = in_onnx[kind].encoder.info, in_torch[kind].encoder.info

    assert (exported.engine, reference.engine) == ("onnxruntime", "torch")
    assert {**vars(exported), "engine": ""} == {**vars(reference), "engine": ""}
    assert exported.image_patches == (1 if kind == "image-tower" else 16)


def test_concurrent_threads_share_an_encoder(artifacts: dict[str, Path]) -> None:
    encoder = registry.load(artifacts["clip"]).encoder
    texts = [f"a photo of {count} cats" for count in range(40)]
    expected = encoder.encode_text(texts)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: encoder.encode_text(texts), range(8)))

    assert all(np.array_equal(answer, expected) for answer in answers)


def test_pixels_may_be_a_view(artifacts: dict[str, Path]) -> None:
    encoder = registry.load(artifacts["clip"]).encoder
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)

    np.testing.assert_allclose(encoder.encode_image(pixels[::2]), encoder.encode_image(pixels)[::2], atol=1e-6)
