"""benchmarks/gpu.py also runs on the CPU, and states the operations of ViT-B/32 as others do."""

from __future__ import annotations

import re

import pytest
from torch.utils.flop_counter import FlopCounterMode

import gpu
from pigeonhole.inference.encoders.checkpoints import cuda_engine

pytestmark = pytest.mark.torch


def test_the_whole_program_runs_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_engine, "is_available", lambda: False)
    shape = gpu.Shape(side=32, patch=16, width=64, layers=1, matrix=64)

    table = gpu.run(shape, batches=(2, 4), photos=6, photo_size=(64, 48), seconds=0.05)

    assert table.startswith("CPU")
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \(\d+ %\) \| unmeasured \| ([\d,]+) \|$", table, re.MULTILINE)
    assert [batch for batch, _, _ in rows] == ["2", "4"]
    assert all(int(rate.replace(",", "")) > 0 for row in rows for rate in row[1:])


def test_an_image_of_vit_b_32_has_8_2_billion_operations() -> None:
    assert gpu.Shape().image_flops == pytest.approx(8.24e9, rel=0.01)


def test_the_operations_of_an_image_are_those_that_the_tower_runs() -> None:
    shape = gpu.Shape(side=64, patch=16, width=128, layers=3)
    tower = gpu.build_graph(shape, gpu.torch.device("cpu"), gpu.torch.float32)
    model = tower.features.features.model
    model.set_attn_implementation("eager")  # the fused attention isn't counted on a CPU

    with gpu.torch.inference_mode(), FlopCounterMode(display=False) as counter:
        tower(gpu.torch.zeros((1, shape.side, shape.side, 3), dtype=gpu.torch.uint8))

    projection = 2 * shape.width * model.config.projection_dim
    assert counter.get_total_flops() == shape.image_flops + projection


def test_a_share_is_the_rate_times_the_operations_of_an_image() -> None:
    shape = gpu.Shape()

    table = gpu.to_table("card", gpu.torch.bfloat16, 100e12, shape, [gpu.Row(256, 5_000.0, 7_000.0, 900.0)])

    assert "card, bfloat16: 100.0 TFLOP/s" in table
    assert "| 256 | 5,000 (41 %) | 7,000 (58 %) | 900 |" in table
