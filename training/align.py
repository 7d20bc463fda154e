"""Refit the projection of a trained tower, so that general words ("cat", "food") find their photos as kinds' names do.

    python training/align.py --data SHARDS --work build/training --model models/tiny

train.py taught the tower kinds of things. Its features stay as they are; the projection alone is learned anew, starting from
itself, on two softmaxes: over the class names as in train.py, and over the general words (general_words.py), in which the
other words that cover a photo's class are left out. It takes minutes, because the features are computed once.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig

from data import PhotoSet, load, plain, split_held_out
from general_words import WORDS, covers
from text_targets import TextTargets
from train import SIDE, ImageTower, accuracy, normalise, save, sentence_embedder

SAMPLES = {"tiny-imagenet": 45_000, "photos": None, "cifar-10": 6_000}  # photos of each source that features are made of
SHARES = (0.55, 0.35, 0.10)
STEPS, BATCH, LR, WEIGHT_DECAY, DROPOUT = 1_000, 512, 1e-3, 0.01, 0.2
GENERAL_PART = 0.5  # of the loss


@dataclass(frozen=True)
class Features:
    """Pooled features of one source, float32 (n, channels), and its classes, int64 (n,)."""

    values: torch.Tensor
    classes: torch.Tensor
    names: tuple[str, ...]


@torch.inference_mode()
def features(tower: ImageTower, photos: PhotoSet) -> Features:
    tower.eval()
    parts = [
        tower.vision(normalise(plain(photos.pixels[k : k + 250], SIDE))).pooler_output.flatten(1)
        for k in range(0, len(photos), 250)
    ]
    return Features(torch.cat(parts), torch.from_numpy(photos.classes), photos.names)


def fit(
    projection: torch.nn.Linear, scale: float, sources: list[Features], targets: TextTargets, words: torch.Tensor, seed: int
) -> float:
    """Train `projection` in place. `words`: unit embeddings of WORDS. Gives the logit scale that went with it."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    log_scale = torch.nn.Parameter(torch.tensor(math.log(scale)))
    optimiser = torch.optim.AdamW(
        [{"params": projection.parameters(), "weight_decay": WEIGHT_DECAY}, {"params": [log_scale], "weight_decay": 0.0}], lr=LR
    )
    covered = [torch.from_numpy(covers(source.names)) for source in sources]
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        rows, wanted, general = [], [], []
        for source, cover, share, offset in zip(sources, covered, SHARES, targets.offsets, strict=True):
            chosen = torch.from_numpy(rng.integers(0, len(source.classes), round(BATCH * share)))
            rows.append(source.values[chosen])
            wanted.append(source.classes[chosen] + int(offset))
            general.append(cover[source.classes[chosen]])
        batch = torch.nn.functional.dropout(torch.cat(rows), DROPOUT)
        vectors = torch.nn.functional.normalize(projection(batch), dim=-1)
        classes, cover = torch.cat(wanted), torch.cat(general)

        logits = log_scale.exp() * vectors @ targets.draw(rng).T
        loss = torch.nn.functional.cross_entropy(logits.masked_fill(targets.ignored[classes], float("-inf")), classes)

        named = cover.any(dim=1)
        picked = torch.multinomial(cover[named].float(), 1)[:, 0]
        others = cover[named].scatter(1, picked[:, None], False)
        logits = (log_scale.exp() * vectors[named] @ words.T).masked_fill(others, float("-inf"))
        loss = (1 - GENERAL_PART) * loss + GENERAL_PART * torch.nn.functional.cross_entropy(logits, picked)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 500 == 0:
            print(f"step {step}: loss {float(loss.detach()):.3f}, scale {float(log_scale.exp().detach()):.1f}", flush=True)
    return float(log_scale.exp().detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder of the decoded cache that train.py uses")
    parser.add_argument("--model", type=Path, required=True, help="folder of a model from train.py; it is rewritten")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    stored = json.loads((args.model / "config.json").read_text())
    config = ResNetConfig(**stored["vision_config"])
    tower = ImageTower(config, stored["projection_dim"]).to(memory_format=torch.channels_last)
    weights = {name: value.float() for name, value in load_file(args.model / "model.safetensors").items()}
    tower.load_state_dict(weights, strict=False)  # train.py stores no counters of batches

    rng = np.random.default_rng(args.seed)
    training, held_out = split_held_out(load(args.data, ["train-photos"], args.work / "cache"))
    tiny = load(args.data, [f"train-tiny-imagenet-{k}" for k in range(4)], args.work / "cache")
    cifar = load(args.data, ["train-cifar10"], args.work / "cache")
    validation = load(args.data, ["val-tiny-imagenet"], args.work / "cache")
    sources = [
        features(tower, photos.take(np.sort(rng.permutation(len(photos))[:count])))
        for photos, count in zip((tiny, training, cifar), SAMPLES.values(), strict=True)
    ]
    held_out_features, validation_features = features(tower, held_out), features(tower, validation)

    embed = sentence_embedder()
    targets = TextTargets(embed, [source.names for source in sources])
    words = TextTargets(embed, [WORDS]).evaluation(0, len(WORDS))
    scale = fit(tower.projection, stored["logit_scale"], sources, targets, words, args.seed)

    with torch.inference_mode():
        told, kept = (
            torch.nn.functional.normalize(tower.projection(it.values), dim=-1)
            for it in (validation_features, held_out_features)
        )
    top1, _ = accuracy(told, validation, targets.evaluation(0, len(tiny.names)))
    _, balanced = accuracy(kept, held_out, targets.evaluation(int(targets.offsets[1]), len(training.names)))
    cover = torch.from_numpy(covers(tiny.names))
    named = cover.any(dim=1)[torch.from_numpy(validation.classes)]
    best = (told[named] @ words.T).argmax(dim=1, keepdim=True)
    general = cover[torch.from_numpy(validation.classes)][named].gather(1, best).float().mean()
    facts = json.loads((args.model / "training.json").read_text())
    facts |= {"val_tiny_imagenet_top1": round(top1, 4), "held_out_photos_balanced_accuracy": round(balanced, 4)}
    facts |= {"general_words": len(WORDS), "val_tiny_imagenet_general_word_is_right": round(float(general), 4)}
    save(tower, scale, config, args.model, facts)
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
