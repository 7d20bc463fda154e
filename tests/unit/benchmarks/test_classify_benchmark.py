"""benchmarks/classify.py with a very small model: both sides classify the same photos, and the table has the figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPConfig, CLIPTokenizer

import classify

pytestmark = pytest.mark.torch

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 24}
# The benchmark replaces the ids of the first and the last token when it has trained its tokenizer.
TEXT = {**TOWER, "vocab_size": 1000, "bos_token_id": 0, "eos_token_id": 1}


def test_both_sides_classify_the_same_photos_and_agree_on_the_best_label() -> None:
    vision = {**TOWER, "image_size": 64, "patch_size": 16}
    config = CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=24)

    rows = classify.measure(config, cores=1, rounds=1, counts=(1, 5))

    assert [(row.photos, row.labels) for row in rows] == [(1, "new"), (1, "cached"), (5, "new"), (5, "cached")]
    assert all(row.same_label == row.photos for row in rows)
    assert all(min(*row.pipeline_s, *row.one_batch_s, *row.pigeonhole_s) > 0 for row in rows)


def test_the_random_model_is_the_same_each_time(tmp_path: Path) -> None:
    prompts = [classify.TEMPLATE.format(label) for label in classify.LABELS]
    tokens_and_weights = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        classify.write_random_clip(CLIPConfig(text_config=TEXT, vision_config=TOWER, projection_dim=24), tmp_path / name)
        tokens = CLIPTokenizer.from_pretrained(tmp_path / name)(prompts)["input_ids"]
        tokens_and_weights.append((tokens, (tmp_path / name / "model.safetensors").read_bytes()))

    assert tokens_and_weights[0] == tokens_and_weights[1] == tokens_and_weights[2]
    tokens, _ = tokens_and_weights[0]
    assert len(tokens[0]) == 6 + 2, "a token for each word of `a photo of a cat .`, and two around them"


def test_the_table_gives_images_per_second_and_ratios() -> None:
    row = classify.Row(
        photos=32, labels="new", pipeline_s=(16, 16, 8), one_batch_s=(4, 8, 4), pigeonhole_s=(2, 2, 4), same_label=31
    )

    lines = classify.table([row]).splitlines()

    assert lines[-1] == "| 32 | new | 2.0 | 8.0 | 16.0 | 8.0 x (2.0 to 8.0) | 2.0 x (1.0 to 4.0) | 31 of 32 |"
    assert len({line.count("|") for line in lines}) == 1


def test_photos_are_real_jpeg_files() -> None:
    files = classify.create_photos(9)

    assert len(files) == 9
    assert len(set(files)) == 7
    assert all(data[:2] == b"\xff\xd8" for data in files)
