"""benchmarks/classify.py on a model that runs in a moment: it compares like with like, and its table says what it measured."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPConfig, CLIPTokenizer

import classify

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 24}
# The benchmark sets the first and the last token itself, once its tokenizer is made.
TEXT = {**TOWER, "vocab_size": 1000, "bos_token_id": 0, "eos_token_id": 1}


def test_both_sides_see_the_same_photos_and_agree_on_the_best_label() -> None:
    vision = {**TOWER, "image_size": 64, "patch_size": 16}
    config = CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=24)

    rows = classify.measure(config, cores=1, rounds=1, counts=(1, 5))

    assert [(row.photos, row.labels) for row in rows] == [(1, "new"), (1, "cached"), (5, "new"), (5, "cached")]
    assert all(row.same == row.photos for row in rows)
    assert all(min(row.pipeline_s, row.one_batch_s, row.ours_s) > 0 for row in rows)


def test_the_model_is_the_same_each_time(tmp_path: Path) -> None:
    prompts = [classify.TEMPLATE.format(label) for label in classify.LABELS]
    read = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        classify.random_clip(CLIPConfig(text_config=TEXT, vision_config=TOWER, projection_dim=24), tmp_path / name)
        tokens = CLIPTokenizer.from_pretrained(tmp_path / name)(prompts)["input_ids"]
        read.append((tokens, (tmp_path / name / "model.safetensors").read_bytes()))

    assert read[0] == read[1] == read[2]
    assert len(read[0][0][0]) == 6 + 2, "a token for each of `a photo of a cat .`, and two around them"


def test_the_table_gives_images_per_second_and_ratios() -> None:
    row = classify.Row(photos=32, labels="new", pipeline_s=16.0, one_batch_s=4.0, ours_s=2.0, same=31)

    lines = classify.table([row]).splitlines()

    assert lines[-1] == "| 32 | new | 2.0 | 8.0 | 16.0 | 8.0 x | 2.0 x | 31 of 32 |"
    assert len({line.count("|") for line in lines}) == 1


def test_photos_are_real_jpeg_files() -> None:
    files = classify.photos(9)

    assert len(files) == 9
    assert len(set(files)) == 7
    assert all(data[:2] == b"\xff\xd8" for data in files)
