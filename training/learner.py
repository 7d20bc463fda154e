"""The state of a training run, and its schedule of learning rates and photo sizes."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import ResNetConfig

from muon import Muon
from tower import READS_AT, SIDE, TRAINED_AT, ImageTower, load_weights

MUON_LR, ADAMW_LR, WEIGHT_DECAY, WARM_UP = 0.015, 2e-3, 0.05, 0.02  # the learning rates are peaks; WARM_UP is a part of the run
AVERAGED = 0.995  # decay of the moving average at each step
FIRST_SCALE, MAX_SCALE = 40.0, 100.0  # of the logits; the bound is CLIP's


@dataclass(frozen=True)
class Schedule:
    """Learning rate and photo size over the time of a run. `progress` is the part of the time that is over, 0..1.

    Attributes:
        peak: The highest learning rate, as a part of the peaks above.
        phases: For each phase: the progress at its end, the side in pixels to which photos are cut, and the side at which the
            tower reads them.
    """

    peak: float
    phases: tuple[tuple[float, int, int], ...]

    def rate(self, progress: float) -> float:
        """Compute the part of the peak learning rates at `progress`: a linear warm-up, then linearly to zero."""
        return self.peak * min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))

    def phase(self, progress: float) -> tuple[int, int]:
        """Return the side in pixels to which photos are cut at `progress`, and the side at which the tower reads them."""
        return next((side, reads_at) for until, side, reads_at in self.phases if progress < until or until == 1.0)


FROM_SCRATCH = Schedule(peak=1.0, phases=((0.4, 48, 48), (0.7, SIDE, SIDE), (1.0, SIDE, TRAINED_AT)))
# At the full rate a trained model loses accuracy within minutes: from 40 % to 30 % on Tiny ImageNet.
FROM_A_MODEL = Schedule(peak=0.25, phases=((0.4, 56, 56), (0.7, SIDE, SIDE), (1.0, SIDE, TRAINED_AT)))


@dataclass
class Learner:
    """The state of a run, as a checkpoint stores it.

    Attributes:
        tower: The tower.
        average: The moving average of its weights.
        log_scale: The natural logarithm of the logit scale.
        optimisers: Muon for the convolutions, AdamW for the rest.
        elapsed_s: The time of the run so far, in seconds.
        photos_processed: The number of photos of all batches so far.
    """

    tower: ImageTower
    average: AveragedModel
    log_scale: torch.nn.Parameter
    optimisers: list[torch.optim.Optimizer]
    elapsed_s: float = 0.0
    photos_processed: int = 0

    @classmethod
    def new(cls, config: ResNetConfig, device: str, start: list[Path]) -> Learner:
        """Start a run from random weights, or from trained models.

        Args:
            config: The ResNet's configuration.
            device: Where to train.
            start: Folders of trained models. The run starts from the mean of their weights (Wortsman et al. 2022) and the
                first model's logit scale.
        """
        tower = ImageTower(config)
        scale = FIRST_SCALE
        if start:
            weights = [load_weights(folder) for folder in start]
            mean = {name: torch.stack([model[name] for model in weights]).mean(dim=0) for name in weights[0]}
            tower.load_state_dict(mean, strict=False)
            scale = json.loads((start[0] / "config.json").read_bytes())["logit_scale"]
        tower = tower.to(device).to(memory_format=torch.channels_last)
        log_scale = torch.nn.Parameter(torch.tensor(math.log(scale), device=device))
        average = AveragedModel(tower, multi_avg_fn=get_ema_multi_avg_fn(AVERAGED), use_buffers=True)
        convolutions = [p for p in tower.parameters() if p.ndim == 4]
        rest = [p for p in tower.parameters() if p.ndim == 1] + [log_scale]
        groups = [
            {"params": tower.projection.parameters(), "weight_decay": WEIGHT_DECAY},
            {"params": rest, "weight_decay": 0.0},
        ]
        return cls(tower, average, log_scale, [Muon(convolutions, lr=MUON_LR), torch.optim.AdamW(groups, lr=ADAMW_LR)])

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """Follow the gradient of `loss`, at the part `rate` of the peak learning rates."""
        for optimiser, peak in zip(self.optimisers, (MUON_LR, ADAMW_LR), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * rate
            optimiser.zero_grad()
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        self.average.update_parameters(self.tower)

    def averaged(self) -> ImageTower:
        """Return the averaged tower in evaluation mode, reading at the side of the finished model."""
        tower = self.average.module
        assert isinstance(tower, ImageTower)
        tower.reads_at = READS_AT
        return tower.eval()

    def save(self, path: Path, run: dict[str, Any]) -> None:
        """Write a checkpoint, completely or not at all.

        Args:
            path: The checkpoint's file.
            run: The facts that distinguish this run from others.
        """
        partial = path.with_suffix(".partial")
        state: dict[str, Any] = {
            "tower": self.tower.state_dict(),
            "average": self.average.state_dict(),
            "log_scale": self.log_scale.detach(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "elapsed_s": self.elapsed_s,
            "photos_processed": self.photos_processed,
            "run": run,
        }
        torch.save(state, partial)
        partial.rename(path)

    def resume(self, path: Path, run: dict[str, Any]) -> None:
        """Continue from a checkpoint.

        Raises:
            SystemExit: The checkpoint belongs to another run.
        """
        state = torch.load(path, weights_only=True)
        if state["run"] != run:
            sys.exit(f"{path}: must belong to this run ({run}), not {state['run']}. Remove the file, or give another --work")
        self.tower.load_state_dict(state["tower"])
        self.average.load_state_dict(state["average"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.elapsed_s, self.photos_processed = state["elapsed_s"], state["photos_processed"]
