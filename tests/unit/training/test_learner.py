"""training/learner.py and anchors.py: checkpoints, the schedule, and the anchors of the finished model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig

from anchors import PHOTO_SHARE, SHARPNESS, Anchors
from learner import FROM_A_MODEL, FROM_SCRATCH, WARM_UP, Learner, Schedule
from tower import TEXT_DIM, ImageTower, load_weights, save

pytestmark = pytest.mark.torch

CONFIG = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8], depths=[1, 1, 1], layer_type="basic")
RUN = {"start": [], "left_out": [], "seed": 0}
SCHEDULES = pytest.mark.parametrize("schedule", [FROM_SCRATCH, FROM_A_MODEL], ids=["from scratch", "from a model"])


def new_learner() -> Learner:
    return Learner.new(CONFIG, "cpu", [])


def take_one_step(learner: Learner) -> None:
    learner.step(learner.tower(torch.rand(2, 3, 80, 80)).sum() * learner.log_scale, 0.5)


def test_a_stopped_run_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    stopped, resumed = new_learner(), new_learner()
    take_one_step(stopped)
    stopped.elapsed_s, stopped.photos_processed = 60.0, 2
    stopped.save(tmp_path / "checkpoint.pt", RUN)

    resumed.resume(tmp_path / "checkpoint.pt", RUN)

    assert (resumed.elapsed_s, resumed.photos_processed) == (60.0, 2)
    picture = torch.rand(1, 3, 80, 80)
    with torch.inference_mode():
        torch.testing.assert_close(resumed.averaged()(picture), stopped.averaged()(picture))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """Otherwise a model that was trained on all classes could pass as one that was trained without some."""
    new_learner().save(tmp_path / "checkpoint.pt", RUN)

    with pytest.raises(SystemExit, match="must belong to this run"):
        new_learner().resume(tmp_path / "checkpoint.pt", RUN | {"left_out": ["hotdog"]})


def test_a_photo_is_drawn_towards_similar_classes_and_the_shift_is_the_mean_of_photos() -> None:
    texts = torch.nn.functional.normalize(torch.eye(3, TEXT_DIM) + 0.2, dim=1)
    vectors = torch.nn.functional.normalize(torch.eye(3, TEXT_DIM) + 0.1 * torch.eye(3, TEXT_DIM).roll(1, 0), dim=1)
    anchors = Anchors.from_embeddings(texts, vectors)

    drawn = anchors.apply(vectors)

    assert ((drawn @ texts.T).diagonal() > (vectors @ texts.T).diagonal() - 0.2).all()
    margin = (drawn @ texts.T).sort(dim=1).values.diff(dim=1)[:, -1]
    assert (margin > (vectors @ texts.T).sort(dim=1).values.diff(dim=1)[:, -1]).all()
    torch.testing.assert_close((anchors.drawn(vectors) + PHOTO_SHARE * vectors).mean(dim=0), anchors.shift)


def test_anchors_are_saved_with_the_model_and_not_loaded_for_further_training(tmp_path: Path) -> None:
    save(ImageTower(CONFIG), 30.0, CONFIG, tmp_path, {})
    before = load_weights(tmp_path)
    texts = torch.nn.functional.normalize(torch.rand(7, TEXT_DIM), dim=1)

    for anchors in (
        Anchors.from_embeddings(texts[:3], texts),
        Anchors.from_embeddings(texts, texts),
    ):  # the second replaces the first
        anchors.save_to(tmp_path)

    stored = load_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(stored["anchors"].float(), texts, atol=1e-3, rtol=0)
    torch.testing.assert_close(stored["anchors_shift"].float(), anchors.shift, atol=1e-3, rtol=0)
    assert json.loads((tmp_path / "config.json").read_bytes())["anchors_sharpness"] == SHARPNESS
    assert load_weights(tmp_path).keys() == before.keys()


def test_a_run_from_several_models_starts_from_the_mean_of_their_weights(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, scale in zip(folders, (30.0, 50.0), strict=True):
        save(ImageTower(CONFIG), scale, CONFIG, folder, {})

    started = Learner.new(CONFIG, "cpu", folders)

    one, two = map(load_weights, folders)
    for name, value in one.items():
        torch.testing.assert_close(started.tower.state_dict()[name], (value + two[name]) / 2)
    assert float(started.log_scale.detach().exp()) == pytest.approx(30.0), "the scale of the first model"


@pytest.mark.parametrize(
    ("progress", "rate"), [(0.0, 0.0), (WARM_UP / 2, 0.25), (WARM_UP, 0.5), ((1 + WARM_UP) / 2, 0.25), (1.0, 0.0)]
)
def test_the_learning_rate_warms_up_and_falls_linearly_to_zero(progress: float, rate: float) -> None:
    assert Schedule(0.5, ((1.0, 64, 64),)).rate(progress) == pytest.approx(rate)


@SCHEDULES
def test_the_learning_rate_never_exceeds_its_peak(schedule: Schedule) -> None:
    rates = [schedule.rate(progress) for progress in np.linspace(0, 1, 1_001)]

    assert min(rates) >= 0
    assert max(rates) <= schedule.peak <= 1


@SCHEDULES
def test_photos_get_larger_and_each_phase_ends_at_its_progress(schedule: Schedule) -> None:
    starts = [0.0, *(until for until, _, _ in schedule.phases[:-1])]

    for start, (until, side, reads_at) in zip(starts, schedule.phases, strict=True):
        assert schedule.phase(start) == schedule.phase((start + until) / 2) == (side, reads_at)
    sizes = [schedule.phase(progress) for progress in np.linspace(0, 1, 1_001)]
    assert sizes == sorted(sizes)
    assert all(side <= reads_at for side, reads_at in sizes)
    assert sizes[-1] == schedule.phases[-1][1:], "the last phase applies to the end and beyond"
    assert schedule.phase(1.01) == schedule.phases[-1][1:]
