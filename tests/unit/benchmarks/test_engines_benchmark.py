"""benchmarks/engines.py with a very small model: the engines take turns, and int8 is compared with float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPConfig

import engines

pytestmark = pytest.mark.torch

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 24}
TEXT = {**TOWER, "vocab_size": 1000, "bos_token_id": 0, "eos_token_id": 1}
CONFIG = CLIPConfig(text_config=TEXT, vision_config={**TOWER, "image_size": 64, "patch_size": 16}, projection_dim=24)


def test_the_whole_program_measures_the_engines_that_are_installed(tmp_path: Path) -> None:
    opened, photos = engines.open_engines(CONFIG, tmp_path)
    rows = engines.measure(opened, photos, rounds=2, batches=(1, 3))

    assert [row.engine for row in rows][:2] == ["ONNX Runtime, fp32", "ONNX Runtime, int8 with 7-bit weights"]
    exact, int8, *_ = rows
    assert exact.cosine == pytest.approx(1)
    assert 0.98 < int8.cosine < 1
    assert all(len(rounds) == 2 and min(rounds) > 0 for row in rows for rounds in row.images_per_s)


def test_a_row_has_medians_with_the_range_of_the_rounds() -> None:
    table = engines.table([engines.Row("some engine", [[8.0, 10.0, 30.0]], 0.99876)], batches=(1,))

    assert table.splitlines()[-1] == "| some engine | 10.0 (8.0 to 30.0) | 0.9988 |"


def test_all_engines_encode_the_same_photos() -> None:
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def encoder(name: str) -> engines.Encode:
        def encode(pixels: engines.Pixels) -> engines.Embeddings:
            seen[name].append(len(pixels))
            return np.ones((len(pixels), 1), dtype=np.float32)

        return encode

    engines.measure({name: encoder(name) for name in seen}, np.zeros((9, 1, 1, 3), np.uint8), rounds=1, batches=(1, 4))

    assert seen["a"] == seen["b"]
    assert sum(seen["a"]) == 2 * 2 * 4 + 4  # two rounds of two batch sizes, and the cosine
