"""Train the bundled model: an image tower into the text space of all-MiniLM-L6-v2.

    python training/train.py --data SHARDS --work build/training --out models/tiny

The text tower stays frozen, so only the image tower and a linear projection are learned: softmaxes over the cosine
similarities to the text embeddings of class names and of general words, with a learned temperature (as CLIP's, Radford et al.
2021, but with classes in place of captions). The learning rate follows the clock, so the run ends when it is told to on any
machine; small photos first, full size for the last part (progressive resizing), which buys about half as many photos more.
What is kept is the moving average of the weights.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import ResNetConfig

from anchors import Anchors
from data import PhotoSet, augment, class_weights, graft, load, mix, split_held_out, without
from muon import Muon
from text_targets import Texts, TextTargets, same_in
from tower import READS_AT, SIDE, TRAINED_AT, ImageTower, embed_photos, normalise, save, sentence_embedder, weights_of

SHARES = (0.72, 0.23, 0.05)  # of a batch: Tiny ImageNet, photos, CIFAR-10
BATCH = 256
TURN, PEAK_LR, WEIGHT_DECAY, WARM_UP = 0.015, 2e-3, 0.05, 0.02  # peaks of Muon's and of AdamW's learning rates
# The part of the batches in which a source's photos get CutMix; train-photos' classes are small, and are learned by heart else.
MIXED = (0.25, 0.5, 0.0)
EVENNESS = 0.7  # a class of n photos is drawn in proportion to n ** (1 - EVENNESS)
AVERAGED = 0.995  # what the moving average keeps at each step
FIRST_SCALE, MAX_SCALE = 40.0, 100.0  # of the logits; the bound is CLIP's
REPORT_EVERY, CHECK_EVERY = 60, 480  # seconds between lines, and between checkpoints
LEFT_OUT_EVERY = 10  # of the sorted Tiny ImageNet labels
LEFT_OUT_TOO = ("hotdog",)  # the one class of the quality suites that another source names


@dataclass(frozen=True)
class Schedule:
    """What is due when. `peak`: the part of the peak learning rates that is reached.

    `phases`: up to which part of the time photos are cut to how many pixels, and at how many they are read.
    """

    peak: float
    phases: tuple[tuple[float, int, int], ...]

    def rate(self, progress: float) -> float:
        """The part of the peak learning rates at `progress` in 0..1: a linear warm-up, then straight to zero."""
        return self.peak * min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))

    def phase(self, progress: float) -> tuple[int, int]:
        """At `progress` in 0..1: the side in pixels to which photos are cut, and the one at which they are read."""
        return next((side, reads_at) for until, side, reads_at in self.phases if progress < until or until == 1.0)


FROM_SCRATCH = Schedule(peak=1.0, phases=((0.4, 48, 48), (0.7, SIDE, SIDE), (1.0, SIDE, TRAINED_AT)))
# At the full rate a trained model forgets within minutes what it knew: from 40 % to 30 on Tiny ImageNet.
FROM_A_MODEL = Schedule(peak=0.25, phases=((0.4, 56, 56), (0.7, SIDE, SIDE), (1.0, SIDE, TRAINED_AT)))


@dataclass
class Learner:
    """What a checkpoint holds: the tower, its moving average, the temperature, the optimisers, and how far they are."""

    tower: ImageTower
    average: AveragedModel
    log_scale: torch.nn.Parameter
    optimisers: list[torch.optim.Optimizer]
    elapsed: float = 0.0  # seconds
    seen: int = 0  # photos

    @classmethod
    def new(cls, config: ResNetConfig, device: str, start: list[Path]) -> Learner:
        """A fresh one, or one with the models' mean weights (Wortsman et al. 2022) and the first one's temperature."""
        tower = ImageTower(config)
        scale = FIRST_SCALE
        if start:
            weights = [weights_of(folder) for folder in start]
            mean = {name: torch.stack([each[name] for each in weights]).mean(dim=0) for name in weights[0]}
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
        return cls(tower, average, log_scale, [Muon(convolutions, lr=TURN), torch.optim.AdamW(groups, lr=PEAK_LR)])

    def step(self, loss: torch.Tensor, due: float) -> None:
        """Follow the gradient of `loss`, at the part `due` of the peak learning rates."""
        for optimiser, peak in zip(self.optimisers, (TURN, PEAK_LR), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * due
            optimiser.zero_grad()
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        self.average.update_parameters(self.tower)

    def averaged(self) -> ImageTower:
        """The tower to keep: reads at its final side, in evaluation mode."""
        tower = self.average.module
        assert isinstance(tower, ImageTower)
        tower.reads_at = READS_AT
        return tower.eval()

    def save(self, path: Path, run: dict[str, Any]) -> None:
        """Write a checkpoint, whole or not at all. `run`: what tells this run from others."""
        partial = path.with_suffix(".partial")
        state: dict[str, Any] = {
            "tower": self.tower.state_dict(),
            "average": self.average.state_dict(),
            "log_scale": self.log_scale.detach(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "elapsed": self.elapsed,
            "seen": self.seen,
            "run": run,
        }
        torch.save(state, partial)
        partial.rename(path)

    def resume(self, path: Path, run: dict[str, Any]) -> None:
        """Go on from a checkpoint. Exits where it is of another run, which would be passed off as this one."""
        state = torch.load(path, weights_only=True)
        if state["run"] != run:
            sys.exit(f"{path} is of another run, {state['run']}, not {run}: remove it, or give another --work")
        self.tower.load_state_dict(state["tower"])
        self.average.load_state_dict(state["average"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.elapsed, self.seen = state["elapsed"], state["seen"]


@dataclass(frozen=True)
class Batches:
    """Draws augmented batches from several sources."""

    sources: tuple[PhotoSet, ...]
    chances: list[Any]  # of each source's photos, float64 (n,)
    targets: TextTargets

    def draw(self, side: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, list[slice]]:
        """BATCH photos: float32 (n, 3, side, side) in 0..1, their classes, int64 (n,), and the rows of each source."""
        parts, blurred, wanted = [], [], []
        counts = rng.multinomial(BATCH, SHARES)
        for source, chance, count, offset in zip(self.sources, self.chances, counts, self.targets.offsets, strict=True):
            rows = rng.choice(len(source), size=count, p=chance)
            photos_of_source, are_blurred = augment(source.take(rows), side, rng)
            parts.append(photos_of_source)
            blurred.append(are_blurred)
            wanted.append(torch.from_numpy(source.classes[rows] + offset))
        ends = np.cumsum(counts)
        rows_of = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        return graft(torch.cat(parts), torch.cat(blurred), rng), torch.cat(wanted), rows_of


def loss_of(learner: Learner, batches: Batches, side: int, device: str, rng: np.random.Generator) -> torch.Tensor:
    """The loss on a new batch; of one with CutMix, both photos' by their share of the picture."""
    batch, classes, rows_of = batches.draw(side, rng)
    scale = learner.log_scale.exp()
    chance = rng.random()
    to_mix = [rows for rows, part in zip(rows_of, MIXED, strict=True) if chance < part]
    if not to_mix:
        return batches.targets.loss(learner.tower(normalise(batch).to(device)), classes, scale, rng)
    mixed, others, share = mix(batch, to_mix, rng)
    vectors = learner.tower(normalise(mixed).to(device))
    own, other = (batches.targets.loss(vectors, wanted, scale, rng) for wanted in (classes, classes[others]))
    return share * own + (1 - share) * other


def accuracy(vectors: torch.Tensor, photos: PhotoSet, classes: torch.Tensor) -> tuple[float, float]:
    """Top-1 and balanced accuracy (mean recall over the classes that occur)."""
    right = (vectors @ classes.T).argmax(dim=1).numpy() == photos.classes
    recalls = [right[photos.classes == index].mean() for index in np.unique(photos.classes)]
    return float(right.mean()), float(np.mean(recalls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder for the decoded cache and the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="where the model goes")
    parser.add_argument("--start", type=Path, nargs="+", default=[], help="models to start from: the mean of their weights")
    parser.add_argument(
        "--leave-out", action="store_true", help=f"train without every {LEFT_OUT_EVERY}th class and the hotdogs"
    )
    parser.add_argument("--minutes", type=float, default=240)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    console = Console(soft_wrap=True)
    embed = sentence_embedder()

    cache = args.work / "cache"
    tiny = load(args.data, [f"train-tiny-imagenet-{k}" for k in range(4)], cache)
    photos, _ = split_held_out(load(args.data, ["train-photos"], cache))
    cifar = load(args.data, ["train-cifar10"], cache)
    validation = load(args.data, ["val-tiny-imagenet"], cache)
    left_out: tuple[str, ...] = ()
    if args.leave_out:
        left_out = (*tiny.names[::LEFT_OUT_EVERY], *LEFT_OUT_TOO)
        tiny, photos, cifar = (
            without(source, {*left_out, *same_in(embed, left_out, source.names)}) for source in (tiny, photos, cifar)
        )
        validation = without(validation, set(validation.names) - set(left_out))
    sources = (tiny, photos, cifar)
    # The photos' classes have 27 to 1,400 photos each; the other sources' are even.
    chances = [class_weights(source, EVENNESS if source is photos else 0.0) for source in sources]
    batches = Batches(sources, chances, TextTargets(embed, [source.names for source in sources]))
    # What is checked along the way: all classes that are trained, or those that are left out.
    asked = Texts(embed, list(validation.names)).mean()
    fifth = validation.take(np.arange(0, len(validation), 1 if args.leave_out else 5))

    run = {"start": [str(folder) for folder in args.start], "left_out": list(left_out), "seed": args.seed}
    started_from = [json.loads((folder / "training.json").read_bytes()) for folder in args.start]
    for folder, facts in zip(args.start, started_from, strict=True):
        if facts.get("left_out", []) != run["left_out"]:
            sys.exit(f"{folder} was trained on other classes than this run: what is left out has to be the same")
    torch.manual_seed(args.seed)
    config = ResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 320], depths=[1, 2, 2], layer_type="basic")
    learner = Learner.new(config, device, args.start)
    schedule = FROM_A_MODEL if args.start else FROM_SCRATCH
    checkpoint = args.work / "checkpoint.pt"
    if checkpoint.exists():
        learner.resume(checkpoint, run)
        console.print(f"resumed at {learner.elapsed / 60:.1f} min, {learner.seen} photos")
    rng = np.random.default_rng([args.seed, learner.seen])  # after a stop new draws, not the first ones again
    torch.manual_seed(args.seed + learner.seen)

    total, before, started = args.minutes * 60, learner.elapsed, time.monotonic()
    losses: list[float] = []
    next_report, next_check = before + REPORT_EVERY, before + CHECK_EVERY
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("training", total=total)
        while learner.elapsed < total:
            side, learner.tower.reads_at = schedule.phase(learner.elapsed / total)
            learner.tower.train()
            loss = loss_of(learner, batches, side, device, rng)
            learner.step(loss, schedule.rate(learner.elapsed / total))
            losses.append(float(loss.detach()))
            learner.seen += BATCH
            learner.elapsed = before + time.monotonic() - started
            minutes = learner.elapsed / 60
            told = f"{minutes:6.1f} min  {learner.seen:8d} photos  {side}/{learner.tower.reads_at} px  loss {losses[-1]:.3f}"
            progress.update(bar, completed=learner.elapsed, description=told)
            if learner.elapsed > next_report:
                next_report = learner.elapsed + REPORT_EVERY
                scale = float(learner.log_scale.detach().exp())
                mean = np.mean(losses[-100:])
                console.print(f"{told} (mean {mean:.3f})  scale {scale:.1f}  {learner.seen / learner.elapsed:.0f} photos/s")
            if learner.elapsed > next_check:
                next_check = learner.elapsed + CHECK_EVERY
                learner.save(checkpoint, run)
                top1, _ = accuracy(embed_photos(learner.averaged(), fifth, device), fifth, asked)
                console.print(f"{minutes:6.1f} min  top-1 over {len(fifth.names)} classes of val-tiny-imagenet: {top1:.4f}")

    tower = learner.averaged()
    anchors = Anchors.for_tower(tower, batches.targets.classes.mean(), sources, device)
    vectors = embed_photos(tower, validation, device)
    facts = {
        "minutes": args.minutes,
        "photos_seen": learner.seen,
        "device": device,
        "threads": args.threads,
        "left_out": list(left_out),
        "started_from": started_from,
        "validation_top1": round(accuracy(anchors(vectors), validation, asked)[0], 4),
    }
    save(tower, float(learner.log_scale.detach().exp()), config, args.out, facts)
    anchors.add_to(args.out)
    checkpoint.unlink(missing_ok=True)  # of a run that is over
    console.print_json(data=facts)


if __name__ == "__main__":
    main()
