"""training/train.py: a stopped run goes on, another run's checkpoint isn't taken for it, and what is due follows the clock."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig

from anchors import OWN, SHARPNESS, Anchors
from pigeonhole.inference.encoders.graphs import ProjectedVision
from tower import TEXT_DIM, ImageTower, save, weights_of
from train import FROM_A_MODEL, FROM_SCRATCH, WARM_UP, Learner, Schedule

CONFIG = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8], depths=[1, 1, 1], layer_type="basic")
RUN = {"start": [], "left_out": [], "seed": 0}
SCHEDULES = pytest.mark.parametrize("schedule", [FROM_SCRATCH, FROM_A_MODEL], ids=["from scratch", "from a model"])


def learner() -> Learner:
    return Learner.new(CONFIG, "cpu", [])


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


def test_what_is_measured_in_training_is_what_the_service_embeds() -> None:
    tower = ImageTower(CONFIG, reads_at=40).eval()
    texts = torch.nn.functional.normalize(torch.rand(7, TEXT_DIM) - 0.3, dim=1)
    pictures = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        anchors = Anchors.of(texts, tower(torch.rand(20, 3, 32, 32)))
        measured = anchors(tower(pictures))

    graph = ProjectedVision(
        tower.vision,
        CONFIG.hidden_sizes[-1],
        TEXT_DIM,
        40,
        mirrored=True,
        anchors=len(texts),
        sharpness=SHARPNESS,
    )
    graph.projection, graph.anchors, graph.anchors_shift = tower.projection, anchors.texts, anchors.shift
    with torch.inference_mode():
        torch.testing.assert_close(torch.nn.functional.normalize(graph(pictures), dim=-1), measured)


def test_a_photo_is_drawn_towards_what_it_looks_like_and_photos_at_large_to_nothing() -> None:
    texts = torch.nn.functional.normalize(torch.eye(3, TEXT_DIM) + 0.2, dim=1)
    vectors = torch.nn.functional.normalize(torch.eye(3, TEXT_DIM) + 0.1 * torch.eye(3, TEXT_DIM).roll(1, 0), dim=1)
    anchors = Anchors.of(texts, vectors)

    drawn = anchors(vectors)

    assert ((drawn @ texts.T).diagonal() > (vectors @ texts.T).diagonal() - 0.2).all()
    margin = (drawn @ texts.T).sort(dim=1).values.diff(dim=1)[:, -1]
    assert (margin > (vectors @ texts.T).sort(dim=1).values.diff(dim=1)[:, -1]).all()
    torch.testing.assert_close((anchors.drawn_to(vectors) + OWN * vectors).mean(dim=0), anchors.shift)


def test_anchors_are_kept_with_the_model_and_left_out_where_training_goes_on(tmp_path: Path) -> None:
    save(ImageTower(CONFIG), 30.0, CONFIG, tmp_path, {})
    before = weights_of(tmp_path)
    texts = torch.nn.functional.normalize(torch.rand(7, TEXT_DIM), dim=1)

    for anchors in (Anchors.of(texts[:3], texts), Anchors.of(texts, texts)):  # the second in place of the first
        anchors.add_to(tmp_path)

    stored = load_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(stored["anchors"].float(), texts, atol=1e-3, rtol=0)
    torch.testing.assert_close(stored["anchors_shift"].float(), anchors.shift, atol=1e-3, rtol=0)
    assert json.loads((tmp_path / "config.json").read_bytes())["anchors_sharpness"] == SHARPNESS
    assert weights_of(tmp_path).keys() == before.keys()


def test_a_run_from_several_models_starts_from_the_mean_of_their_weights(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, scale in zip(folders, (30.0, 50.0), strict=True):
        save(ImageTower(CONFIG), scale, CONFIG, folder, {})

    started = Learner.new(CONFIG, "cpu", folders)

    one, two = map(weights_of, folders)
    for name, value in one.items():
        torch.testing.assert_close(started.tower.state_dict()[name], (value + two[name]) / 2)
    assert float(started.log_scale.detach().exp()) == pytest.approx(30.0), "the first one's"


@pytest.mark.parametrize(
    ("progress", "due"), [(0.0, 0.0), (WARM_UP / 2, 0.25), (WARM_UP, 0.5), ((1 + WARM_UP) / 2, 0.25), (1.0, 0.0)]
)
def test_the_learning_rate_warms_up_and_falls_straight_to_zero(progress: float, due: float) -> None:
    assert Schedule(0.5, ((1.0, 64, 64),)).rate(progress) == pytest.approx(due)


@SCHEDULES
def test_the_learning_rate_never_exceeds_its_peak(schedule: Schedule) -> None:
    rates = [schedule.rate(progress) for progress in np.linspace(0, 1, 1_001)]

    assert min(rates) >= 0
    assert max(rates) <= schedule.peak <= 1


@SCHEDULES
def test_photos_get_larger_and_each_phase_ends_where_it_says(schedule: Schedule) -> None:
    starts = [0.0, *(until for until, _, _ in schedule.phases[:-1])]

    for start, (until, side, reads_at) in zip(starts, schedule.phases, strict=True):
        assert schedule.phase(start) == schedule.phase((start + until) / 2) == (side, reads_at)
    sizes = [schedule.phase(progress) for progress in np.linspace(0, 1, 1_001)]
    assert sizes == sorted(sizes)
    assert all(side <= reads_at for side, reads_at in sizes)
    assert sizes[-1] == schedule.phases[-1][1:], "at the end, too, and should the clock run over"
    assert schedule.phase(1.01) == schedule.phases[-1][1:]
