"""A model is opened with the facts of its files, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.encoders import export, source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]


@pytest.fixture
def folder(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(model_folders["image-tower"], tmp_path / "model")


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
def test_scale_and_bias_of_logits_are_those_of_the_model(
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


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({"model_type": "siglip2"}, "NaFlex"), ({"model_type": "nothing-known"}, "can't be opened"), ({}, "can't be opened")],
)
def test_a_model_of_another_kind_is_refused(settings: dict[str, str], fault: str, folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text(json.dumps(settings))

    with pytest.raises(ModelUnavailable, match=fault) as caught:
        export.export_model(source.find_model(str(folder)), tmp_path / "artifact")
    assert "\n" not in str(caught.value)


def test_a_model_without_an_image_side_is_refused(small_sentence: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="is a bert, not a CLIP, SigLIP or vision-text dual encoder"):
        export.export_model(source.find_model(str(small_sentence)), tmp_path / "artifact")
