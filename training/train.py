"""Train the bundled model: an image tower into the text space of all-MiniLM-L6-v2.

    python training/train.py --data SHARDS --work build/training --out models/tiny

The text tower stays frozen, so only the image tower and a linear projection are learned: softmaxes over the cosine
similarities to the text embeddings of class names and of general words, with a learned temperature (as CLIP's, Radford et al.
2021, but with classes in place of captions). The learning rate follows the clock, so the run ends when it is told to on any
machine; small photos first, full size for the last part (progressive resizing), which buys about half as many photos more.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from transformers import ResNetConfig

from data import PhotoSet, augment, class_weights, graft, load, split_held_out
from muon import Muon
from text_targets import TextTargets
from tower import SIDE, ImageTower, embed_photos, normalise, save, sentence_embedder

SHARES = (0.75, 0.19, 0.06)  # of a batch: Tiny ImageNet, photos, CIFAR-10
BATCH = 256
TURN, PEAK_LR, WEIGHT_DECAY, WARM_UP = 0.015, 2e-3, 0.05, 0.02  # peaks of Muon's and of AdamW's learning rates
SMALL_SIDE, SMALL_PART = 48, 0.6
FIRST_SCALE, MAX_SCALE = 40.0, 100.0  # of the logits; the bound is CLIP's
CHECK_EVERY = 480  # seconds between checkpoints


def rate(progress: float) -> float:
    """The part of the peak learning rate that is due at `progress` in 0..1: a linear warm-up, then straight to zero."""
    return min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))


def optimisers_for(tower: ImageTower, log_scale: torch.nn.Parameter) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions, AdamW for the rest."""
    convolutions = [p for p in tower.parameters() if p.ndim == 4]
    rest = [p for p in tower.parameters() if p.ndim == 1] + [log_scale]
    groups = [{"params": tower.projection.parameters(), "weight_decay": WEIGHT_DECAY}, {"params": rest, "weight_decay": 0.0}]
    return [Muon(convolutions, lr=TURN), torch.optim.AdamW(groups, lr=PEAK_LR)]


def accuracy(vectors: torch.Tensor, photos: PhotoSet, classes: torch.Tensor) -> tuple[float, float]:
    """Top-1 and balanced accuracy (mean recall over the classes that occur)."""
    right = (vectors @ classes.T).argmax(dim=1).numpy() == photos.classes
    recalls = [right[photos.classes == index].mean() for index in np.unique(photos.classes)]
    return float(right.mean()), float(np.mean(recalls))


def word_accuracy(vectors: torch.Tensor, photos: PhotoSet, targets: TextTargets) -> float:
    """Of the photos of the first source that a general word covers, the part whose nearest word does."""
    classes = torch.from_numpy(photos.classes)
    named = targets.covered[classes].any(dim=1)
    nearest = (vectors[named] @ targets.words.mean().T).argmax(dim=1, keepdim=True)
    return float(targets.covered[classes[named]].gather(1, nearest).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder for the decoded cache and the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="where the model goes")
    parser.add_argument("--minutes", type=float, default=95)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    cache = args.work / "cache"
    tiny = load(args.data, [f"train-tiny-imagenet-{k}" for k in range(4)], cache)
    photos, held_out = split_held_out(load(args.data, ["train-photos"], cache))
    cifar = load(args.data, ["train-cifar10"], cache)
    validation = load(args.data, ["val-tiny-imagenet"], cache)
    assert validation.names == tiny.names
    sources = (tiny, photos, cifar)
    # The photos' classes have 27 to 1,400 photos each; the other sources' are even.
    chances = [class_weights(source, 0.5 if source is photos else 0.0) for source in sources]
    targets = TextTargets(sentence_embedder(), [source.names for source in sources])
    photos_start = int(targets.offsets[1])

    config = ResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 320], depths=[1, 2, 2], layer_type="basic")
    tower = ImageTower(config).to(device).to(memory_format=torch.channels_last)
    log_scale = torch.nn.Parameter(torch.tensor(math.log(FIRST_SCALE), device=device))
    optimisers = optimisers_for(tower, log_scale)
    peaks = (TURN, PEAK_LR)

    checkpoint = args.work / "checkpoint.pt"
    elapsed_before, seen = 0.0, 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        tower.load_state_dict(state["tower"])
        for optimiser, stored in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        with torch.no_grad():
            log_scale.copy_(state["log_scale"])
        elapsed_before, seen = state["elapsed"], state["seen"]
        rng = np.random.default_rng([args.seed, seen])  # new draws, not the first ones again
        torch.manual_seed(args.seed + seen)
        print(f"resumed at {elapsed_before / 60:.1f} min, {seen} photos", flush=True)

    total = args.minutes * 60
    started = time.monotonic()
    losses: list[float] = []
    next_report, next_check = elapsed_before + 30, elapsed_before + CHECK_EVERY
    while (elapsed := elapsed_before + time.monotonic() - started) < total:
        side = SMALL_SIDE if elapsed / total < SMALL_PART else SIDE
        due = rate(elapsed / total)
        for optimiser, peak in zip(optimisers, peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * due
        parts, blurred, wanted = [], [], []
        for source, chance, count, offset in zip(
            sources, chances, rng.multinomial(BATCH, SHARES), targets.offsets, strict=True
        ):
            rows = rng.choice(len(source), size=count, p=chance)
            photos_of_source, are_blurred = augment(source.take(rows), side, rng)
            parts.append(photos_of_source)
            blurred.append(are_blurred)
            wanted.append(torch.from_numpy(source.classes[rows] + offset))
        batch = graft(torch.cat(parts), torch.cat(blurred), rng)
        vectors = tower(normalise(batch).to(device))
        loss = targets.loss(vectors, torch.cat(wanted), log_scale.exp(), rng)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        with torch.no_grad():
            log_scale.clamp_(max=math.log(MAX_SCALE))
        losses.append(float(loss.detach()))
        seen += BATCH
        if elapsed > next_report:
            next_report = elapsed + 30
            print(
                f"{elapsed / 60:6.1f} min  {seen:8d} photos  side {side}  loss {np.mean(losses[-50:]):.3f}"
                f"  rate {due:.3f}  scale {float(log_scale.detach().exp()):.1f}  {seen / max(elapsed, 1):.0f} photos/s",
                flush=True,
            )
        if elapsed > next_check:
            next_check = elapsed + CHECK_EVERY
            state = {"tower": tower.state_dict(), "optimisers": [it.state_dict() for it in optimisers], "seen": seen}
            torch.save(state | {"log_scale": log_scale.detach(), "elapsed": elapsed}, checkpoint)
            fifth = validation.take(np.arange(0, len(validation), 5))
            top1, _ = accuracy(embed_photos(tower, fifth, device), fifth, targets.classes.mean(0, len(tiny.names)))
            print(f"{elapsed / 60:6.1f} min  a fifth of val-tiny-imagenet: top-1 {top1:.4f}", flush=True)

    told, kept = embed_photos(tower, validation, device), embed_photos(tower, held_out, device)
    names_of_photos = targets.classes.mean(photos_start, photos_start + len(photos.names))
    facts = {
        "minutes": args.minutes,
        "photos_seen": seen,
        "device": device,
        "threads": args.threads,
        "val_tiny_imagenet_top1": round(accuracy(told, validation, targets.classes.mean(0, len(tiny.names)))[0], 4),
        "held_out_photos_balanced_accuracy": round(accuracy(kept, held_out, names_of_photos)[1], 4),
        "general_words": len(targets.words.embeddings),
        "val_tiny_imagenet_general_word_is_right": round(word_accuracy(told, validation, targets), 4),
    }
    save(tower, float(log_scale.detach().exp()), config, args.out, facts)
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
