"""The torch engine embeds texts and images as transformers does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, Siglip2Tokenizer

from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

pytestmark = pytest.mark.torch

KINDS = ("clip", "clip-legacy", "siglip", "siglip2", "dual-encoder")
TEXTS = list(small_models.texts())


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
    """SigLIP 2 was trained on lower case, an end token, padding on the right to 64 tokens, and no mask."""
    model = AutoModel.from_pretrained(model_folders["siglip2"])
    tokenizer = Siglip2Tokenizer.from_pretrained(model_folders["siglip2"], padding_side="right", add_eos_token=True)

    batch = tokenizer(TEXTS, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        reference = model.get_text_features(batch.input_ids).pooler_output

    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    np.testing.assert_allclose(in_torch["siglip2"].encoder.encode_text(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_torch_embeds_images_as_transformers_does(
    kind: str, in_torch: dict[str, LoadedModel], model_folders: dict[str, Path], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    model = AutoModel.from_pretrained(model_folders[kind])
    processor = AutoImageProcessor.from_pretrained(model_folders[kind], backend="pil")

    batch = processor(images=[Image.fromarray(crop) for crop in crops[kind]], return_tensors="pt")
    with torch.inference_mode():
        reference = model.get_image_features(pixel_values=batch.pixel_values).pooler_output

    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    np.testing.assert_allclose(in_torch[kind].encoder.encode_image(crops[kind]), expected, atol=2e-5)
