"""Loading what was prepared."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.tower_encoder import TowerEncoder
from support import small_models


def test_the_bundled_kind_loads_its_text_model_once(artifacts: dict[str, Path]) -> None:
    model = registry.load(artifacts["image-tower"])

    assert isinstance(model.encoder, TowerEncoder)
    assert isinstance(model.sentence, TowerEncoder)
    assert model.encoder.text is model.sentence.text
    assert not (artifacts["image-tower"] / "sentence.onnx").exists()


def test_other_kinds_bring_a_sentence_encoder_of_their_own(artifacts: dict[str, Path]) -> None:
    model = registry.load(artifacts["clip"])

    assert model.sentence.info.dim != model.encoder.info.dim
    assert model.sentence.encode_text(["cat"]).shape == (1, model.sentence.info.dim)


def test_a_sentence_encoder_takes_no_pictures(artifacts: dict[str, Path]) -> None:
    sentence = registry.load(artifacts["clip"]).sentence

    assert sentence.info.image_side == 0
    with pytest.raises(TypeError, match="texts only"):
        sentence.fit(Image.new("RGB", (4, 4)))


def test_a_calibration_comes_along(artifacts: dict[str, Path], tmp_path: Path) -> None:
    folder = small_models.copy_of(artifacts["clip"], tmp_path / "clip")

    assert registry.load(folder).calibration is None
    (folder / "calibration.json").write_text(json.dumps({"revision": "x", "pairs": {}}))
    assert registry.load(folder).calibration == {"revision": "x", "pairs": {}}


def test_threads_share_an_encoder(artifacts: dict[str, Path]) -> None:
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


def test_running_an_artifact_imports_no_torch(artifacts: dict[str, Path]) -> None:
    code = (
        "import sys; from pathlib import Path; from pigeonhole.inference.encoders import registry\n"
        f"registry.load(Path({str(artifacts['siglip2'])!r})).encoder.encode_text(['cat'])\n"
        "print([name for name in ('torch', 'transformers', 'onnx', 'huggingface_hub', 'safetensors') if name in sys.modules])"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_presets_name_where_they_come_from_and_under_which_licence() -> None:
    assert set(registry.PRESETS) == {"tiny", "clip-b32", "siglip2-b16"}
    assert all(preset.licence in ("MIT", "Apache-2.0") for preset in registry.PRESETS.values())
    assert registry.PRESETS["clip-b32"].source == "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert registry.PRESETS["siglip2-b16"].source == "google/siglip2-base-patch16-224"
