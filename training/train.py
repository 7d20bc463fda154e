"""Train the bundled model: an image tower into the text space of all-MiniLM-L6-v2.

    python training/train.py --data SHARDS --work build/training --out models/tiny

The text tower stays frozen. Only the image tower and a linear projection are trained. The loss has softmaxes over the cosine
similarities to the text embeddings of class names and of general words, with a learned temperature. This is CLIP's loss
(Radford et al. 2021) with classes in place of captions. The learning rate follows the clock, so a run ends after --minutes on
any machine. Photos are small at first and have their full size in the last part (progressive resizing), so a run processes
about half as many photos more. The result is the moving average of the weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from transformers import ResNetConfig

from anchors import Anchors
from data import (
    PhotoSet,
    add_detail,
    augment,
    cutmix,
    load,
    remove_classes,
    sampling_probabilities,
    split_held_out,
)
from learner import FROM_A_MODEL, FROM_SCRATCH, Learner
from text_targets import Texts, TextTargets, find_same_classes
from tower import embed_photos, normalise, save, sentence_embedder

SHARES = (0.72, 0.23, 0.05)  # of a batch: Tiny ImageNet, photos, CIFAR-10
BATCH = 256
# The part of the batches in which a source's photos get CutMix. The classes of train-photos are small and would be memorised.
MIXED = (0.25, 0.5, 0.0)
EVENNESS = 0.7  # a class of n photos is drawn in proportion to n ** (1 - EVENNESS)
REPORT_EVERY_S, CHECK_EVERY_S = 60, 480  # between log lines, and between checkpoints
LEFT_OUT_EVERY = 10  # --leave-out leaves out every tenth of the sorted Tiny ImageNet labels
LEFT_OUT_PHOTOS = ("hotdog",)  # and this class of train-photos, which a quality suite asks for


@dataclass(frozen=True)
class Batches:
    """Draws augmented batches from several sources.

    Attributes:
        sources: The photos.
        chances: The sampling probabilities of each source's photos, float64 (n,).
        targets: The texts of their classes.
    """

    sources: tuple[PhotoSet, ...]
    chances: list[Any]
    targets: TextTargets

    def draw(self, side: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, list[slice]]:
        """Draw BATCH photos.

        Args:
            side: The side of the cuts in pixels.
            rng: The source of random numbers.

        Returns:
            The photos, float32 (n, 3, side, side) in 0..1, their classes, int64 (n,), and the rows of each source.
        """
        parts, blurred, classes = [], [], []
        counts = rng.multinomial(BATCH, SHARES)
        for source, chance, count, offset in zip(self.sources, self.chances, counts, self.targets.offsets, strict=True):
            rows = rng.choice(len(source), size=count, p=chance)
            photos_of_source, are_blurred = augment(source.take(rows), side, rng)
            parts.append(photos_of_source)
            blurred.append(are_blurred)
            classes.append(torch.from_numpy(source.classes[rows] + offset))
        ends = np.cumsum(counts)
        rows_by_source = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        return add_detail(torch.cat(parts), torch.cat(blurred), rng), torch.cat(classes), rows_by_source


def compute_loss(learner: Learner, batches: Batches, side: int, device: str, rng: np.random.Generator) -> torch.Tensor:
    """Compute the loss on a new batch. With CutMix it is the mean of both photos' losses, weighted by their areas."""
    batch, classes, rows_by_source = batches.draw(side, rng)
    scale = learner.log_scale.exp()
    chance = rng.random()
    to_mix = [rows for rows, part in zip(rows_by_source, MIXED, strict=True) if chance < part]
    if not to_mix:
        return batches.targets.loss(learner.tower(normalise(batch).to(device)), classes, scale, rng)
    mixed, others, share = cutmix(batch, to_mix, rng)
    vectors = learner.tower(normalise(mixed).to(device))
    loss, loss_of_others = (batches.targets.loss(vectors, targets, scale, rng) for targets in (classes, classes[others]))
    return share * loss + (1 - share) * loss_of_others


def accuracy(vectors: torch.Tensor, photos: PhotoSet, classes: torch.Tensor) -> tuple[float, float]:
    """Compute top-1 accuracy and balanced accuracy (mean recall over the classes that occur).

    Args:
        vectors: Unit embeddings of the photos, float32 (n, dim).
        photos: The photos.
        classes: Unit embeddings of the class names, float32 (classes, dim).
    """
    right = (vectors @ classes.T).argmax(dim=1).numpy() == photos.classes
    recalls = [right[photos.classes == index].mean() for index in np.unique(photos.classes)]
    return float(right.mean()), float(np.mean(recalls))


def main() -> None:
    """Train a model from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder for the decoded cache and the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument(
        "--start", type=Path, nargs="+", default=[], help="models to start from, with the mean of their weights"
    )
    parser.add_argument(
        "--leave-out", action="store_true", help=f"train without every {LEFT_OUT_EVERY}th class and the hotdogs"
    )
    parser.add_argument("--minutes", type=float, default=240, help="length of the run (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers (default: %(default)s)")
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
        left_out = (*tiny.names[::LEFT_OUT_EVERY], *LEFT_OUT_PHOTOS)
        tiny, photos, cifar = (
            remove_classes(source, {*left_out, *find_same_classes(embed, left_out, source.names)})
            for source in (tiny, photos, cifar)
        )
        validation = remove_classes(validation, set(validation.names) - set(left_out))
    sources = (tiny, photos, cifar)
    # The classes of train-photos have 27 to 1,400 photos each. The classes of the other sources are equally large.
    chances = [sampling_probabilities(source, EVENNESS if source is photos else 0.0) for source in sources]
    batches = Batches(sources, chances, TextTargets(embed, [source.names for source in sources]))
    # Each checkpoint is checked on a fifth of the validation photos, or on all photos of the left-out classes.
    validation_texts = Texts(embed, list(validation.names)).mean()
    checked = validation.take(np.arange(0, len(validation), 1 if args.leave_out else 5))

    run = {"start": [str(folder) for folder in args.start], "left_out": list(left_out), "seed": args.seed}
    started_from = [json.loads((folder / "training.json").read_bytes()) for folder in args.start]
    for folder, facts in zip(args.start, started_from, strict=True):
        if facts.get("left_out", []) != run["left_out"]:
            sys.exit(
                f"--start: {folder} must have the same left-out classes as this run. Give or omit --leave-out as it was trained"
            )
    torch.manual_seed(args.seed)
    config = ResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 320], depths=[1, 2, 2], layer_type="basic")
    learner = Learner.new(config, device, args.start)
    schedule = FROM_A_MODEL if args.start else FROM_SCRATCH
    checkpoint = args.work / "checkpoint.pt"
    if checkpoint.exists():
        learner.resume(checkpoint, run)
        console.print(f"resumed at {learner.elapsed_s / 60:.1f} min, {learner.photos_processed} photos")
    # The seed depends on the progress, so that a resumed run doesn't draw the first batches again.
    rng = np.random.default_rng([args.seed, learner.photos_processed])
    torch.manual_seed(args.seed + learner.photos_processed)

    total_s, elapsed_before_s, started = args.minutes * 60, learner.elapsed_s, time.monotonic()
    losses: list[float] = []
    next_report_s, next_check_s = elapsed_before_s + REPORT_EVERY_S, elapsed_before_s + CHECK_EVERY_S
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("training", total=total_s)
        while learner.elapsed_s < total_s:
            side, learner.tower.reads_at = schedule.phase(learner.elapsed_s / total_s)
            learner.tower.train()
            loss = compute_loss(learner, batches, side, device, rng)
            learner.step(loss, schedule.rate(learner.elapsed_s / total_s))
            losses.append(float(loss.detach()))
            learner.photos_processed += BATCH
            learner.elapsed_s = elapsed_before_s + time.monotonic() - started
            minutes = learner.elapsed_s / 60
            photos_processed = learner.photos_processed
            standing = (
                f"{minutes:6.1f} min  {photos_processed:8d} photos  {side}/{learner.tower.reads_at} px  loss {losses[-1]:.3f}"
            )
            progress.update(bar, completed=learner.elapsed_s, description=standing)
            if learner.elapsed_s > next_report_s:
                next_report_s = learner.elapsed_s + REPORT_EVERY_S
                scale = float(learner.log_scale.detach().exp())
                mean = np.mean(losses[-100:])
                console.print(
                    f"{standing} (mean {mean:.3f})  scale {scale:.1f}  {photos_processed / learner.elapsed_s:.0f} photos/s"
                )
            if learner.elapsed_s > next_check_s:
                next_check_s = learner.elapsed_s + CHECK_EVERY_S
                learner.save(checkpoint, run)
                top1, _ = accuracy(embed_photos(learner.averaged(), checked, device), checked, validation_texts)
                console.print(f"{minutes:6.1f} min  top-1 over {len(checked.names)} classes of val-tiny-imagenet: {top1:.4f}")

    tower = learner.averaged()
    anchors = Anchors.from_tower(tower, batches.targets.classes.mean(), sources, device)
    vectors = embed_photos(tower, validation, device)
    facts = {
        "minutes": args.minutes,
        "photos_seen": learner.photos_processed,
        "device": device,
        "threads": args.threads,
        "left_out": list(left_out),
        "started_from": started_from,
        "validation_top1": round(accuracy(anchors.apply(vectors), validation, validation_texts)[0], 4),
    }
    save(tower, float(learner.log_scale.detach().exp()), config, args.out, facts)
    anchors.save_to(args.out)
    checkpoint.unlink(missing_ok=True)  # the next run must not resume from a finished one
    console.print_json(data=facts)


if __name__ == "__main__":
    main()
