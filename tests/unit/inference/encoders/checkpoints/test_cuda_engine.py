"""The GPU worker's engine gives the artifact's answers up to rounding. Its arithmetic is tested on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import cuda_engine
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import parse_calibration
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]

KINDS = ("clip", "siglip", "dual-encoder", "image-tower")
TEXTS = list(small_models.texts())
LABELS = [LabelClass(name=name, texts=(name,), images=()) for name in ("cat", "rocket", "sofa")]


def load(kind: str, model_folders: dict[str, Path], artifacts: dict[str, Path], dtype: torch.dtype) -> LoadedModel:
    folder = str(model_folders[kind])
    return cuda_engine.load_on(torch.device("cpu"), dtype, artifacts[kind], folder, registry.BUNDLED_SENTENCE)


def classify(model: LoadedModel, pixels: npt.NDArray[np.uint8]) -> ClassifierResult:
    classifier = Classifier(
        encoder=model.encoder,
        sentence=model.sentence,
        calibration=parse_calibration(model.calibration, model.encoder.info, model.sentence.info),
        background=model.background,
        multilingual=model.multilingual,
    )
    return classifier.classify_images([image[None] for image in pixels], LABELS, Options(), {})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_probability_in_half_precision_is_that_of_the_artifact(
    kind: str,
    dtype: torch.dtype,
    model_folders: dict[str, Path],
    artifacts: dict[str, Path],
    in_onnx: dict[str, LoadedModel],
    crops: dict[str, npt.NDArray[np.uint8]],
) -> None:
    half = classify(load(kind, model_folders, artifacts, dtype), crops[kind])
    full = classify(in_onnx[kind], crops[kind])

    found, expected = (
        np.array([[{label.index: label.probability for label in row}[k] for k in range(len(LABELS))] for row in result.ranked])
        for result in (half, full)
    )
    assert np.abs(found - expected).max() < 1e-2
    assert not np.array_equal(found, expected), "the tower runs in half precision"


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_embedded_in_full_precision(
    kind: str, model_folders: dict[str, Path], artifacts: dict[str, Path], in_onnx: dict[str, LoadedModel]
) -> None:
    model = load(kind, model_folders, artifacts, torch.bfloat16)

    np.testing.assert_allclose(model.encoder.encode_text(TEXTS), in_onnx[kind].encoder.encode_text(TEXTS), atol=1e-5)


def test_the_model_is_the_artifacts_with_another_engine(
    model_folders: dict[str, Path], artifacts: dict[str, Path], in_onnx: dict[str, LoadedModel]
) -> None:
    model = load("clip", model_folders, artifacts, torch.bfloat16)

    assert model.encoder.info.engine == cuda_engine.ENGINE
    assert model.encoder.info.revision == in_onnx["clip"].encoder.info.revision
    assert model.calibration == in_onnx["clip"].calibration
    np.testing.assert_array_equal(model.background.photos, in_onnx["clip"].background.photos)


def test_no_image_gives_no_embedding(model_folders: dict[str, Path], artifacts: dict[str, Path]) -> None:
    encoder = load("clip", model_folders, artifacts, torch.bfloat16).encoder
    side = encoder.info.image_side

    assert encoder.encode_image(np.zeros((0, side, side, 3), np.uint8)).shape == (0, encoder.info.dim)


def test_an_embedding_does_not_change_what_was_passed(
    model_folders: dict[str, Path], artifacts: dict[str, Path], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    encoder = load("clip", model_folders, artifacts, torch.bfloat16).encoder
    pixels = crops["clip"].copy()
    pixels.flags.writeable = False  # as the decode pool gives them

    encoder.encode_image(pixels)

    np.testing.assert_array_equal(pixels, crops["clip"])


def test_a_checkpoint_of_another_artifact_is_refused(model_folders: dict[str, Path], artifacts: dict[str, Path]) -> None:
    with pytest.raises(ModelUnavailable, match="isn't the one that the artifact was made from"):
        cuda_engine.load_on(
            torch.device("cpu"), torch.bfloat16, artifacts["clip"], str(model_folders["siglip"]), registry.BUNDLED_SENTENCE
        )


def test_without_a_cuda_device_the_checkpoint_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(ModelUnavailable, match="no CUDA device"):
        cuda_engine.load(tmp_path, "tiny", registry.BUNDLED_SENTENCE)


@pytest.mark.parametrize(("is_supported", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_card_without_bfloat16_computes_in_float16(
    is_supported: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: is_supported)

    assert cuda_engine.best_dtype() is dtype


@pytest.mark.parametrize(
    ("free_bytes", "image_bytes", "batch"),
    [(22e9, 10e6, 256), (22e9, 50e6, 110), (1e9, 50e6, 5), (1e6, 50e6, 1)],
)
def test_a_batch_fits_the_free_memory_of_the_card(free_bytes: float, image_bytes: float, batch: int) -> None:
    assert cuda_engine.to_batch(free_bytes, image_bytes) == batch
