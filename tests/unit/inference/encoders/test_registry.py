"""Presets are listed, and a prepared model is loaded without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.tower_encoder import TowerEncoder
from support import small_models

pytestmark = pytest.mark.torch


def test_the_bundled_kind_loads_its_text_model_once(artifacts: dict[str, Path]) -> None:
    model = registry.load(artifacts["image-tower"])

    assert isinstance(model.encoder, TowerEncoder)
    assert isinstance(model.sentence, TowerEncoder)
    assert model.encoder.text is model.sentence.text
    assert not (artifacts["image-tower"] / "sentence.onnx").exists()


def test_other_kinds_have_a_separate_sentence_encoder(artifacts: dict[str, Path]) -> None:
    model = registry.load(artifacts["clip"])

    assert model.sentence.info.dim != model.encoder.info.dim
    assert model.sentence.encode_text(["cat"]).shape == (1, model.sentence.info.dim)


def test_a_calibration_is_loaded_with_the_model(artifacts: dict[str, Path], tmp_path: Path) -> None:
    folder = small_models.copy_model(artifacts["clip"], tmp_path / "clip")

    assert registry.load(folder).calibration is None
    (folder / "calibration.json").write_text(json.dumps({"revision": "x", "pairs": {}}))
    assert registry.load(folder).calibration == {"revision": "x", "pairs": {}}


def test_running_an_artifact_imports_no_torch(artifacts: dict[str, Path]) -> None:
    code = (
        "import sys; from pathlib import Path; from pigeonhole.inference.encoders import registry\n"
        f"registry.load(Path({str(artifacts['siglip2'])!r})).encoder.encode_text(['cat'])\n"
        "print([name for name in ('torch', 'transformers', 'onnx', 'huggingface_hub', 'safetensors') if name in sys.modules])"
    )

    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert process.stdout.strip() == "[]"


def test_presets_have_a_source_and_a_licence() -> None:
    assert set(registry.PRESETS) == {"tiny", "clip-b32", "siglip2-b16"}
    assert all(preset.licence in ("MIT", "Apache-2.0") for preset in registry.PRESETS.values())
    assert registry.PRESETS["clip-b32"].source == "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert registry.PRESETS["siglip2-b16"].source == "google/siglip2-base-patch16-224"


def test_presets_of_text_models_are_pinned_to_a_revision() -> None:
    downloaded = [preset for preset in registry.SENTENCE_PRESETS.values() if preset.name != registry.BUNDLED_SENTENCE]

    assert {preset.source for preset in downloaded} >= {"BAAI/bge-small-en-v1.5", "intfloat/multilingual-e5-small"}
    assert all(re.fullmatch("[0-9a-f]{40}", preset.revision or "") for preset in downloaded)
    assert all(preset.licence in ("MIT", "Apache-2.0") for preset in downloaded)
