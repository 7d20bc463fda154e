"""benchmarks/bulk.py: each measure runs in its smallest size, and prints its table."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

import bulk

pytestmark = [pytest.mark.torch, pytest.mark.slow]

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 24}
RATE = re.compile(r"^\| (.+) \| ([\d.]+) \| [\d.]+ x \|$", re.MULTILINE)


@pytest.fixture
def model() -> Path:
    from pigeonhole.inference.encoders.prepare import prepare
    from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

    folder = cached_folder("tiny", DEFAULT_CACHE)
    prepare("tiny", folder)
    return folder


def options(model: Path, lines: int = 40) -> argparse.Namespace:
    return argparse.Namespace(model=model, cores=1, count=4, rounds=1, lines=lines)


def test_a_clip_is_compared_with_the_loop_and_the_encoder(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import CLIPConfig

    text = {**TOWER, "vocab_size": 1000, "bos_token_id": 0, "eos_token_id": 1}
    config = CLIPConfig(text_config=text, vision_config={**TOWER, "image_size": 64, "patch_size": 16}, projection_dim=24)

    bulk.measure_photos(options(model), config)

    rates = RATE.findall(capsys.readouterr().out)
    assert [name for name, _ in rates] == [
        *(f"the loop, batches of {n}" for n in bulk.BATCHES),
        "the bare encoder",
        "bulk local",
    ]
    assert all(float(rate) > 0 for _, rate in rates)


def test_the_bundled_model_is_compared_on_photos_and_on_texts(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bulk.measure_bundled(options(model))

    assert [name for name, _ in RATE.findall(capsys.readouterr().out)] == ["the bare encoder", "bulk local"] * 2


def test_the_memory_is_read_at_each_tenth_of_the_lines(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bulk.measure_memory(options(model))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 10
    assert all(int(line.split("|")[2]) > 50 for line in lines[2:])


def test_the_planner_says_how_many_bytes_it_divides(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bulk.measure_planner(options(model, lines=3_000))

    assert re.search(r"3000 lines, 3 spans: \d+ MB/s", capsys.readouterr().out)
