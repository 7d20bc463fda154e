"""benchmarks/peers.py with a very small model: all sides classify, and the tables and the plot have their figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPConfig

import classify
import peer_plot
import peer_sides
import peers

pytestmark = pytest.mark.torch

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 24}
TEXT = {**TOWER, "vocab_size": 1000, "bos_token_id": 0, "eos_token_id": 1}
VISION = {**TOWER, "image_size": 64, "patch_size": 16}
CONFIG = CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=24)


def test_every_side_that_is_installed_classifies_in_turns() -> None:
    sides = [side for side in peer_sides.SIDES if "tiny" not in side.name]
    with peers.random_task(CONFIG, None, bundled=Path("unused"), cores=1, photos=3) as task:
        timings = peers.measure(task, sides, counts=(1, 3), rounds=1)
        share = peers.measure_share(task, task.artifact, rounds=1, matrix=64)

    assert timings.missing["faster-clip"]
    assert {"transformers, one batch", "sentence-transformers", "Pigeonhole"} <= set(timings.weights)
    assert {(count, labels) for _, count, labels in timings.seconds} == {(c, k) for c in (1, 3) for k in ("new", "cached")}
    assert ("transformers, one batch", 3, "cached") not in timings.seconds
    assert all(seconds[0] > 0 for seconds in timings.seconds.values())
    assert share.tower[0] > 0
    assert "- Left out: faster-clip, because" in peers.to_markdown(timings, (1, 3), share, "a machine:")


def test_the_ratios_compare_with_pigeonhole() -> None:
    timings = peers.Timings(
        seconds={
            ("Pigeonhole", 8, "new"): [1.0, 2.0, 4.0],
            ("other", 8, "new"): [8.0, 8.0, 8.0],
            ("Pigeonhole", 8, "cached"): [1.0],
        },
        weights={"other": "the same", "Pigeonhole": "the same, int8"},
    )

    rows = peers.table(timings, 8).splitlines()[2:]

    assert rows == [
        "| other | the same | 1.0 (1.0 to 1.0) | 4.0 x (2.0 to 8.0) | - | - |",
        "| Pigeonhole | the same, int8 | 4.0 (2.0 to 8.0) |  | 8.0 (8.0 to 8.0) |  |",
    ]


def test_the_bundled_model_is_compared_with_the_pipeline_as_people_call_it() -> None:
    assert peer_sides.SIDES[0].name == peers.SLOWEST
    assert peer_sides.SIDES[-1].name == peers.BUNDLED
    timings = peers.Timings(seconds={(peers.BUNDLED, 32, "new"): [1.0, 1.0], (peers.SLOWEST, 32, "new"): [30.0, 50.0]})

    assert "is 40.0 x (30.0 to 50.0) the pipeline" in peers.bundled_line(timings, 32)


def test_a_share_is_the_median_of_the_rounds() -> None:
    share = peers.TowerShare(tower=[80e9, 90e9, 95e9], limit=[100e9, 100e9, 100e9])

    assert "does 90 GFLOP/s, which is 0.90 (0.80 to 0.95)" in str(share)


def test_kept_texts_are_encoded_once() -> None:
    encoded: list[int] = []

    def encode_texts(texts: object) -> object:
        encoded.append(1)
        return np.eye(len(classify.LABELS), dtype=np.float32)

    side = peer_sides.TwoTowers(
        [b"0", b"1"], lambda files: [np.eye(len(classify.LABELS))[int(data)] for data in files], encode_texts
    )

    assert [side.classify(2, cached=True) for _ in range(3)] == [list(classify.LABELS[:2])] * 3
    assert len(encoded) == 1
    side.classify(2, cached=False)
    assert len(encoded) == 2


def test_the_plot_is_the_same_for_the_same_figures(tmp_path: Path) -> None:
    medians = {(1, "new"): {"other": 1.0, "Pigeonhole": 2.0}, (1, "cached"): {"Pigeonhole": 4.0}}
    for name in ("one", "two"):
        peer_plot.draw(medians, tmp_path / name / "plot.svg")

    drawn = [(tmp_path / name / "plot.svg").read_text() for name in ("one", "two")]
    assert drawn[0] == drawn[1]
    assert "<svg" in drawn[0]
