"""training/train.py: a stopped run goes on, and another run's checkpoint isn't taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import ResNetConfig

from train import Learner

CONFIG = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8], depths=[1, 1, 1], layer_type="basic")
RUN = {"start": None, "left_out": [], "seed": 0}


def learner() -> Learner:
    return Learner.new(CONFIG, "cpu", None)


def one_step(of: Learner) -> None:
    of.step(of.tower(torch.rand(2, 3, 80, 80)).sum() * of.log_scale, 0.5)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    stopped, resumed = learner(), learner()
    one_step(stopped)
    stopped.elapsed, stopped.seen = 60.0, 2
    stopped.save(tmp_path / "checkpoint.pt", RUN)

    resumed.resume(tmp_path / "checkpoint.pt", RUN)

    assert (resumed.elapsed, resumed.seen) == (60.0, 2)
    picture = torch.rand(1, 3, 80, 80)
    with torch.inference_mode():
        torch.testing.assert_close(resumed.averaged()(picture), stopped.averaged()(picture))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """A model that saw all classes would be passed off as one that was trained without some."""
    learner().save(tmp_path / "checkpoint.pt", RUN)

    with pytest.raises(SystemExit, match="is of another run"):
        learner().resume(tmp_path / "checkpoint.pt", RUN | {"left_out": ["hotdog"]})
